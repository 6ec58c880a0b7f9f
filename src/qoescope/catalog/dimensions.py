"""Dimensions: by what sessions can be told apart, with their allowed values and their number."""

from dataclasses import dataclass
from typing import Literal

from qoescope.catalog.bounds import DATES, LONGEST_CONTENT_MS
from qoescope.catalog.schema import Field

UNKNOWN = "unknown"
"""What an absent dimension is called; it is never null or empty in a table."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension. low: below 100 values · middle: below 10,000 · high: in `sessions` only."""

    name: str
    label: str
    doc: str
    size: Literal["low", "middle", "high"]
    values: tuple[str, ...] = ()
    derived: bool = False
    """Made by the fold, not sent by the player."""


DIMENSIONS = (
    Dimension(
        "device_type",
        "Device",
        "kind of device",
        "low",
        ("smart_tv", "mobile", "tablet", "web", "console", "set_top_box", "other"),
    ),
    Dimension("device_model", "Device model", "model as the maker names it", "middle"),
    Dimension("os", "OS", "ios, tvos, android, android_tv, tizen, webos, roku, windows, macos, linux …", "low"),
    Dimension("os_version", "OS version", "operating system's version", "middle"),
    Dimension("browser", "Browser", "browser, or app where there is none", "low"),
    Dimension("browser_version", "Browser version", "browser's version", "middle"),
    Dimension("user_agent", "User agent", "user agent as sent", "high"),
    Dimension("app_version", "App version", "version of the service's app, such as v16.2.1", "middle"),
    Dimension("player_name", "Player", "hls.js, shaka, dash.js, exoplayer, avplayer …", "middle"),
    Dimension("player_version", "Player version", "the player's version", "middle"),
    Dimension(
        "network_type",
        "Network",
        "kind of network",
        "low",
        ("wifi", "ethernet", "cellular_5g", "cellular_4g", "cellular_3g", "other"),
    ),
    Dimension("country_code", "Country", "ISO 3166-1 alpha-2", "low"),
    Dimension("region", "Region", "ISO 3166-2", "middle"),
    Dimension("isp", "ISP", "internet provider, lower case", "middle"),
    Dimension("asn", "ASN", "autonomous system number", "middle"),
    Dimension("cdn", "CDN", "where the session started", "low"),
    Dimension("cdn_pop", "CDN POP", "the CDN's point of presence, such as KR-5", "middle"),
    Dimension("content_id", "Content", "what was played", "middle"),
    Dimension("content_title", "Title", "its title", "high"),
    Dimension("content_series", "Series", "its series", "middle"),
    Dimension("content_type", "Content type", "vod or live", "low", ("vod", "live")),
    Dimension("stream_format", "Format", "streaming format", "low", ("hls", "dash", "smooth", "other")),
    Dimension("drm", "DRM", "content protection", "low", ("none", "widevine", "playready", "fairplay")),
    Dimension("video_codec", "Video codec", "video codec", "low", ("avc", "hevc", "av1", "vp9")),
    Dimension("experiment", "Experiment", "A/B test the session is part of", "low"),
    Dimension("variant", "Variant", "its arm of the experiment", "low"),
    Dimension("source", "Source", "who told us", "low", ("sdk", "cmcd_v2", "cmcd_v1", "import", "simulator")),
    Dimension(
        "visibility",
        "Visibility",
        "whether the page was in sight",
        "low",
        ("visible", "hidden_start", "hidden_part"),
        derived=True,
    ),
    Dimension(
        "start_outcome",
        "Start outcome",
        "what became of the attempt",
        "low",
        ("played", "failed_technical", "failed_business", "exited", "exited_hidden"),
        derived=True,
    ),
    Dimension(
        "close_reason",
        "Close reason",
        "how the session ended",
        "low",
        ("failed", "finished", "exited", "timed_out"),
        derived=True,
    ),
    Dimension("error_code", "Error code", "code of the fatal error, else of the first one", "middle", derived=True),
    Dimension("error_class", "Error class", "class of the fatal error", "low", ("technical", "business"), derived=True),
)

DIMENSION_BY_NAME = {d.name: d for d in DIMENSIONS}
SENT = tuple(d.name for d in DIMENSIONS if not d.derived)
"""Dimensions that travel in a beacon's context."""

CUBED = (
    "device_type",
    "os",
    "app_version",
    "player_name",
    "network_type",
    "country_code",
    "isp",
    "cdn",
    "cdn_pop",
    "content_id",
    "content_type",
    "stream_format",
    "drm",
    "experiment",
    "variant",
    "source",
    "close_reason",
    "start_outcome",
    "error_code",
)
"""Dimensions by which the hourly marts are kept, each alone."""

PAIRS = (
    ("device_type", "app_version"),
    ("device_type", "os"),
    ("isp", "cdn"),
    ("country_code", "isp"),
    ("country_code", "device_type"),
    ("device_type", "network_type"),
    ("experiment", "variant"),
    ("cdn", "cdn_pop"),
)
"""Pairs of dimensions that the hourly marts are kept by: drill-downs people take."""

CONTEXT_FIELDS = (
    Field("session_id", "text", "one press of play", nullable=False),
    Field("viewer_id", "text", "pseudonym of the viewer", default=UNKNOWN),
    Field("started_at", "instant", "the press of play; says in which day of the lake the session lies", bounds=DATES),
    Field(
        "content_duration_ms",
        "int",
        "length of the content; null when live or not known",
        bounds=(1, LONGEST_CONTENT_MS),
    ),
    *(Field(name, "text", DIMENSION_BY_NAME[name].doc, default=UNKNOWN) for name in SENT),
)
"""What a beacon says once of its session."""
