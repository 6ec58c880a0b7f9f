"""Watch: the metrics that are watched by default, and the tables of what the watch found.

A metric is watched through sums by leaf: `leaf` says which columns of `live_leaf` add up to each sum, `session` says
the same over rows of `sessions` (ANSI SQL). Kinds: share (n, k) · mean (n, sum and squares of logarithms) · ratio (m
parts, Σw, Σy, Σw², Σwy, Σy²) · volume (v). The columns of each kind are those of its model in `monitor.search`.
"""

from dataclasses import dataclass
from typing import Literal

from qoescope.catalog.dimensions import used_for
from qoescope.catalog.schema import Field, Table

Kind = Literal["share", "mean", "ratio", "volume"]


@dataclass(frozen=True, slots=True)
class Watched:
    """One metric of the catalog under watch, and how bad is bad."""

    metric: str
    kind: Kind
    says: str
    """The sentence; `{where}` is the slice."""
    leaf: tuple[tuple[str, ...], ...]
    """Per sum the columns of `live_leaf` that add up to it; empty: not seen live."""
    session: tuple[str, ...]
    """Per sum an SQL expression over a row of `sessions`; empty: not seen there."""
    higher_is_worse: bool = True
    support: float = 25.0
    excess: float = 8.0
    lift: float = 1.3
    cluster: float = 1.0
    """Live, how many intervals count as one: a session's intervals of a window go up and down together."""
    data: bool = False
    """Its rise is a fault of the telemetry, not of the service."""
    apart: tuple[str, ...] = ()
    """Dimensions by which nothing is told of it: what their values do by themselves is no news."""
    symptom: bool = False
    """It gets worse where others do, and is a cause of its own only in sessions where none of them did."""


_IF = "case when {} then 1 else 0 end"
_STARTS = ("starts", "start_failures", "start_failures_business", "exits_before_start")

WATCHED = (
    Watched(
        "start_failure_ratio",
        "share",
        "{actual} of plays{where} fail to start, normally {expected}",
        (_STARTS, ("start_failures",)),
        (_IF.format("is_attempt"), _IF.format("start_outcome = 'failed_technical'")),
    ),
    Watched(
        "ebvs_ratio",
        "share",
        "{actual} of viewers{where} leave before the first frame, normally {expected}",
        (_STARTS, ("exits_before_start",)),
        (_IF.format("is_attempt"), _IF.format("start_outcome = 'exited'")),
        lift=1.4,
        symptom=True,
    ),
    Watched(
        "play_failure_ratio",
        "share",
        "{actual} of plays{where} fail mid-play, normally {expected}",
        (("plays_ended",), ("play_failures",)),
        (_IF.format("is_play"), _IF.format("is_play and close_reason = 'failed' and error_class = 'technical'")),
    ),
    Watched(
        "rebuffer_ratio",
        "ratio",
        "{actual} of watched time{where} is spent stalled, normally {expected}",
        (("intervals",), ("watched_ms",), ("stall_ms",), ("watched_ms_sq",), ("stall_ms_sq",), ("stall_ms_sq",)),
        (
            _IF.format("watched_ms > 0"),
            "watched_ms",
            "stall_ms",
            "power(watched_ms, 2)",
            "1.0 * watched_ms * stall_ms",
            "power(stall_ms, 2)",
        ),
        support=25,
        excess=60_000,
        lift=1.5,
        cluster=30,
    ),
    Watched(
        "startup_avg_ms",
        "mean",
        "the first frame{where} takes {actual}, normally {expected}",
        (("startups",), ("startup_log_sum",), ("startup_log_sq",)),
        (
            _IF.format("startup_ms is not null"),
            "coalesce(ln(greatest(startup_ms, 1)), 0)",
            "coalesce(power(ln(greatest(startup_ms, 1)), 2), 0)",
        ),
        lift=1.15,
        excess=4,
    ),
    Watched(
        "bitrate_avg_kbps",
        "mean",
        "video{where} plays at {actual}, normally {expected}",
        (("bitrates",), ("bitrate_log_sum",), ("bitrate_log_sq",)),
        (
            _IF.format("bitrate_avg_kbps > 0"),
            "case when bitrate_avg_kbps > 0 then ln(bitrate_avg_kbps) else 0 end",
            "case when bitrate_avg_kbps > 0 then power(ln(bitrate_avg_kbps), 2) else 0 end",
        ),
        higher_is_worse=False,
        lift=1.2,
        excess=4,
        cluster=30,
    ),
    Watched(
        "timeout_ratio",
        "share",
        "{actual} of plays{where} end without an end event, normally {expected}",
        (),
        (_IF.format("is_play"), _IF.format("is_play and close_reason = 'timed_out'")),
        lift=1.5,
        data=True,
    ),
    Watched(
        "live_concurrent_viewers",
        "volume",
        "{actual} viewers{where} are watching, normally {expected}",
        (("watched_ms",),),
        (),
        higher_is_worse=False,
        support=40,
        excess=40,
        lift=2.5,
        apart=("content_id",),  # a live event that ends is no silence
    ),
)

BY_METRIC = {w.metric: w for w in WATCHED}

SESSION_DIMENSIONS = used_for("restated")
"""Dimensions that restated sessions are searched by."""

WINDOW_MINUTES = 5
HISTORY_MINUTES = 180
CONFIRM_IN, CONFIRM_OF, CLOSE_AFTER = 2, 3, 3
"""Confirmed when found in two of three windows, closed after three clean ones."""

State = Literal["provisional", "confirmed", "closed", "dismissed"]

INCIDENTS = Table(
    "incidents",
    "what broke, for whom, since when, and what it costs; one row an incident, replaced as it goes on",
    (
        Field("property", "text", "the property: one app or site", nullable=False),
        Field("id", "text", "of the incident", nullable=False),
        Field("version", "int", "counts its changes, from 1", nullable=False),
        Field("source", "text", "live, batch or rule: who found it", nullable=False),
        Field("state", "text", "provisional, confirmed, closed, dismissed", nullable=False),
        Field("severity", "text", "info, warning, critical", nullable=False),
        Field("metrics", "text", "metrics in which it shows, strongest first, joined by commas", nullable=False),
        Field("slice", "json", "dimension → value, or a list of sibling values; empty: everywhere", nullable=False),
        Field("slice_name", "text", "the slice in words", nullable=False),
        Field("opened_at", "instant", "end of the window that first showed it, in data time", nullable=False),
        Field("confirmed_at", "instant", "end of the window that confirmed it"),
        Field("onset_at", "instant", "estimated change point", nullable=False),
        Field("last_seen_at", "instant", "end of the last window that showed it", nullable=False),
        Field("closed_at", "instant", "when it was over"),
        Field("actual", "float", "the first metric in the slice, in the strongest window", nullable=False),
        Field("actual_low", "float", "its 95 % interval's lower end"),
        Field("actual_high", "float", "its 95 % interval's upper end"),
        Field("expected", "float", "what its history predicts", nullable=False),
        Field("lift", "float", "actual over expected, the worse way; empty where next to nothing was expected"),
        Field("n", "float", "sessions, intervals or values in the strongest window", nullable=False),
        Field("excess", "float", "bad sessions above expectation so far (stalled ms, viewers …)", nullable=False),
        Field("affected_sessions", "int", "sessions in the slice since the onset that were touched", nullable=False),
        Field("viewers", "int", "distinct viewers among them", nullable=False),
        Field("lost_watch_hours", "float", "hours not watched because of it, estimated", nullable=False),
        Field("share", "float", "of the whole excess, the part that this slice explains", nullable=False),
        Field("score", "float", "log-likelihood ratio over the over-dispersion, strongest window", nullable=False),
        Field("confidence", "float", "1 - alpha·slices·exp(-score), 0..1", nullable=False),
        Field("persistence", "float", "windows that showed it over windows since it opened", nullable=False),
        Field("story", "text", "one sentence for a person", nullable=False),
        Field("rivals", "json", "other explanations and why they were rejected", nullable=False),
        Field("sessions", "json", "ten sessions to look at", nullable=False),
        Field("query", "text", "the SQL that shows it", nullable=False),
        Field("chart", "json", "per minute: at, n, bad; from ten minutes before to five after", nullable=False),
        Field("memory", "json", "what the watch needs to go on: votes, hits", nullable=False),
        Field("updated_at", "instant", "when this row was written, by the wall clock", nullable=False),
    ),
    key=("property", "id"),
)

NOTIFICATIONS = Table(
    "notifications",
    "what was sent of which incident where; the key lets no state of an incident be told twice",
    (
        Field("property", "text", "the property: one app or site", nullable=False),
        Field("incident_id", "text", "the incident", nullable=False),
        Field("state", "text", "confirmed or closed: what was told", nullable=False),
        Field("target", "text", "name of the channel", nullable=False),
        Field("status", "text", "pending, sent, suppressed, muted, dead", nullable=False),
        Field("attempts", "int", "tries so far", nullable=False),
        Field("next_at", "instant", "when to try again"),
        Field("detail", "text", "why it did not arrive, or was not sent"),
        Field("payload", "json", "what was sent", nullable=False),
        Field("created_at", "instant", "when it was due", nullable=False),
        Field("sent_at", "instant", "when it was acknowledged"),
    ),
    key=("property", "incident_id", "state", "target"),
)

MUTES = Table(
    "mutes",
    "times in which nothing is sent: maintenance",
    (
        Field("property", "text", "the property: one app or site", nullable=False),
        Field("id", "text", "of the mute", nullable=False),
        Field("slice", "json", "only incidents inside this slice; empty: all", nullable=False),
        Field("starts_at", "instant", "from", nullable=False),
        Field("ends_at", "instant", "until", nullable=False),
        Field("reason", "text", "why", nullable=False),
        Field("created_by", "text", "who", nullable=False),
    ),
    key=("property", "id"),
)

RULES = Table(
    "rules",
    "fixed-threshold alerts; a rule that is edited gets a new version and closes its incidents",
    (
        Field("property", "text", "the property: one app or site", nullable=False),
        Field("id", "text", "of the rule", nullable=False),
        Field("version", "int", "counts its edits, from 1", nullable=False),
        Field("metric", "text", "a watched metric", nullable=False),
        Field("slice", "json", "filter: dimension → value; empty: all", nullable=False),
        Field("direction", "text", "above or below", nullable=False),
        Field("threshold", "float", "the value that must not be passed", nullable=False),
        Field("minutes", "int", "for so many minutes in a row, 1 to 60", nullable=False),
        Field("audience", "float", "least number of sessions to open, and to close", nullable=False),
        Field("severity", "text", "info, warning, critical", nullable=False),
        Field("enabled", "bool", "whether it is watched", nullable=False),
    ),
    key=("property", "id"),
)

WATCH_TABLES = (INCIDENTS, NOTIFICATIONS, MUTES, RULES)
