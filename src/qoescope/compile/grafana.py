"""Grafana: the metrics as SQL over the marts, and a board of them. Numbers equal `ask`'s; the console shows more."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qoescope.catalog import metrics as m
from qoescope.catalog.errors import LAKE_OUTCOMES, OUTCOMES
from qoescope.catalog.marts import LIVE_WINDOW, QUALITY_HOUR, SINGLES, Mart
from qoescope.catalog.measures import BUCKETS, HISTOGRAM_EDGES_MS
from qoescope.catalog.metrics import BY_NAME, Metric
from qoescope.compile.kinds import translate
from qoescope.compile.sketch import REGISTERS

SOURCE = {"type": "grafana-postgresql-datasource", "uid": "qoescope"}
UNITS = {"ratio": "percentunit", "ms": "ms", "kbps": "Kbits", "hours": "h", "count": "short"}
WIDTH = 24
TIME, VALUE, ALL = ("starts_at", "time"), ("value_1", "value"), ("'all'", "whole")
"""What the rows of an answer are told apart by: SQL, and its name."""

NOW = ("live_concurrent_viewers", "live_start_failure_ratio", "live_ebvs_ratio", "live_rebuffer_ratio",
       "live_startup_p50_ms", "live_bitrate_avg_kbps")  # fmt: skip
WHOLE = ("viewers", "watch_hours", "experience_score", "good_session_ratio", "start_failure_ratio", "ebvs_ratio",
         "rebuffer_ratio", "startup_p50_ms")  # fmt: skip
TREND = (
    ("Is it played?", ("attempts", "plays")),
    ("Does it start?", ("start_failure_ratio", "ebvs_ratio", "startup_unknown_ratio")),
    ("How fast, of those who stayed?", ("startup_p50_ms", "startup_p95_ms")),
    ("Does it flow?", ("rebuffer_ratio", "stalled_play_ratio")),
    ("How good is the picture?", ("bitrate_avg_kbps",)),
    (
        "How was it all in all?",
        ("experience_score", "success_score", "picture_score", "stalling_score", "start_score"),
    ),
)
WORST = ("attempts", "start_failure_ratio", "ebvs_ratio", "play_failure_ratio", "rebuffer_ratio", "startup_avg_ms",
         "bitrate_avg_kbps", "experience_score")  # fmt: skip

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

    def count(self, metric: m.Count) -> str:
        return sums((metric,), self.key, self.grouping)

    def ratio(self, metric: m.Ratio) -> str:
        return sums((metric,), self.key, self.grouping)

    def quantile(self, metric: m.Quantile) -> str:
        return _quantile(metric, self.key, self.grouping)

    def distinct(self, metric: m.Distinct) -> str:
        counted = _distinct(metric, self.key, self.grouping)
        return f'select {self.key[1]}, distinct_count as "{metric.name}" from ({counted}) as d order by 1'

    def distinct_ratio(self, metric: m.DistinctRatio) -> str:
        return _distinct_ratio(metric, self.key, self.grouping)


class _Columns:
    """Metrics as one column of a query over sums; None for those that need a query of their own."""

    def count(self, metric: m.Count) -> str:
        return f"sum({metric.measure})" + (f" / {metric.per}.0" if metric.per != 1 else "")

    def ratio(self, metric: m.Ratio) -> str:
        above, below = (" + ".join(f"sum({x})" for x in names) for names in (metric.numerator, metric.denominator))
        times = f"{metric.times} * " if metric.times != 1 else ""
        return f"{times}cast({above} as double precision) / nullif({below}, 0)"

    def quantile(self, _: m.Quantile) -> None:
        return None

    def distinct(self, _: m.Distinct) -> None:
        return None

    def distinct_ratio(self, _: m.DistinctRatio) -> None:
        return None


def sql(metric: Metric, key: tuple[str, str] = TIME, grouping: str = "") -> str:
    """The metric over the time that the board shows, one row a key."""
    return translate(metric, _Queries(key, grouping))


def sums(metrics: Sequence[Metric], key: tuple[str, str] = TIME, grouping: str = "") -> str:
    """Metrics that are sums and ratios of sums, one column each; raises TypeError for any other."""
    columns = ", ".join(f'{_column(x)} as "{x.name}"' for x in metrics)
    return f"select {key[0]} as {key[1]}, {columns} from {_rows(metrics[0], grouping)} group by 1 order by 1"


def _column(metric: Metric) -> str:
    column = translate(metric, _Columns())
    if column is None:
        raise TypeError(f"{metric.name} is no ratio of sums")
    return column


def _mart(metric: Metric) -> Mart:
    return LIVE_WINDOW if metric.name.startswith("live_") else QUALITY_HOUR


def _rows(metric: Metric, grouping: str) -> str:
    return (
        f"{_mart(metric).name} where grouping = '{grouping}' and $__timeFilter(starts_at) "
        "and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date"
    )


def _quantile(metric: m.Quantile, key: tuple[str, str], grouping: str) -> str:
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


def _distinct(metric: m.Distinct | m.DistinctRatio, key: tuple[str, str], grouping: str) -> str:
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


def _distinct_ratio(metric: m.DistinctRatio, key: tuple[str, str], grouping: str) -> str:
    above = f"select {key[0]} as {key[1]}, sum({metric.numerator}) as above from {_rows(metric, grouping)} group by 1"
    return (
        f'select a.{key[1]}, cast(above as double precision) / nullif(distinct_count, 0) as "{metric.name}" '
        f"from ({above}) as a left join ({_distinct(metric, key, grouping)}) as d on a.{key[1]} = d.{key[1]} order by 1"
    )


def board() -> str:
    """The dashboard, as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    for title, made in (
        (
            "Right now",
            [_stat(BY_NAME[name]) for name in NOW] + [_over_time("Watching", ("live_concurrent_viewers",), 24)],
        ),
        ("In the time shown", [_stat(BY_NAME[name], 3) for name in WHOLE]),
        ("Hour by hour", [_over_time(title, names) for title, names in TREND]),
        ("Where is it different?", [_by_dimension()]),
        ("Can I trust these numbers?", [_books(), _streams()]),
    ):
        panels.append({"type": "row", "title": title, "gridPos": {"w": WIDTH, "h": 1}})
        panels.extend(made)
    return json.dumps(_placed(panels), indent=1, ensure_ascii=False) + "\n"


def _placed(panels: list[dict[str, Any]]) -> dict[str, Any]:
    x = y = height = 0
    for number, panel in enumerate(panels, 1):
        size = panel["gridPos"]
        if x + size["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        panel["id"], size["x"], size["y"] = number, x, y
        x, height = x + size["w"], max(height, size["h"])
    names = [grouping[0] for grouping in SINGLES]
    chosen = {"text": names[0], "value": names[0]}
    options = [{"text": name, "value": name, "selected": name == names[0]} for name in names]
    variable = {"name": "dimension", "label": "Dimension", "type": "custom", "query": ",".join(names),
                "current": chosen, "options": options}  # fmt: skip
    return {
        "uid": "qoescope", "title": "qoescope", "tags": ["qoe", "video"], "schemaVersion": 39, "version": 1,
        "timezone": "utc", "refresh": "30s", "time": {"from": "now-24h", "to": "now"}, "editable": False,
        "templating": {"list": [variable]}, "panels": panels,
    }  # fmt: skip


def _panel(kind: str, title: str, width: int, height: int, queries: Sequence[str], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    targets = [
        {"refId": chr(ord("A") + n), "datasource": SOURCE, "rawQuery": True, "editorMode": "code", "rawSql": query,
         "format": "time_series" if kind == "timeseries" else "table"}
        for n, query in enumerate(queries)
    ]  # fmt: skip
    place = {"w": width, "h": height}
    return {"type": kind, "title": title, "datasource": SOURCE, "gridPos": place, "targets": targets, **more}


def _field(metric: Metric) -> dict[str, Any]:
    return {"unit": UNITS.get(metric.unit, "none"), "displayName": metric.label}


def _stat(metric: Metric, width: int = 4) -> dict[str, Any]:
    live = metric.name.startswith("live_")
    query = sql(metric, TIME if live else ALL)
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": f"/^{metric.label}$/"},
        "graphMode": "area" if live else "none",
    }
    return _panel("stat", metric.label, width, 4, [query], description=metric.doc, options=options,
                  fieldConfig={"defaults": _field(metric), "overrides": []})  # fmt: skip


def _over_time(title: str, names: Sequence[str], width: int = 8) -> dict[str, Any]:
    found = [BY_NAME[name] for name in names]
    plain = [metric for metric in found if translate(metric, _Columns())]
    queries = ([sums(plain)] if plain else []) + [sql(metric) for metric in found if metric not in plain]
    look = {"defaults": {"unit": UNITS.get(found[0].unit, "none")}, "overrides": _named(found)}
    doc = "; ".join(f"{x.label}: {x.doc}" for x in found)
    return _panel("timeseries", title, width, 8, queries, description=doc, fieldConfig=look)


def _named(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    return [
        {"matcher": {"id": "byName", "options": x.name},
         "properties": [{"id": name, "value": value} for name, value in _field(x).items()]}
        for x in metrics
    ]  # fmt: skip


def _by_dimension() -> dict[str, Any]:
    found = [BY_NAME[name] for name in WORST]
    query = sums(found, VALUE, "$dimension").replace("order by 1", "order by 2 desc limit 50")
    return _panel("table", "By $dimension", WIDTH, 10, [query], description="Values with most attempts first.",
                  fieldConfig={"defaults": {}, "overrides": _named(found)})  # fmt: skip


def _books() -> dict[str, Any]:
    columns = ", ".join(f"sum({name}) as {name}" for name in (*OUTCOMES, *LAKE_OUTCOMES))
    query = f"select minute_at as time, {columns} from outcomes where $__timeFilter(minute_at) group by 1 order by 1"
    return _panel("timeseries", "What became of each event", 16, 8, [query],
                  fieldConfig={"defaults": {"unit": "short"}, "overrides": []})  # fmt: skip


def _streams() -> dict[str, Any]:
    query = (
        "select stream, extract(epoch from now() - updated_at) as said_s, extract(epoch from now() - complete_until) "
        "as complete_s from stream_progress order by 1"
    )
    return _panel("table", "How old is each stream?", 8, 8, [query],
                  fieldConfig={"defaults": {"unit": "s"}, "overrides": []})  # fmt: skip
