"""CMCD: the keys and tokens that players speak (CTA-5004, CTA-5004-B), and what is kept of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from qoescope.catalog.bounds import (
    DEVICE_DATES,
    LATEST_MS,
    LONGEST_REQUEST_MS,
    LONGEST_STATE_MS,
    MOST_DROPPED,
    MOST_EVENTS,
    MOST_KBPS,
    MOST_STALLS,
    MOST_THROUGHPUT_KBPS,
)
from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.schema import Field, Table

Kind = Literal["int", "decimal", "bool", "string", "token", "ints", "strings"]
"""ints, strings: inner lists in version 2, one plain value in version 1."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the versions that know it, the header it travels in ("" = event reports only), its type and limits."""

    name: str
    versions: tuple[int, ...]
    header: Literal["Object", "Request", "Status", "Session", ""]
    kind: Kind
    doc: str
    step: int = 1
    """Integers are rounded to this when sent."""
    limit: int = 0
    """Longest string in version 2; 0 = none."""
    limit_v1: int = 0
    tokens: tuple[str, ...] = ()
    bounds: tuple[int, int] = (0, MOST_KBPS)
    """Least and greatest value that a number can mean; one beyond them is left out, and noted."""


_V1, _V12, _V2 = (1,), (1, 2), (2,)
_DAY, _HOUR = (0, LONGEST_STATE_MS), (0, LONGEST_REQUEST_MS)
_THROUGHPUT, _PLACE = (0, MOST_THROUGHPUT_KBPS), (0, LATEST_MS)
_STATE_REPORTS = ("ps", "t", "e", "rr", "bc", "pr", "c", "b")
_AD_REPORTS = ("abs", "abe", "as", "ae", "sk")
_SCREEN_REPORTS = ("m", "um", "pe", "pc")
_REPORTS = (*_STATE_REPORTS, *_AD_REPORTS, *_SCREEN_REPORTS, "h", "ce")

KEYS: Mapping[str, Key] = {
    k.name: k
    for k in (
        Key("ab", _V2, "Object", "ints", "kbps of the combination of tracks chosen, where a track's own is not known"),
        Key("lab", _V2, "Object", "ints", "kbps of the lowest combination of tracks"),
        Key("tab", _V2, "Object", "ints", "kbps of the top combination of tracks"),
        Key("br", _V12, "Object", "ints", "kbps of the object asked for; in events, of the selected rendition"),
        Key("d", _V12, "Object", "int", "ms that the object plays", bounds=_DAY),
        Key("lb", _V2, "Object", "ints", "kbps of the lowest rendition"),
        Key("tb", _V12, "Object", "ints", "kbps of the top rendition"),
        Key("tpb", _V2, "Object", "ints", "kbps of the top rendition that can play here"),
        Key("ot", _V12, "Object", "token", "type of object", tokens=("m", "a", "v", "av", "i", "c", "tt", "k", "o")),
        Key("bl", _V12, "Request", "ints", "ms in the buffer", step=100, bounds=_DAY),
        Key("tbl", _V2, "Request", "ints", "ms that the buffer aims at", step=100, bounds=_DAY),
        Key("cs", _V2, "Request", "string", "signature of the content"),
        Key("dfa", _V2, "Request", "int", "frames dropped since the session began", bounds=(0, MOST_DROPPED)),
        Key("dl", _V12, "Request", "int", "ms until the buffer would run dry", step=100, bounds=_DAY),
        Key("ltc", _V2, "Request", "int", "ms behind the live edge", bounds=_DAY),
        Key("mtp", _V12, "Request", "ints", "kbps of throughput as measured", step=100, bounds=_THROUGHPUT),
        Key("nor", _V12, "Request", "strings", "relative paths of the next objects"),
        Key("nrr", _V1, "Request", "string", "next byte range"),
        Key("pb", _V2, "Request", "ints", "kbps on screen now"),
        Key("sn", _V2, "Request", "int", "number of the report, per session, mode and target", bounds=(0, MOST_EVENTS)),
        Key("sta", _V2, "Request", "token", "player state", tokens=("d", "s", "p", "k", "r", "w", "a", "e", "f", "q")),
        Key("su", _V12, "Request", "bool", "needed urgently, until the target buffer is reached"),
        Key("bg", _V2, "Status", "bool", "no player is visible"),
        Key("bs", _V12, "Status", "bool", "the buffer was starved since the last report"),
        Key("bsa", _V2, "Status", "ints", "starvations since the session began", bounds=(0, MOST_STALLS)),
        Key("bsd", _V2, "Status", "ints", "ms of each starvation, told once after it ends", bounds=_DAY),
        Key("bsda", _V2, "Status", "ints", "ms of starvation since the session began", bounds=_DAY),
        Key("cdn", _V12, "Status", "string", "CDN; not in the standard, one library sends it", limit=128, limit_v1=128),
        Key("ec", _V2, "Status", "strings", "error codes since the last report"),
        Key("nr", _V2, "Status", "bool", "fetched but not rendered"),
        Key("pr", _V12, "Status", "decimal", "playback rate, 0 = not playing, left out when 1", bounds=(0, 100)),
        Key("pt", _V2, "Status", "int", "ms of playhead: an offset, or for live since the epoch", bounds=_PLACE),
        Key("rtp", _V12, "Status", "int", "kbps of throughput that is enough", step=100, bounds=_THROUGHPUT),
        Key("cid", _V12, "Session", "string", "content", limit=128, limit_v1=64),
        Key("msd", _V2, "Session", "int", "ms from starting to playing", bounds=_DAY),
        Key("sf", _V12, "Session", "token", "streaming format", tokens=("d", "h", "s", "o", "e")),
        Key("sid", _V12, "Session", "string", "playback session", limit=64, limit_v1=64),
        Key("st", _V12, "Session", "token", "VOD, live or low-latency live", tokens=("v", "l", "ll")),
        Key("v", _V12, "Session", "int", "version; absent means 1", bounds=(1, 999)),
        Key("e", _V2, "", "token", "what the event report tells", tokens=_REPORTS),
        Key("ts", _V2, "", "int", "ms since the epoch", bounds=(0, DEVICE_DATES[1])),
        Key("h", _V2, "", "string", "host that serves now", limit=128),
        Key("cen", _V2, "", "string", "name of a custom event", limit=64),
        Key("url", _V2, "", "string", "first URL asked for"),
        Key("rc", _V2, "", "int", "final status, 0 = no response", bounds=(0, 999)),
        Key("ttfb", _V2, "", "int", "ms to the first byte", bounds=_HOUR),
        Key("ttfbb", _V2, "", "int", "ms to the first byte of the body", bounds=_HOUR),
        Key("ttlb", _V2, "", "int", "ms to the last byte", bounds=_HOUR),
        Key("cmsdd", _V2, "", "string", "dynamic CMSD, Base64"),
        Key("cmsds", _V2, "", "string", "static CMSD, Base64"),
        Key("smrt", _V2, "", "string", "request tracing, Base64"),
    )
}
"""Every key. Others are custom if they have a hyphen inside, else unknown: kept as sent, and without effect."""

HEADERS = ("Object", "Request", "Status", "Session")
"""`CMCD-Object` and so on: headers by how often their values change; custom keys travel in Request."""

VERSION_1_HEADERS: Mapping[str, str] = {"pr": "Session"}
"""Keys that travelled in another header in version 1."""

COUNTED_AS, CUSTOM = "cmcd:", "custom"
"""Values that are left out are counted as `cmcd:br` and so on by their key, those of custom keys as `cmcd:custom`."""
CUSTOM_LIMIT = 64
SESSION_ID_LIMIT = 200
"""A session id beyond its 64 characters is kept whole up to this."""

LONGEST_RECORD = 16 * 1024
LONGEST_BODY = 1024 * 1024
MOST_RECORDS = 1000

MEDIA_TYPES = ("application/cmcd", "text/cmcd", "text/plain", "application/json")
"""Of bodies that are taken: the standard's, its first edition's, and two that are met in the wild."""

NOTES: Mapping[str, str] = {
    "cmcd_repaired": "a member could not be parsed and was left out",
    "cmcd_dropped": "a value had the wrong type, or was beyond all meaning, and was left out",
    "cmcd_mended": "a value had another shape or type than it should and was taken as what it means",
    "cmcd_cut": "a string was over its limit and was cut",
    "cmcd_encoded_twice": "percent-encoded twice",
    "cmcd_wrong_header": "a key came in another header than its own",
    "cmcd_unrounded": "a value should have been rounded to 100",
    "cmcd_event_assumed": "an event report without `e`: taken as a time interval",
    "cmcd_time_assumed": "an event report without `ts`: taken as its arrival",
    "cmcd_version_assumed": "an event report without `v`: taken as version 2",
    "cmcd_version": "a version that is not known: ignored whole",
}
"""What may be noted of a record; none of them is a reason to refuse it."""

STREAM_FORMATS: Mapping[str, str] = {
    "d": "dash",
    "h": "hls",
    "s": "smooth",
    "o": "other",
    "e": "other",
}
CONTENT_TYPES: Mapping[str, str] = {"v": "vod", "l": "live", "ll": "live"}

_WHO = (
    Field("property", "text", "the property: one app or site", nullable=False),
    Field(
        "session_id",
        "text",
        "`sid`: one playback session on one device",
        nullable=False,
    ),
)

RECORDS = Table(
    "cmcd_records",
    "every CMCD record as it came, one row a record",
    (
        *_WHO,
        Field(
            "mode",
            "text",
            "event: a report of its own · request: sent on a media request",
            nullable=False,
        ),
        Field(
            "target",
            "text",
            "which of the player's targets or doors it came by",
            default="",
        ),
        Field(
            "record",
            "text",
            "the record as sent, percent-decoded, headers joined: one dictionary",
            nullable=False,
        ),
        Field(
            "received_at",
            "instant",
            "when the door had it; of a CDN's log line, its time",
            nullable=False,
        ),
        Field(
            "host",
            "text",
            "host of the media request it was on; null for event reports",
        ),
        Field("status", "int", "status of that request, where a log says it"),
        Field("kafka_partition", "int", "where in the log its record lies", default=0),
        Field("kafka_offset", "int", "where in the partition its record lies", default=0),
        Field("position", "int", "its place in the record, from 0", default=0),
        *(f for f in CONTEXT_FIELDS if f.name not in ("session_id", "started_at", "content_duration_ms")),
    ),
    key=("property", "session_id", "kafka_partition", "kafka_offset", "position"),
)
"""Input of the mapping to events. Context columns hold what CMCD lacks, from user agent and address."""

OBSERVED = Table(
    "cmcd_sessions",
    "one row a CMCD session: what its records tell of delivery; null where they cannot tell",
    (
        *_WHO,
        Field(
            "source",
            "text",
            "cmcd_v2, or cmcd_v1 where no record spoke version 2",
            nullable=False,
        ),
        Field("first_at", "instant", "arrival of its first record", nullable=False),
        Field("last_at", "instant", "arrival of its last record", nullable=False),
        Field(
            "tells_states",
            "bool",
            "its records make events: it is counted in attempts",
            nullable=False,
        ),
        Field("content_id", "text", "`cid` of what was rendered first, ads left out", default="unknown"),
        Field("content_type", "text", "vod or live", default="unknown"),
        Field("stream_format", "text", "streaming format", default="unknown"),
        Field("cdn", "text", "first CDN that was told", default="unknown"),
        Field("startup_ms", "int", "wait for the first frame, as the player says it: `msd`; null where it does not"),
        Field("record_count", "int", "distinct records", nullable=False),
        Field("request_count", "int", "media requests; null where none was told"),
        Field(
            "request_errors",
            "int",
            "of them with status 0 or from 400; null where no status was told",
        ),
        Field("media_ms", "int", "media fetched: Σ d of video"),
        Field("requested_kbps_ms", "int", "Σ d · br of video, where both are known"),
        Field("requested_ms", "int", "Σ d of the same"),
        Field("requested_kbps", "int", "their ratio, half up"),
        Field("top_kbps", "int", "greatest top bitrate offered"),
        Field("throughput_kbps_sum", "int", "Σ of measured throughput"),
        Field("throughput_count", "int", "records with one"),
        Field("buffer_ms_sum", "int", "Σ of buffer lengths"),
        Field("buffer_count", "int", "records with one"),
        Field("live_latency_ms_sum", "int", "Σ of live latencies"),
        Field("live_latency_count", "int", "records with one"),
        Field(
            "starvation_count",
            "int",
            "starvation flags on video requests, within 2 s one: an upper bound of stalls",
        ),
        Field("lost_reports", "int", "gaps in `sn`; null where no `sn` was sent"),
        Field(
            "notes",
            "text",
            "what was noted while reading, by name, joined by spaces",
            default="",
        ),
    ),
    key=("property", "session_id"),
)
"""Delivery, a row a session. Sessions with `tells_states` are in `sessions` too."""

REQUESTS = Table(
    "cmcd_requests",
    "delivery by session and host: sums over media requests",
    (
        *_WHO,
        Field("host", "text", "host that was asked", default="unknown"),
        Field("cdn", "text", "its CDN by the property's map", default="unknown"),
        Field("last_at", "instant", "arrival of the last one", nullable=False),
        Field("request_count", "int", "media requests", nullable=False),
        Field("status_count", "int", "of them with a known status", nullable=False),
        Field("error_count", "int", "of those with status 0 or from 400", nullable=False),
        Field("ttfb_ms_sum", "int", "Σ ms to the first byte", nullable=False),
        Field("ttfb_count", "int", "requests with one", nullable=False),
        Field("ttlb_ms_sum", "int", "Σ ms to the last byte", nullable=False),
        Field("ttlb_count", "int", "requests with one", nullable=False),
        Field("requested_kbps_ms", "int", "Σ d · br", nullable=False),
        Field("requested_ms", "int", "Σ d of the same", nullable=False),
    ),
    key=("property", "session_id", "host"),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What one property says of its own world."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    """Host → CDN."""
    business_codes: frozenset[str] = frozenset()
    """Error codes by which a rule did what it should."""
    custom: Mapping[str, str] = field(default_factory=dict)
    """Custom key → dimension."""


NO_RULES = Rules()
