"""Dimensions: by what sessions can be told apart, with their allowed values and their number."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from qoescope.catalog.bounds import DATES, LONGEST_CONTENT_MS
from qoescope.catalog.schema import Field

UNKNOWN = "unknown"
"""What an absent dimension is called; it is never null or empty in a table."""


Use = Literal["cubed", "live", "leaf", "restated", "compared", "listed"]
"""cubed: the hourly marts are kept by it alone. live: so are live windows. leaf: the monitor searches it live.
restated: it searches restated sessions by it. compared: the console compares its values. listed: it is a column of
lists of sessions. Each of the first three multiplies rows."""


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
    uses: Mapping[Use, int] = field(default_factory=dict, compare=False)
    """What else it is used for, and its place there, from 1: `leaf` is hashed in this order, pages list it so."""


DIMENSIONS = (
    Dimension(
        "device_type",
        "Device",
        "kind of device",
        "low",
        ("smart_tv", "mobile", "tablet", "web", "console", "set_top_box", "other"),
        uses={"cubed": 1, "live": 1, "leaf": 1, "restated": 1, "compared": 1, "listed": 1},
    ),
    Dimension("device_model", "Device model", "model as the maker names it", "middle", uses={"leaf": 2, "restated": 2}),
    Dimension(
        "os",
        "OS",
        "ios, tvos, android, android_tv, tizen, webos, roku, windows, macos, linux …",
        "low",
        uses={"cubed": 2, "live": 2, "leaf": 3, "restated": 3, "compared": 2, "listed": 2},
    ),
    Dimension("os_version", "OS version", "operating system's version", "middle", uses={"leaf": 4, "restated": 4}),
    Dimension("browser", "Browser", "browser, or app where there is none", "low"),
    Dimension("browser_version", "Browser version", "browser's version", "middle"),
    Dimension("user_agent", "User agent", "user agent as sent", "high"),
    Dimension(
        "app_version",
        "App version",
        "version of the service's app, such as v16.2.1",
        "middle",
        uses={"cubed": 3, "live": 3, "leaf": 5, "restated": 5, "compared": 3, "listed": 3},
    ),
    Dimension(
        "player_name",
        "Player",
        "hls.js, shaka, dash.js, exoplayer, avplayer …",
        "middle",
        uses={"cubed": 4, "live": 10, "leaf": 6, "restated": 6},
    ),
    Dimension("player_version", "Player version", "the player's version", "middle", uses={"leaf": 7, "restated": 7}),
    Dimension(
        "network_type",
        "Network",
        "kind of network",
        "low",
        ("wifi", "ethernet", "cellular_5g", "cellular_4g", "cellular_3g", "other"),
        uses={"cubed": 5, "live": 8, "leaf": 8, "restated": 8, "compared": 8},
    ),
    Dimension(
        "country_code",
        "Country",
        "ISO 3166-1 alpha-2",
        "low",
        uses={"cubed": 6, "live": 4, "leaf": 9, "restated": 9, "compared": 4, "listed": 4},
    ),
    Dimension("region", "Region", "ISO 3166-2", "middle"),
    Dimension(
        "isp",
        "ISP",
        "internet provider, lower case",
        "middle",
        uses={"cubed": 7, "live": 5, "leaf": 10, "restated": 10, "compared": 5, "listed": 5},
    ),
    Dimension("asn", "ASN", "autonomous system number", "middle"),
    Dimension(
        "cdn",
        "CDN",
        "where the session started",
        "low",
        uses={"cubed": 8, "live": 6, "leaf": 11, "restated": 11, "compared": 6, "listed": 6},
    ),
    Dimension(
        "cdn_pop",
        "CDN POP",
        "the CDN's point of presence, such as KR-5",
        "middle",
        uses={"cubed": 9, "live": 7, "leaf": 12, "restated": 12, "compared": 7},
    ),
    Dimension(
        "content_id",
        "Content",
        "what was played",
        "middle",
        uses={"cubed": 10, "leaf": 14, "restated": 13, "compared": 9, "listed": 7},
    ),
    Dimension("content_title", "Title", "its title", "high", uses={"listed": 8}),
    Dimension("content_series", "Series", "its series", "middle"),
    Dimension("content_type", "Content type", "vod or live", "low", ("vod", "live"), uses={"cubed": 11, "live": 9}),
    Dimension(
        "stream_format", "Format", "streaming format", "low", ("hls", "dash", "smooth", "other"), uses={"cubed": 12}
    ),
    Dimension(
        "drm",
        "DRM",
        "content protection",
        "low",
        ("none", "widevine", "playready", "fairplay"),
        uses={"cubed": 13, "live": 11, "leaf": 13, "restated": 14, "compared": 10},
    ),
    Dimension("video_codec", "Video codec", "video codec", "low", ("avc", "hevc", "av1", "vp9")),
    Dimension("experiment", "Experiment", "A/B test the session is part of", "low", uses={"cubed": 14, "restated": 15}),
    Dimension(
        "variant",
        "Variant",
        "its arm of the experiment",
        "low",
        uses={"cubed": 15, "live": 12, "leaf": 15, "restated": 16},
    ),
    Dimension(
        "source",
        "Source",
        "who told us",
        "low",
        ("sdk", "cmcd_v2", "cmcd_v1", "import", "simulator"),
        uses={"cubed": 16},
    ),
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
        uses={"cubed": 18, "listed": 9},
    ),
    Dimension(
        "close_reason",
        "Close reason",
        "how the session ended",
        "low",
        ("failed", "finished", "exited", "timed_out"),
        derived=True,
        uses={"cubed": 17, "listed": 10},
    ),
    Dimension(
        "error_code",
        "Error code",
        "code of the fatal error, else of the first one",
        "middle",
        derived=True,
        uses={"cubed": 19, "listed": 11},
    ),
    Dimension("error_class", "Error class", "class of the fatal error", "low", ("technical", "business"), derived=True),
)

DIMENSION_BY_NAME = {d.name: d for d in DIMENSIONS}
SENT = tuple(d.name for d in DIMENSIONS if not d.derived)
"""Dimensions that travel in a beacon's context."""


def used_for(use: Use) -> tuple[str, ...]:
    """Names of the dimensions with this use, in their declared places."""
    return tuple(
        sorted((d.name for d in DIMENSIONS if use in d.uses), key=lambda name: DIMENSION_BY_NAME[name].uses[use])
    )


CUBED = used_for("cubed")
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
