"""Explore: where is it different?"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import ClientsideFunction, Input, Output, State, clientside_callback, html
from dash.development.base_component import Component

from qoescope.catalog.dimensions import DIMENSION_BY_NAME
from qoescope.catalog.errors import UnknownName
from qoescope.catalog.metrics import METRIC_BY_NAME, METRICS, Distinct, Metric
from qoescope.compile.metrics import evaluate
from qoescope.connect.ask import QueryResult
from qoescope.serve.analysis import costs, intervals
from qoescope.serve.console import grids, parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.console.sections import empty_range
from qoescope.serve.display import figures, words
from qoescope.serve.request import state

AGAINST = {"before": "previous period", "rest": "the rest", "filter": "other filter", "none": "nothing"}
STARTS = (
    "startup_p50_ms",
    "startup_p95_ms",
    "startup_p99_ms",
    "exit_wait_p50_ms",
    "ebvs_ratio",
    "start_failure_ratio",
    "startup_unknown_ratio",
)
MOST = 500
SHADES = {"higher": " · blue: better, red: worse", "lower": " · blue: better, red: worse", "neither": " · darker: more"}


def body(request: PageRequest) -> parts.Content:
    """The page's answer."""
    metric, by, against = choices(request)
    totals = request.ask(("attempts", metric.name))
    if not totals.measures[0]["attempts"]:
        return parts.content(request.subject, chooser(request), empty_range.hint(request))
    return parts.content(
        request.subject,
        chooser(request),
        _trend(request, metric, against, totals),
        _table(request, metric, by, against),
        html.Div([_starts(request), _heat(request, metric)], className="grid-2"),
    )


def choices(request: PageRequest) -> tuple[Metric, str, str]:
    """Metric, dimension and comparison, from the address."""
    own = request.state.own
    name, by, against = own.get("m", "good_session_ratio"), own.get("by", "device_type"), own.get("vs", "before")
    if name not in METRIC_BY_NAME or name.startswith("live_"):
        raise UnknownName("metric", name, [m.name for m in METRICS])
    if by not in DIMENSION_BY_NAME:
        raise UnknownName("dimension", by, DIMENSION_BY_NAME)
    if against not in AGAINST:
        raise UnknownName("comparison", against, AGAINST)
    return METRIC_BY_NAME[name], by, against


def chooser(request: PageRequest) -> Component:
    """The page's own controls; each writes the address."""
    metric, by, against = choices(request)
    box = {"size": "xs", "comboboxProps": {"withinPortal": True}, "allowDeselect": False}
    other = request.state.own.get("vf", "")
    return html.Div(
        [
            dmc.Select(
                id="ex-metric",
                label="Metric",
                value=metric.name,
                searchable=True,
                data=[{"value": m.name, "label": m.label} for m in METRICS],
                **box,
            ),
            dmc.Select(
                id="ex-by",
                label="By",
                value=by,
                searchable=True,
                data=[{"value": d.name, "label": d.label} for d in DIMENSION_BY_NAME.values()],
                **box,
            ),
            dmc.Select(
                id="ex-vs",
                label="Against",
                value=against,
                data=[{"value": k, "label": v} for k, v in AGAINST.items()],
                **box,
            ),
            dmc.TextInput(
                id="ex-vf", label="Other filter", value=other, placeholder="device_type:web", size="xs", debounce=600
            )
            if against == "filter"
            else None,
            parts.chosen(m=metric.name, by=by, vs=against, vf=other),
        ],
        className="chooser",
    )


def _other(
    request: PageRequest, against: str, metric: Metric, by: tuple[str, ...] = (), every: str | None = None
) -> QueryResult | None:
    """The answer that is compared with, if any."""
    match against:
        case "before":
            return request.ask((metric.name,), by, every, between=request.state.before)
        case "filter" if filters := request.state.own.get("vf"):
            return request.ask((metric.name,), by, every, where=state.where(filters.split(";")))
        case _:
            return None


def _trend(request: PageRequest, metric: Metric, against: str, totals: QueryResult) -> Component:
    now = request.ask((metric.name,), every=request.state.every)
    other = _other(request, against, metric, (), request.state.every)
    whole = _other(request, against, metric)
    shift = request.state.length if against == "before" else 0 * request.state.length
    name = {"before": "previous period", "filter": request.state.own.get("vf", "")}.get(against, "")
    figure = figures.trend(metric, now.rows, other.rows if other else (), shift, 260, _notes(request), name)
    line = [html.Span(words.number(totals.rows[0][metric.name], metric.unit), className="headline")]
    if whole:
        line.append(parts.delta(words.change(metric, totals.rows[0][metric.name], whole.rows[0][metric.name])))
    line.append(parts.tip(metric, totals.measures[0]))
    companions = [
        html.Span([METRIC_BY_NAME[n].label + " ", html.B(words.number(v, METRIC_BY_NAME[n].unit))])
        for n, v in totals.rows[0].items()
        if n not in ("attempts", metric.name)
    ]
    return parts.card(
        metric.label,
        html.Div(line, className="headline-line"),
        html.Div(companions, className="companions") if companions else None,
        parts.graph(figure, 260, f"{metric.label} over the range", zooms=True),
        note=metric.doc,
    )


def _notes(request: PageRequest) -> list[tuple[Any, str]]:
    return [(a["starts_at"], a["text"][:40]) for a in request.store.annotations(request.state.between)]


def _table(request: PageRequest, metric: Metric, by: str, against: str) -> Component:
    now = request.ask(("attempts", metric.name), (by,))
    other = _other(request, against, metric, (by,))
    there = {r[by]: r[metric.name] for r in other.rows} if other else {}
    cost = {c.value: c for c in costs.costs(metric, by, now.measures)}
    rows = []
    for row, sums in sorted(zip(now.rows, now.measures, strict=True), key=lambda p: -p[0]["attempts"])[:MOST]:
        name = str(row[by])
        found = cost.get(name)
        past = found.rest if against == "rest" and found else there.get(name)
        slice_ = grids.linked(name, request.path + request.state.narrowed(by, name).query())
        rows.append({"slice": slice_, **_figures_of(metric, row, sums, past, found)})
    columns = [c for c in _columns(metric, by, against) if any(row[c["field"]] not in (None, "") for row in rows)]
    title = f"{metric.label} by {DIMENSION_BY_NAME[by].label}"
    return parts.card(
        title,
        grids.grid("ex-grid", columns, rows, grids.height(len(rows)), f"qoescope-{metric.name}-by-{by}.csv", title),
        note="click a name to filter by it",
        actions=grids.saver("ex-grid"),
    )


def _figures_of(
    metric: Metric, row: Mapping[str, Any], sums: Mapping[str, Any], past: float | None, cost: costs.Cost | None
) -> dict[str, Any]:
    """The cells of one slice, numbers and their texts."""
    here, sure = row[metric.name], intervals.interval(metric, sums)
    change = words.change(metric, here, past)
    between = "" if sure is None else " to ".join(words.number(bound, metric.unit) for bound in sure)
    return {
        "attempts": row["attempts"],
        "attempts_text": f"{row['attempts']:,}",
        "value": here,
        "value_text": words.number(here, metric.unit),
        "interval": between,
        "change": None if here is None or not past else (here - past) / abs(past),
        "change_text": change.text if past is not None else words.NOTHING,
        "verdict": change.verdict,
        "impact": None if cost is None else cost.impact,
        "impact_text": "" if cost is None else words.percent(cost.impact),
        "excess": None if cost is None else cost.excess,
        "excess_text": "" if cost is None else words.signed(cost.excess),
    }


def _columns(metric: Metric, by: str, against: str) -> list[dict[str, Any]]:
    return [
        grids.link("slice", DIMENSION_BY_NAME[by].label, minWidth=125, flex=2),
        grids.number("attempts", METRIC_BY_NAME["attempts"].label),
        grids.number("value", metric.label, minWidth=110),
        grids.text("interval", "95 % interval", minWidth=150, cellClass="figure"),
        grids.number(
            "change",
            f"Against {AGAINST[against]}",
            minWidth=190,
            cellClassRules={"good": "params.data.verdict == 'good'", "bad": "params.data.verdict == 'bad'"},
        ),
        grids.number(
            "excess",
            "Excess bad sessions",
            headerTooltip="units of the numerator above what the rest's rate would give",
        ),
        grids.number("impact", "Impact", headerTooltip="share of all bad sessions", sort="desc"),
    ]


def _starts(request: PageRequest) -> Component:
    answer = request.ask(STARTS)
    sums, row = answer.measures[0], answer.rows[0]
    figure = figures.startups(
        sums["startup_histogram"], sums["exit_wait_histogram"], sums["start_failures_technical"], 260
    )
    numbers = [
        html.Div(
            [
                html.Span(METRIC_BY_NAME[n].label),
                html.B(words.number(row[n], METRIC_BY_NAME[n].unit), className="figure"),
                parts.tip(METRIC_BY_NAME[n], sums),
            ]
        )
        for n in STARTS
    ]
    return parts.card(
        "Startup and early exits",
        html.Div(numbers, className="numbers"),
        parts.graph(figure, 260, "Histogram of startup times with exits and failures"),
        note="viewers who left, by how long they waited",
    )


def _heat(request: PageRequest, metric: Metric) -> Component:
    answer = request.ask((metric.name,), every="hour")
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, row in enumerate(answer.rows):
        cells[row["starts_at"].weekday(), row["starts_at"].hour].append(i)
    rows = [
        {"day_of_week": d, "hour": h, metric.name: _over_hours(metric, answer, found)}
        for (d, h), found in cells.items()
    ]
    height = 64 + 38 * len({day for day, _ in cells})
    return parts.card(
        f"{metric.label} by weekday and hour",
        parts.graph(figures.heat(metric, rows, height), height, f"{metric.label} by weekday and hour, UTC"),
        note=f"UTC{SHADES[metric.better]}",
    )


def _over_hours(metric: Metric, answer: QueryResult, found: list[int]) -> float | None:
    """The metric over several hours: of their sums; of distinct counts, which do not add, the mean."""
    if isinstance(metric, Distinct):
        return float(np.mean([answer.rows[i][metric.name] or 0 for i in found]))
    sums: dict[str, Any] = {}
    for m in answer.question.measures:
        columns = [answer.measures[i][m.name] for i in found]
        sums[m.name] = [sum(c) for c in zip(*columns, strict=True)] if m.type == "ints" else sum(columns)
    return evaluate(metric, sums)


for _id, _key in (("ex-metric", "m"), ("ex-by", "by"), ("ex-vs", "vs"), ("ex-vf", "vf")):
    clientside_callback(
        ClientsideFunction("console", f"choose_{_key}"),
        Output("_pages_location", "search", allow_duplicate=True),
        Input(_id, "value"),
        State("chosen", "data"),
        State("_pages_location", "search"),
        prevent_initial_call=True,
    )
