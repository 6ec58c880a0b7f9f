"""The metrics as a Grafana dashboard."""

import json
from collections.abc import Sequence
from typing import Any

from qoescope.catalog.errors import LAKE_OUTCOMES, OUTCOMES
from qoescope.catalog.marts import SINGLES
from qoescope.catalog.metrics import METRIC_BY_NAME, Metric
from qoescope.compile.grafana import ALL, TIME, VALUE, column, sql, sums

SOURCE = {"type": "grafana-postgresql-datasource", "uid": "qoescope"}
UNITS = {"ratio": "percentunit", "ms": "ms", "kbps": "Kbits", "hours": "h", "count": "short"}
WIDTH = 24
NOW = (
    "live_concurrent_viewers",
    "live_start_failure_ratio",
    "live_ebvs_ratio",
    "live_rebuffer_ratio",
    "live_startup_p50_ms",
    "live_bitrate_avg_kbps",
)
WHOLE = (
    "viewers",
    "watch_hours",
    "experience_score",
    "good_session_ratio",
    "start_failure_ratio",
    "ebvs_ratio",
    "rebuffer_ratio",
    "startup_p50_ms",
)
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
WORST = (
    "attempts",
    "start_failure_ratio",
    "ebvs_ratio",
    "play_failure_ratio",
    "rebuffer_ratio",
    "startup_avg_ms",
    "bitrate_avg_kbps",
    "experience_score",
)


def board() -> str:
    """The dashboard as JSON, as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    for title, made in (
        (
            "Right now",
            [_stat(METRIC_BY_NAME[name]) for name in NOW] + [_over_time("Watching", ("live_concurrent_viewers",), 24)],
        ),
        ("In the time shown", [_stat(METRIC_BY_NAME[name], 3) for name in WHOLE]),
        ("Hour by hour", [_over_time(title, names) for title, names in TREND]),
        ("Where is it different?", [_by_dimension()]),
        ("Can I trust these numbers?", [_books(), _streams()]),
    ):
        panels.append({"type": "row", "title": title, "gridPos": {"w": WIDTH, "h": 1}})
        panels.extend(made)
    return json.dumps(_lay_out(panels), indent=1, ensure_ascii=False) + "\n"


def _lay_out(panels: list[dict[str, Any]]) -> dict[str, Any]:
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
    variable = {
        "name": "dimension",
        "label": "Dimension",
        "type": "custom",
        "query": ",".join(names),
        "current": chosen,
        "options": options,
    }
    return {
        "uid": "qoescope",
        "title": "qoescope",
        "tags": ["qoe", "video"],
        "schemaVersion": 39,
        "version": 1,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "editable": False,
        "templating": {"list": [variable]},
        "panels": panels,
    }


def _panel(kind: str, title: str, width: int, height: int, queries: Sequence[str], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    targets = [
        {
            "refId": chr(ord("A") + n),
            "datasource": SOURCE,
            "rawQuery": True,
            "editorMode": "code",
            "rawSql": query,
            "format": "time_series" if kind == "timeseries" else "table",
        }
        for n, query in enumerate(queries)
    ]
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
    return _panel(
        "stat",
        metric.label,
        width,
        4,
        [query],
        description=metric.doc,
        options=options,
        fieldConfig={"defaults": _field(metric), "overrides": []},
    )


def _over_time(title: str, names: Sequence[str], width: int = 8) -> dict[str, Any]:
    chosen = [METRIC_BY_NAME[name] for name in names]
    plain = [metric for metric in chosen if column(metric)]
    queries = ([sums(plain)] if plain else []) + [sql(metric) for metric in chosen if metric not in plain]
    look = {"defaults": {"unit": UNITS.get(chosen[0].unit, "none")}, "overrides": _named(chosen)}
    doc = "; ".join(f"{x.label}: {x.doc}" for x in chosen)
    return _panel("timeseries", title, width, 8, queries, description=doc, fieldConfig=look)


def _named(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    return [
        {
            "matcher": {"id": "byName", "options": x.name},
            "properties": [{"id": name, "value": value} for name, value in _field(x).items()],
        }
        for x in metrics
    ]


def _by_dimension() -> dict[str, Any]:
    chosen = [METRIC_BY_NAME[name] for name in WORST]
    query = sums(chosen, VALUE, "$dimension").replace("order by 1", "order by 2 desc limit 50")
    return _panel(
        "table",
        "By $dimension",
        WIDTH,
        10,
        [query],
        description="Values with most attempts first.",
        fieldConfig={"defaults": {}, "overrides": _named(chosen)},
    )


def _books() -> dict[str, Any]:
    columns = ", ".join(f"sum({name}) as {name}" for name in (*OUTCOMES, *LAKE_OUTCOMES))
    query = f"select minute_at as time, {columns} from outcomes where $__timeFilter(minute_at) group by 1 order by 1"
    return _panel(
        "timeseries",
        "What became of each event",
        16,
        8,
        [query],
        fieldConfig={"defaults": {"unit": "short"}, "overrides": []},
    )


def _streams() -> dict[str, Any]:
    query = (
        "select stream, extract(epoch from now() - updated_at) as said_s, extract(epoch from now() - complete_until) "
        "as complete_s from stream_progress order by 1"
    )
    return _panel(
        "table", "How old is each stream?", 8, 8, [query], fieldConfig={"defaults": {"unit": "s"}, "overrides": []}
    )
