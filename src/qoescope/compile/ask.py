"""Compiles questions (metrics by dimensions, filters and time) to SQL over the cheapest mart that can answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from qoescope.catalog.dimensions import DIMENSION_BY_NAME, UNKNOWN
from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.catalog.marts import LIVE_WINDOW, QUALITY_DAY, QUALITY_HOUR, Mart
from qoescope.catalog.measures import ALL, BUCKETS, HISTOGRAM_EDGES_MS, Measure
from qoescope.catalog.metrics import COMPANIONS, METRIC_BY_NAME, Metric
from qoescope.compile.ddl import SCHEMA

STEPS_S = {"10s": 10, "minute": 60, "5m": 300, "hour": 3600, "day": 86_400, "week": 604_800}
LONGEST = timedelta(days=400)
MOST_ROWS = 10_000
Between = tuple[datetime, datetime]
Where = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Question:
    """A validated question; `where` maps a dimension to allowed values, or `!dimension` to excluded ones."""

    metrics: tuple[Metric, ...]
    by: tuple[str, ...]
    where: dict[str, tuple[str, ...]]
    between: Between
    every: str | None
    limit: int = MOST_ROWS

    @property
    def live(self) -> bool:
        """Whether it is about intervals in live windows instead of sessions."""
        return self.metrics[0].name.startswith("live_")

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures to sum."""
        names = dict.fromkeys(name for metric in self.metrics for name in metric.measures)
        return tuple(ALL[name] for name in names)


@dataclass(frozen=True, slots=True)
class Plan:
    """SQL with bound parameters, and the mart that it reads."""

    mart: str
    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)


def question(
    metrics: Sequence[str],
    between: Between,
    *,
    by: Sequence[str] = (),
    where: Where | None = None,
    every: str | None = None,
    limit: int = MOST_ROWS,
) -> Question:
    """Validates a question; a startup metric brings its companions. Raises `UnknownName` or `Mistake`."""
    if not metrics:
        raise Mistake("ask for at least one metric, such as rebuffer_ratio")
    filters = {name: tuple(map(str, values)) for name, values in (where or {}).items()}
    _check_names("metric", metrics, METRIC_BY_NAME)
    _check_names("dimension", (*by, *(name.removeprefix("!") for name in filters)), DIMENSION_BY_NAME)
    _check_names("step", (every,) if every else (), STEPS_S)
    if len({name.startswith("live_") for name in metrics}) > 1:
        raise Mistake("live_ metrics count intervals, the others sessions: ask for them apart")
    start, end = between
    if end <= start:
        raise Mistake(f"the time asked for ends before it begins: {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}")
    if end - start > LONGEST:
        raise Mistake(f"at most {LONGEST.days} days a question")
    names = list(dict.fromkeys(metrics))
    if any(name.startswith(("startup_avg", "startup_p")) for name in names):
        names += [name for name in COMPANIONS if name not in names]
    return Question(tuple(METRIC_BY_NAME[n] for n in names), tuple(dict.fromkeys(by)), filters, between, every, limit)


def _check_names(kind: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            raise UnknownName(kind, name, known)


def plan(q: Question) -> Plan:
    """The SQL that answers the question from the smallest suitable mart."""
    mart = _choose_mart(q)
    if mart is None:
        return _plan_over_sessions(q)
    dims = _dimensions_of(q)
    grouping = next(g for g in mart.groupings if set(g) == set(dims))
    column = {name: f"value_{i}" for i, name in enumerate(grouping, 1)}
    parameters: dict[str, Any] = {"grouping": ",".join(grouping), "limit": q.limit}
    conditions = ["grouping = %(grouping)s", *_time(q, parameters), *_filters(q, column, parameters)]
    aggregates = [(m.name, _mart_sum(m)) for m in q.measures]
    return Plan(mart.name, _select(q, mart.name, column, conditions, aggregates), parameters)


def _dimensions_of(q: Question) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*q.by, *(name.removeprefix("!") for name in q.where))))


def _choose_mart(q: Question) -> Mart | None:
    dims = set(_dimensions_of(q))
    if q.live:
        if not any(set(g) == dims for g in LIVE_WINDOW.groupings):
            known = ", ".join(g[0] for g in LIVE_WINDOW.groupings if g)
            raise Mistake(f"live numbers are kept by one dimension at a time, of: {known}")
        return LIVE_WINDOW
    if not any(set(g) == dims for g in QUALITY_HOUR.groupings):
        return None
    step = STEPS_S[q.every] if q.every else 86_400
    if step % 86_400 == 0 and all(t.timestamp() % 86_400 == 0 for t in q.between):
        return QUALITY_DAY
    if step % 3600 == 0 and q.between[0].timestamp() % 3600 == 0:
        return QUALITY_HOUR
    return None


def _time(q: Question, parameters: dict[str, Any], column: str = "starts_at") -> list[str]:
    start, end = q.between
    parameters |= {"start": start, "end": end, "first_day": start.date(), "last_day": end.date()}
    return [f"{column} >= %(start)s and {column} < %(end)s", "day between %(first_day)s and %(last_day)s"]


def _filters(q: Question, column: Mapping[str, str], parameters: dict[str, Any]) -> list[str]:
    conditions = []
    for i, (name, values) in enumerate(q.where.items()):
        parameters[f"where_{i}"] = list(values)
        test = f"{column[name.removeprefix('!')]} = any(%(where_{i})s)"
        conditions.append(f"not ({test})" if name.startswith("!") else test)
    return conditions


def _select(
    q: Question,
    source: str,
    column: Mapping[str, str],
    conditions: list[str],
    aggregates: list[tuple[str, str]],
    time: str = "starts_at",
) -> str:
    outputs = [f"{column[name]} as {name}" for name in q.by]
    if q.every:
        outputs.insert(
            0, f"date_bin('{STEPS_S[q.every]} seconds', {time}, timestamptz '2001-01-01 00:00Z') as starts_at"
        )
    groups = len(outputs)
    keys = ", ".join(map(str, range(1, groups + 1)))
    outputs += [f"{sql} as {name}" for name, sql in aggregates]
    tail = f" group by {keys} order by {keys}" if groups else ""
    return f"select {', '.join(outputs)} from {SCHEMA}.{source} where {' and '.join(conditions)}{tail} limit %(limit)s"


def _mart_sum(m: Measure) -> str:
    """The measure over a mart's rows: sums add, histograms add element by element, sketches are concatenated.

    Cast to integers, also where an older version made the column: Postgres adds them a quarter faster than bigints.
    """
    match m.type:
        case "ints":
            return "array[" + ", ".join(f"coalesce(sum({m.name}[{i}]::int), 0)" for i in range(1, BUCKETS + 1)) + "]"
        case "sketch":
            return f"coalesce(string_agg(array_send({m.name}), ''::bytea), ''::bytea)"
        case "score_sum":
            return f"coalesce(sum({m.name}), 0)"
        case "float":
            return f"coalesce(sum({m.name}), 0)"
        case _:
            return f"coalesce(sum({m.name}), 0)::bigint"


_EDGES = "array[" + ", ".join(str(edge) for edge in HISTOGRAM_EDGES_MS) + "]::bigint[]"


def _plan_over_sessions(q: Question) -> Plan:
    """Any dimensions and time, from the sessions themselves: slower, and always possible."""
    column = {name: f"coalesce({name}, '{UNKNOWN}')" for name in _dimensions_of(q)}
    parameters: dict[str, Any] = {"limit": q.limit}
    conditions = [*_time(q, parameters, "started_at"), *_filters(q, column, parameters)]
    aggregates = [(m.name, _session_sum(m)) for m in q.measures]
    return Plan("sessions", _select(q, "sessions", column, conditions, aggregates, "started_at"), parameters)


def _session_sum(m: Measure) -> str:
    """The measure over sessions, in Postgres."""
    where = f" filter (where {m.where})" if m.where else ""
    known = " and ".join(filter(None, (m.where, f"{m.of} is not null")))
    match m.type:
        case "ints":
            counts = (
                f"count(*) filter (where {known} and width_bucket({m.of}, {_EDGES}) = {i})" for i in range(BUCKETS)
            )
            return f"array[{', '.join(counts)}]"
        case "sketch":
            return f"coalesce(array_send(array_agg(distinct {m.of}::integer){where}), ''::bytea)"
        case "score_sum":
            return f"coalesce(sum({m.of}){where}, 0)"
        case _ if m.of == "1":
            return f"count(*){where}"
        case _:
            return f"coalesce(sum({m.of}){where}, 0)::bigint"
