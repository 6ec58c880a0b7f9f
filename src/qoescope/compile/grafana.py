"""Grafana: the metrics as SQL over the marts, in Grafana's macros. Numbers equal `ask`'s; the console shows more."""

from collections.abc import Sequence
from dataclasses import dataclass

from qoescope.catalog.marts import LIVE_WINDOW, QUALITY_HOUR, Mart
from qoescope.catalog.measures import BUCKETS, HISTOGRAM_EDGES_MS
from qoescope.catalog.metrics import Count, Distinct, DistinctRatio, Metric, Quantile, Ratio
from qoescope.compile.kinds import translate
from qoescope.compile.sketch import REGISTERS

TIME, VALUE, ALL = ("starts_at", "time"), ("value_1", "value"), ("'all'", "whole")
"""What the rows of an answer are told apart by: SQL, and its name."""

_EDGES = "array[" + ", ".join(map(str, HISTOGRAM_EDGES_MS)) + "]"
_SIGMA = (
    "({c} + (select sum(case when {c} > 0 and power(2, k) * ln(nullif({c}, 0)) > -700 "
    "then power({c}, power(2, k)) * power(2, k - 1) else 0 end) from generate_series(1, 60) as g(k)))"
)
"""Correction for empty registers (Ertl 2017, equation 13), as the series that it is."""


@dataclass(frozen=True, slots=True)
class _Queries:
    """Metrics as queries over the time that the board shows, one row a key."""

    key: tuple[str, str]
    grouping: str

    def count(self, metric: Count) -> str:
        return sums((metric,), self.key, self.grouping)

    def ratio(self, metric: Ratio) -> str:
        return sums((metric,), self.key, self.grouping)

    def quantile(self, metric: Quantile) -> str:
        return _quantile(metric, self.key, self.grouping)

    def distinct(self, metric: Distinct) -> str:
        counted = _distinct(metric, self.key, self.grouping)
        return f'select {self.key[1]}, distinct_count as "{metric.name}" from ({counted}) as d order by 1'

    def distinct_ratio(self, metric: DistinctRatio) -> str:
        return _distinct_ratio(metric, self.key, self.grouping)


class _Columns:
    """Metrics as one column of a query over sums; None for those that need a query of their own."""

    def count(self, metric: Count) -> str:
        return f"sum({metric.measure})" + (f" / {metric.per}.0" if metric.per != 1 else "")

    def ratio(self, metric: Ratio) -> str:
        above, below = (" + ".join(f"sum({x})" for x in names) for names in (metric.numerator, metric.denominator))
        times = f"{metric.times} * " if metric.times != 1 else ""
        return f"{times}cast({above} as double precision) / nullif({below}, 0)"

    def quantile(self, _: Quantile) -> None:
        return None

    def distinct(self, _: Distinct) -> None:
        return None

    def distinct_ratio(self, _: DistinctRatio) -> None:
        return None


def sql(metric: Metric, key: tuple[str, str] = TIME, grouping: str = "") -> str:
    """The metric over the time that the board shows, one row a key."""
    return translate(metric, _Queries(key, grouping))


def sums(metrics: Sequence[Metric], key: tuple[str, str] = TIME, grouping: str = "") -> str:
    """Metrics that are sums and ratios of sums, one column each; raises TypeError for any other."""
    apart = [x.name for x in metrics if column(x) is None]
    if apart:
        raise TypeError(f"no ratios of sums: {', '.join(apart)}")
    columns = ", ".join(f'{column(x)} as "{x.name}"' for x in metrics)
    return f"select {key[0]} as {key[1]}, {columns} from {_rows(metrics[0], grouping)} group by 1 order by 1"


def column(metric: Metric) -> str | None:
    """The metric as a column over rows of a mart; None where it needs a query of its own."""
    return translate(metric, _Columns())


def _mart(metric: Metric) -> Mart:
    return LIVE_WINDOW if metric.name.startswith("live_") else QUALITY_HOUR


def _rows(metric: Metric, grouping: str) -> str:
    return (
        f"{_mart(metric).name} where grouping = '{grouping}' and $__timeFilter(starts_at) "
        "and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date"
    )


def _quantile(metric: Quantile, key: tuple[str, str], grouping: str) -> str:
    rank, last = f"{metric.q} * total", HISTOGRAM_EDGES_MS[-1]
    source = _rows(metric, grouping).replace(" where", f", generate_series(1, {BUCKETS}) as b(i) where", 1)
    return f"""
with edges as (select {_EDGES} as ms),
counts as (select {key[0]} as {key[1]}, i, sum({metric.histogram}[i]) as n from {source} group by 1, 2),
running as (
  select {key[1]}, i, n, sum(n) over (partition by {key[1]} order by i) as running,
    sum(n) over (partition by {key[1]}) as total from counts
),
found as (
  select {key[1]}, i, cast({rank} - (running - n) as double precision) / n as f from running
  where n > 0 and running >= {rank} and running - n < {rank}
)
select {key[1]}, case when i = 1 then floor({HISTOGRAM_EDGES_MS[0]} * f + 0.5) when i = {BUCKETS} then {last}
  else floor(ms[i - 1] * power(cast(ms[i] as double precision) / ms[i - 1], f) + 0.5) end as "{metric.name}"
from found, edges order by 1""".strip()


def _distinct(metric: Distinct | DistinctRatio, key: tuple[str, str], grouping: str) -> str:
    """Distinct values behind the key's sketches: Ertl's estimator, as `compile.sketch.estimate` has it."""
    rows = f"{_rows(metric, grouping)}"
    if metric.look_back_s:
        mart = _mart(metric).name
        seen = (
            f"(select distinct starts_at from {rows}) as w join {mart} as b on b.grouping = '{grouping}' "
            f"and b.starts_at between w.starts_at - interval '{metric.look_back_s} seconds' and w.starts_at "
            "and b.day between $__timeFrom()::timestamptz::date - 1 and $__timeTo()::timestamptz::date, "
            f"unnest(b.{metric.sketch}) as u(r)"
        )
        named = key[0].replace("starts_at", "w.starts_at").replace("value_1", "b.value_1")
    else:
        seen, named = rows.replace(" where", f", unnest({metric.sketch}) as u(r) where", 1), key[0]
    empty = _SIGMA.format(c="empty")
    return (
        f"select {key[1]}, round({REGISTERS}.0 * {REGISTERS} / (2 * ln(cast(2 as double precision))) / "
        f"({REGISTERS} * {empty} + ranks)) as distinct_count from (select {key[1]}, "
        f"1 - cast(count(*) as double precision) / {REGISTERS} as empty, "
        "sum(power(cast(2 as double precision), -rank)) as ranks from ("
        f"select {named} as {key[1]}, r >> 6 as register, max(r & 63) as rank from {seen} group by 1, 2) as registers "
        "group by 1) as counted"
    )


def _distinct_ratio(metric: DistinctRatio, key: tuple[str, str], grouping: str) -> str:
    above = f"select {key[0]} as {key[1]}, sum({metric.numerator}) as above from {_rows(metric, grouping)} group by 1"
    return (
        f'select a.{key[1]}, cast(above as double precision) / nullif(distinct_count, 0) as "{metric.name}" '
        f"from ({above}) as a left join ({_distinct(metric, key, grouping)}) as d on a.{key[1]} = d.{key[1]} order by 1"
    )
