"""Digest: some days in one page that stands alone: the numbers, what changed against the days before, what broke."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

from qoescope.catalog.dimensions import DIMENSION_BY_NAME, UNKNOWN
from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.compile.ask import Between
from qoescope.serve.display import sparks, templates, theme, words
from qoescope.serve.display.words import MetricChange

METRICS = (
    "attempts",
    "viewers",
    "watch_hours",
    "experience_score",
    "good_session_ratio",
    "startup_p50_ms",
    "startup_p95_ms",
    "ebvs_ratio",
    "start_failure_ratio",
    "startup_unknown_ratio",
    "play_failure_ratio",
    "rebuffer_ratio",
    "stalls_per_minute",
    "bitrate_avg_kbps",
    "lost_event_ratio",
)
"""Startup is never shown without those who left, those who failed and those of whom it is not known."""
SLICED = ("attempts", "failure_ratio", "rebuffer_ratio", "experience_score")
BY = ("device_type", "cdn", "app_version")
LARGEST = 6
"""Values of a dimension that are shown."""
DAY = timedelta(days=1)

DARK = "(prefers-color-scheme:dark)"


class Answers(Protocol):
    """What a digest is made from; a property's store is one."""

    def ask(self, metrics: Sequence[str], between: Between, by: Sequence[str] = (), *, every: str | None = None) -> Any:  # noqa: ANN401
        """An answer with `rows`."""

    def incidents(self, between: Between) -> list[dict[str, Any]]:
        """Incidents of the time, those that cost most first."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A number now, before, and what became of it."""

    label: str
    now: str
    before: str
    change: MetricChange
    curve: str = ""
    """The days' values as the path of an SVG."""


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One value of a dimension with its numbers."""

    value: str
    cells: list[Beside]


@dataclass(frozen=True, slots=True)
class SliceTable:
    """The largest values of one dimension."""

    label: str
    head: list[str]
    rows: list[ValueRow]


def render(answers: Answers, property_id: str, first: date, last: date) -> str:
    """The days from `first` to `last` beside as many before them, as one HTML document that loads nothing."""
    between = _instant(first), _instant(last + DAY)
    length = between[1] - between[0]
    before = between[0] - length, between[0]
    tables = (_slices(answers, name, between, before) for name in BY)
    return templates.fill(
        "digest.html",
        title=f"{property_id}: {first:%d %b %Y}" + (f" – {last:%d %b %Y}" if last > first else ""),
        colours=_colours(),
        length=words.length(length),
        numbers=_numbers(answers, between, before),
        curve_width=f"{sparks.WIDTH:.0f}",
        curve_height=f"{sparks.HEIGHT:.0f}",
        incidents=list(map(_incident, answers.incidents(between))),
        slices=[table for table in tables if table is not None],
        definitions=[[METRIC_BY_NAME[name].label, *words.definition(METRIC_BY_NAME[name])] for name in METRICS],
    )


def _instant(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _colours() -> str:
    """The theme's colours; a file has no switch, so it follows the reader's system."""
    light, dark = (
        "".join(f"--{c.meaning}:{getattr(c, ground)};" for c in theme.COLOURS) for ground in ("light", "dark")
    )
    return f":root{{color-scheme:light dark;--font:{theme.FONT};{light}}}@media{DARK}{{:root{{{dark}}}}}"


def _numbers(answers: Answers, between: Between, before: Between) -> list[Beside]:
    """The property's metrics; none where nobody pressed play."""
    now, then = (_only(answers.ask(METRICS, when).rows) for when in (between, before))
    if not now.get("attempts"):
        return []
    daily = answers.ask(METRICS, between, every="day").rows
    return [
        _beside(name, now.get(name), then.get(name), sparks.line([row.get(name) for row in daily])) for name in METRICS
    ]


def _only(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return rows[0] if rows else {}


def _beside(name: str, now: words.Value, before: words.Value, curve: str = "") -> Beside:
    metric = METRIC_BY_NAME[name]
    return Beside(
        metric.label,
        words.number(now, metric.unit),
        words.number(before, metric.unit),
        words.change(metric, now, before),
        curve,
    )


def _incident(row: Mapping[str, Any]) -> list[str]:
    return [
        str(row["story"]),
        str(row["severity"]),
        words.moment(row["onset_at"]),
        words.moment(row["closed_at"]) if row["closed_at"] else "still open",
        f"{row['viewers']:,}",
        words.number(row["lost_watch_hours"], "hours"),
    ]


def _slices(answers: Answers, name: str, between: Between, before: Between) -> SliceTable | None:
    """The dimension's largest values; None where nothing is known of it."""
    now, then = ({str(row[name]): row for row in answers.ask(SLICED, when, [name]).rows} for when in (between, before))
    largest = sorted(now, key=lambda value: (-(now[value]["attempts"] or 0), value))[:LARGEST]
    if not set(largest) - {UNKNOWN}:
        return None
    rows = [
        ValueRow(value, [_beside(metric, now[value].get(metric), then.get(value, {}).get(metric)) for metric in SLICED])
        for value in largest
    ]
    return SliceTable(DIMENSION_BY_NAME[name].label, ["", *(METRIC_BY_NAME[metric].label for metric in SLICED)], rows)
