"""Faults: what is injected on purpose, as data. Each changes a cause, never a result; decoys must not be reported."""

from dataclasses import dataclass
from typing import Literal

Cause = Literal[
    "startup_wait",
    "connect_ms",
    "licence_chance",
    "connect_chance",
    "throughput",
    "segment_size",
    "failures_a_minute",
    "leak_a_minute",
    "ad_wait_ms",
    "abr_target",
    "silent_end_chance",
    "traffic",
]

CAUSES: dict[Cause, str] = {
    "startup_wait": "× every wait before the first frame",
    "connect_ms": "+ ms to reach the service at the press of play",
    "licence_chance": "probability that the licence server does not answer (DRM devices)",
    "connect_chance": "probability that the CDN cannot be connected to",
    "throughput": "× throughput",
    "segment_size": "× size of a segment against what the manifest says",
    "failures_a_minute": "technical failures a minute of playing",
    "leak_a_minute": "technical failures a minute of playing, from 45 minutes on",
    "ad_wait_ms": "+ ms until a pre-roll answers",
    "abr_target": "× the bitrate that the player dares",
    "silent_end_chance": "probability that the end event is never sent",
    "traffic": "probability that a session comes from this country instead of its own",
}
"""What a fault may change, and what its number means."""

LEAK_AFTER_S = 45 * 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """When a fault holds. Places in the period are shares of it, so that any number of days has each fault."""

    start: float
    """Share of the period, 0..1."""
    end: float = 1.0
    minutes: float | None = None
    """Length; None: until `end`."""
    local_hour: float | None = None
    """Begins at this hour of the slice's country; with `daily`, each day."""
    daily: bool = False
    ramp: float = 0.0
    """Share of the window over which it grows from nothing to all of it; 0: at once."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what a person would say, where, when, what it does to which cause, and where it shows."""

    name: str
    says: str
    slice: tuple[tuple[str, str], ...]
    window: Window
    cause: Cause
    by: float
    kpi: str
    """The metric in which it shows first."""
    size: float
    """By what factor at least that metric gets worse in the slice while it holds (bitrate: divided)."""
    error_code: str = ""
    kind: Literal["fault", "data", "decoy"] = "fault"
    """data: the telemetry is broken, not the service · decoy: nothing to report."""
    shape: str = ""
    """step, ramp, pulse or daily; filled in for drawn faults, else read off the window."""


FAULTS = (
    Fault(
        "ios-slow-start",
        "Since an OS update, iPhones on iOS 15.3 take twice as long to start.",
        (("device_type", "mobile"), ("os", "ios"), ("os_version", "15.3")),
        Window(0.45),
        "startup_wait",
        2.0,
        "startup_avg_ms",
        1.7,
    ),
    Fault(
        "bad-encode",
        "content_42 was encoded wrongly: its segments are far bigger than the manifest says; televisions stall.",
        (("content_id", "content_42"), ("device_type", "smart_tv")),
        Window(0.3),
        "segment_size",
        1.16,
        "stalls_per_session",
        2.5,
    ),
    Fault(
        "isp-routing",
        "Vivo in Brazil routes the service around the world: each start waits 1.5 s more.",
        (("country_code", "BR"), ("isp", "vivo")),
        Window(0.5, 0.8),
        "connect_ms",
        1500.0,
        "startup_avg_ms",
        1.3,
    ),
    Fault(
        "broken-release",
        "v18.9.6 crashes on televisions while playing.",
        (("app_version", "v18.9.6"), ("device_type", "smart_tv")),
        Window(0.0),
        "failures_a_minute",
        0.02,
        "play_failure_ratio",
        4.0,
        "DECODER_CRASH",
    ),
    Fault(
        "pop-brownout",
        "POP US-1 browns out for 40 minutes of the evening.",
        (("cdn_pop", "US-1"),),
        Window(0.6, minutes=40, local_hour=20.5),
        "throughput",
        0.3,
        "rebuffer_ratio",
        1.8,
    ),
    Fault(
        "licence-outage",
        "The Widevine licence server of Germany is down for five hours.",
        (("country_code", "DE"), ("drm", "widevine")),
        Window(0.7, minutes=300, local_hour=17),
        "licence_chance",
        0.7,
        "start_failure_ratio",
        8.0,
        "DRM_LICENCE_TIMEOUT",
    ),
    Fault(
        "peering-congestion",
        "Comcast and CDN borealis peer over too small a link: each evening it is a little worse.",
        (("isp", "comcast"), ("cdn", "borealis")),
        Window(0.3, minutes=270, local_hour=19, daily=True, ramp=1.0),
        "throughput",
        0.12,
        "rebuffer_ratio",
        1.8,
    ),
    Fault(
        "player-leak",
        "shaka 3.3.19 leaks memory on old Samsung televisions: it dies after three quarters of an hour.",
        (("device_model", "Samsung TU7000"), ("player_version", "3.3.19")),
        Window(0.35),
        "leak_a_minute",
        0.3,
        "play_failure_ratio",
        2.5,
        "OUT_OF_MEMORY",
    ),
    Fault(
        "ad-timeout",
        "The ad server times out on the web: the pre-roll takes 9 s more, and viewers leave before it.",
        (("device_type", "web"),),
        Window(0.55, 0.75),
        "ad_wait_ms",
        9000.0,
        "ebvs_ratio",
        1.8,
    ),
    Fault(
        "expired-certificate",
        "A certificate of CDN cascade expired: nobody can start there, from one minute to the next.",
        (("cdn", "cascade"),),
        Window(0.85, minutes=120, local_hour=19),
        "connect_chance",
        0.85,
        "start_failure_ratio",
        20.0,
        "TLS_CERT_EXPIRED",
    ),
    Fault(
        "abr-regression",
        "Arm `cautious` of the experiment dares too little: bitrate falls, stalls don't.",
        (("experiment", "abr_tuning"), ("variant", "cautious")),
        Window(0.4),
        "abr_target",
        0.35,
        "bitrate_avg_kbps",
        1.3,
    ),
    Fault(
        "silent-telemetry",
        "v18.9.3 does not send its end events: a fault of the data, not of the service.",
        (("app_version", "v18.9.3"),),
        Window(0.0),
        "silent_end_chance",
        1.0,
        "timeout_ratio",
        4.0,
        kind="data",
    ),
    Fault(
        "traffic-shift",
        "A campaign brings more viewers from India: all numbers get worse, no viewer's does (Simpson).",
        (("country_code", "IN"),),
        Window(0.62, 0.9),
        "traffic",
        0.12,
        "rebuffer_ratio",
        1.0,
        kind="decoy",
    ),
)
"""Injected together by default; each alone by name."""

DEMO = (
    Fault(
        "demo-certificate",
        "A certificate of CDN cascade expired in the middle of the run: nobody can start there.",
        (("cdn", "cascade"),),
        Window(0.42, 0.68),
        "connect_chance",
        0.85,
        "start_failure_ratio",
        20.0,
        "TLS_CERT_EXPIRED",
    ),
    Fault(
        "demo-release",
        "v18.9.8 crashes while playing since a server-side switch.",
        (("app_version", "v18.9.8"),),
        Window(0.44, 0.74),
        "failures_a_minute",
        0.4,
        "play_failure_ratio",
        8.0,
        "DECODER_CRASH",
    ),
    Fault(
        "demo-slow-start",
        "Since a server-side switch, iPhones take more than three times as long to start.",
        (("device_type", "mobile"), ("os", "ios")),
        Window(0.46, 0.74),
        "startup_wait",
        3.5,
        "startup_avg_ms",
        2.5,
    ),
    Fault(
        "demo-brownout",
        "CDN borealis serves televisions at a twentieth of its speed.",
        (("cdn", "borealis"), ("device_type", "smart_tv")),
        Window(0.50, 0.76),
        "throughput",
        0.05,
        "rebuffer_ratio",
        3.0,
    ),
    Fault(
        "demo-traffic",
        "More viewers from India than usual: no viewer is worse off.",
        (("country_code", "IN"),),
        Window(0.50, 0.90),
        "traffic",
        0.10,
        "rebuffer_ratio",
        1.0,
        kind="decoy",
    ),
)
"""What the live demo injects: wide slices, so that minutes of traffic show them. At the demo's speed an hour of the
viewers' time passes: 25 clean minutes first, to know what is usual, and 14 at the end, to see it over."""

STANDING_DECOYS = (
    (
        "old-television",
        "Old televisions are always slower to start and drop frames: no change, nothing to report.",
        (("device_model", "LG UK6200"),),
    ),
    ("weekend", "Weekends carry more load and slower evenings: expected, nothing to report.", ()),
    (
        "new-version",
        "v18.9.9 appears near the end without a history, and is as good as the others: nothing to report.",
        (("app_version", "v18.9.9"),),
    ),
    (
        "flash-crowd",
        "A live event brings a crowd for two hours: more viewers, nothing to report.",
        (("content_type", "live"),),
    ),
)
"""What is always in the data and must not be reported: name, what a person would say, slice."""
