"""Marts: measures by time and by one or two dimensions, declared once; the DDL, the cubes and `ask` are derived."""

from dataclasses import dataclass

from qoescope.catalog.dimensions import CUBED, PAIRS, used_for
from qoescope.catalog.measures import ALL, LIVE_MEASURES, MEASURES, Measure
from qoescope.catalog.schema import Field, Table

Grouping = tuple[str, ...]

SINGLES: tuple[Grouping, ...] = tuple((name,) for name in CUBED)
LIVE_DIMENSIONS = used_for("live")


@dataclass(frozen=True, slots=True)
class Mart:
    """Measures of `source` rows, one row a (property, step of time, grouping, values)."""

    name: str
    doc: str
    source: str
    every_s: int
    groupings: tuple[Grouping, ...]
    measures: tuple[Measure, ...]

    @property
    def personal(self) -> bool:
        """Whether its rows are about single viewers: then it is kept as long as sessions, and erased as they are."""
        return any("viewer_id" in grouping for grouping in self.groupings)

    @property
    def table(self) -> Table:
        """The mart as a table: `grouping` names the dimensions, `value_1` and `value_2` are their values."""
        return Table(
            self.name,
            self.doc,
            (*KEY_FIELDS, *measure_fields(self.measures)),
            key=tuple(f.name for f in KEY_FIELDS),
            partition=("day",),
            sums=tuple(m.name for m in self.measures),
        )


KEY_FIELDS = (
    Field("property", "text", "the property: one app or site", nullable=False),
    Field("day", "day", "day, UTC", nullable=False),
    Field("starts_at", "instant", "start of the hour, day or window", nullable=False),
    Field("grouping", "text", "dimensions it is kept by, joined by commas; empty for the total", nullable=False),
    Field("value_1", "text", "value of the first dimension", default="", nullable=False),
    Field("value_2", "text", "value of the second dimension", default="", nullable=False),
)


def measure_fields(measures: tuple[Measure, ...]) -> tuple[Field, ...]:
    """Columns that hold the measures."""
    return tuple(
        Field(m.name, m.type, m.doc, default=None if m.type in ("ints", "sketch") else 0, nullable=False)
        for m in measures
    )


QUALITY_HOUR = Mart(
    "quality_hour", "sessions by the hour in which they started", "sessions", 3600, ((), *SINGLES, *PAIRS), MEASURES
)
QUALITY_DAY = Mart(
    "quality_day", "sessions by the day in which they started", "sessions", 86_400, ((), *SINGLES, *PAIRS), MEASURES
)
_OF_VIEWERS = (
    "attempts",
    "plays",
    "start_failures_technical",
    "start_failures_business",
    "exits_before_start",
    "play_failures_technical",
    "play_failures_business",
    "stalled_plays",
    "stalls",
    "stall_ms",
    "play_ms",
    "watched_ms",
    "startups",
    "startup_ms",
    "errors",
    "events",
    "lost_events",
    "good_sessions",
    "judged_sessions",
    "experience_score_sum",
    "experience_score_count",
)
VIEWER_DAY = Mart(
    "viewer_day",
    "viewers, by pseudonym and device, by the day in which their sessions started",
    "sessions",
    86_400,
    (("viewer_id", "device_type"),),
    tuple(ALL[name] for name in _OF_VIEWERS),
)
LIVE_WINDOW = Mart(
    "live_window",
    "events by the ten seconds in which their interval ended",
    "events",
    10,
    ((), *((name,) for name in LIVE_DIMENSIONS)),
    LIVE_MEASURES,
)

MARTS = (QUALITY_HOUR, QUALITY_DAY, VIEWER_DAY, LIVE_WINDOW)
SESSION_MARTS = tuple(mart for mart in MARTS if mart.source == "sessions")
"""Those that closed sessions fill, and that a day's restatement fills again."""

LEAF_DIMENSIONS = used_for("leaf")
"""Dimensions among which the monitor looks for the slice that broke."""

_STARTED = "type = 'playback_start' and state in ('starting', 'idle')"
_FAILED, _EXITED = ("type = 'playback_fail'", "type = 'playback_finish' and reason = 'exited' and state = 'starting'")
_WAIT = "coalesce(startup_ms, state_ms)"

LEAF_MEASURES = (
    Measure("attempts", where="type = 'playback_request' and state = 'idle'", doc="presses of play"),
    Measure("starts", where=_STARTED, doc="first frames"),
    Measure("start_failures", where="failed and state = 'starting'", doc="technical failures before the first frame"),
    Measure("start_failures_business", where=f"{_FAILED} and not failed and state = 'starting'", doc="refused starts"),
    Measure("exits_before_start", where=_EXITED, doc="exits before the first frame"),
    Measure("early_exits", where=f"{_EXITED} and {_WAIT} < 1000", doc="of them, within a second"),
    Measure("play_failures", where="failed and state <> 'starting'", doc="technical failures after the first frame"),
    Measure(
        "plays_ended",
        where="type in ('playback_finish', 'playback_fail') and state not in ('starting', 'idle')",
        doc="plays that ended",
    ),
    Measure("events", doc="events"),
    Measure("lost_events", "greatest(gap, 0)", doc="events missing within records"),
    Measure("intervals", where="watched", doc="watched intervals"),
    Measure("watched_ms", "t", where="watched", doc="time watched or waited"),
    Measure("play_ms", "t", where="content", doc="content shown"),
    Measure("stall_ms", "t", where="state = 'stalled'", doc="time stalled"),
    Measure("stalls", where="type = 'playback_stall' and state = 'playing'", doc="stalls"),
    Measure("stall_ms_sq", "cast(t as double) * t", where="state = 'stalled'", doc="Σ stalled²", type="float"),
    Measure("watched_ms_sq", "cast(t as double) * t", where="watched", doc="Σ watched²", type="float"),
    Measure("startups", where=f"{_STARTED} and not hidden", doc="starts with known startup"),
    Measure(
        "startup_log_sum", f"ln(greatest({_WAIT}, 1))", where=f"{_STARTED} and not hidden", doc="Σ ln ms", type="float"
    ),
    Measure(
        "startup_log_sq",
        f"power(ln(greatest({_WAIT}, 1)), 2)",
        where=f"{_STARTED} and not hidden",
        doc="Σ (ln ms)²",
        type="float",
    ),
    Measure("bitrates", where="content and bitrate_kbps > 0", doc="intervals with known bitrate"),
    Measure("bitrate_log_sum", "ln(bitrate_kbps)", where="content and bitrate_kbps > 0", doc="Σ ln kbps", type="float"),
    Measure(
        "bitrate_log_sq",
        "power(ln(bitrate_kbps), 2)",
        where="content and bitrate_kbps > 0",
        doc="Σ (ln kbps)²",
        type="float",
    ),
)

LIVE_LEAF = Table(
    "live_leaf",
    "events by minute and by all dimensions that the monitor watches together",
    (
        *KEY_FIELDS[:3],
        Field("leaf", "int", "a number for the values of all its dimensions", nullable=False),
        *(Field(name, "text", f"dimension {name}", nullable=False) for name in LEAF_DIMENSIONS),
        *measure_fields(LEAF_MEASURES),
    ),
    key=("property", "day", "starts_at", "leaf"),
    partition=("day",),
    sums=tuple(m.name for m in LEAF_MEASURES),
)
