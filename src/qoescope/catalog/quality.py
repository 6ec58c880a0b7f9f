"""Quality: the rules that a day's sessions must keep before they go from the lake to the marts, and what came of it.

Each rule is judged by property. Where it speaks of what is usual, that is the median of the days before that kept it.
"""

from dataclasses import dataclass
from typing import Literal

from qoescope.catalog.dimensions import CUBED, DIMENSIONS, SENT, UNKNOWN
from qoescope.catalog.metrics import METRIC_BY_NAME, Ratio
from qoescope.catalog.schema import Field, Table

Kind = Literal["null", "range", "uniqueness", "reference", "volume", "distribution"]

FEW = 200
"""Below so many sessions a share or a mean says little: a rule that allows some is not held against them."""
USUAL_DAYS = 28
"""Days before that say what is usual."""
LEAST_DAYS = 3
"""Days that must be known for that; without them a day is not compared."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of sessions may break it; `broken` is SQL over a session's row, `among` over which sessions."""

    name: str
    kind: Kind
    doc: str
    broken: str
    allowed: float = 0.0
    rise: float | None = None
    """How far above its usual the share may lie, where that is known; else no absolute share is asked for."""
    among: str = "true"


@dataclass(frozen=True, slots=True)
class Usual:
    """A metric may differ from what is usual by a factor, upwards; downwards too where `both`.

    `numerator` and `denominator` name measures; the count of sessions where there is no denominator.
    """

    name: str
    kind: Kind
    doc: str
    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    factor: float
    both: bool = True
    least: float = 0.0
    """Values that both lie below this are alike."""
    times: int = 1


Rule = Share | Usual

_TIMES = ("starting_ms", "play_ms", "ad_play_ms", "stall_ms", "seek_ms", "resume_ms", "paused_ms", "watched_ms")
_CLOSED = [d for d in DIMENSIONS if d.values]


def _filled(name: str, among: str = "true", allowed: float = 1.0) -> Share:
    said = f"no more sessions than usual lack their {name}"
    return Share(
        f"{name}_filled",
        "null",
        said,
        f"coalesce({name}::varchar, '{UNKNOWN}') = '{UNKNOWN}'",
        allowed,
        rise=0.25,
        among=among,
    )


def _usual(name: str, factor: float = 5, least: float = 0.0, *, both: bool = True) -> Usual:
    metric = METRIC_BY_NAME[name]
    if not isinstance(metric, Ratio):
        raise TypeError(f"{name} is no ratio")
    return Usual(
        f"usual_{name}",
        "distribution",
        f"{metric.doc}: about as usual",
        metric.numerator,
        metric.denominator,
        factor,
        both,
        least,
        metric.times,
    )


DAY_RULES: tuple[Rule, ...] = (
    Share("no_negative_time", "range", "no time is negative", " or ".join(f"{name} < 0" for name in _TIMES)),
    Share(
        "watched_is_its_parts",
        "range",
        "watched time is the sum of its states",
        "watched_ms <> starting_ms + play_ms + ad_play_ms + stall_ms + seek_ms + resume_ms",
    ),
    Share("one_outcome", "null", "every attempt has exactly one outcome", "is_attempt and start_outcome is null"),
    Share(
        "played_means_play", "range", "who played saw a frame", "(start_outcome = 'played') <> is_play and is_attempt"
    ),
    Share(
        "stalls_have_time",
        "range",
        "stalled time without a stall is rare: its start was lost",
        "stall_ms > 0 and stall_count = 0 and lost_events = 0",
        0.01,
    ),
    Share("scores_in_range", "range", "scores lie between 0 and 100", "experience_score not between 0 and 100"),
    Share(
        "startup_in_range", "range", "startup lies between 0 and five minutes", "startup_ms not between 0 and 300000"
    ),
    Share("no_longer_than_a_day", "range", "no session is longer than a day", "session_ms > 86400000", 0.001),
    Share(
        "few_lost_events",
        "null",
        "few sessions lost more than a tenth of their events",
        "lost_events * 10 > event_count and source <> 'import'",
        0.25,
    ),
    _filled("device_type", allowed=0.25),
    *(_filled(name) for name in ("viewer_id", *(n for n in CUBED if n in SENT and n != "device_type"))),
    _filled("startup_ms", "is_play"),
    _filled("bitrate_avg_kbps", "is_play"),
    Share(
        "values_are_known",
        "reference",
        "words of a closed list are on it",
        " or ".join(f"{d.name} not in ({', '.join(repr(value) for value in (*d.values, UNKNOWN))})" for d in _CLOSED),
        among="source <> 'import'",
    ),
    Share(
        "events_are_there",
        "reference",
        "every session's events lie in the lake",
        "is_orphan",
        among="source <> 'import'",
    ),
    Share(
        "one_press_one_session",
        "uniqueness",
        "a viewer does not press play on the same thing twice in one millisecond",
        "press > 1",
        0.01,
    ),
    Share("each_event_once", "uniqueness", "no session has an event in the lake twice", "repeated_events > 0", 0.001),
    Usual("usual_volume", "volume", "about as many sessions as usual", ("attempts",), (), 5),
    _usual("rebuffer_ratio", least=0.02, both=False),
    _usual("stalls_per_minute", least=0.2, both=False),
    _usual("failure_ratio", least=0.05, both=False),
    _usual("ebvs_ratio", least=0.05, both=False),
    _usual("dropped_frames_per_minute", least=60, both=False),
    _usual("startup_avg_ms"),
    _usual("bitrate_avg_kbps"),
    _usual("experience_score"),
    Usual("usual_watch", "distribution", "watched time a session: about as usual", ("watched_ms",), ("attempts",), 5),
)
"""In the order in which they are named; those without `rise` or a usual are held against a first day, too.

Over a session's row the SQL also sees `press` (1, 2 … of the same viewer, content and millisecond), `is_orphan` (no
event of it is in the lake) and `repeated_events`.
"""

SHRINKS = Share(
    "day_does_not_shrink", "volume", "no property loses more than half of the sessions that people see", "", 0.5
)
"""Of the sessions in the marts, those that would go. Held against the marts themselves, not against a session's row."""

RULE_NAMES = tuple(rule.name for rule in (*DAY_RULES, SHRINKS))

CHECKS = Table(
    "checks",
    "one row a property, day and rule: what the quality gate between lake and marts found",
    (
        Field("property", "text", "the property: one app or site", nullable=False),
        Field("day", "day", "day, UTC", nullable=False),
        Field("rule", "text", "the rule's name", nullable=False),
        Field("rows", "int", "sessions looked at", nullable=False),
        Field("broken", "int", "sessions that broke it", nullable=False),
        Field(
            "allowed",
            "float",
            "share of sessions that may break it, or how many times its usual a metric may be",
            nullable=False,
        ),
        Field("value", "float", "share that broke it, or the metric"),
        Field("usual", "float", "its median over the days before that kept the rule; null when not known"),
        Field("passed", "bool", "whether the day may go on to the marts", nullable=False),
        Field("checked_at", "instant", "when", nullable=False),
    ),
    key=("property", "day", "rule"),
)
