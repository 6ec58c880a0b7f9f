"""Overview: how are viewers doing?"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from qoescope.catalog.dimensions import DIMENSION_BY_NAME, used_for
from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.connect.ask import QueryResult
from qoescope.serve.analysis import costs
from qoescope.serve.analysis.costs import Cost
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.console.sections import empty_range, incidents_list
from qoescope.serve.display import figures, words
from qoescope.serve.request import state

SCORES = ("success_score", "picture_score", "stalling_score", "start_score")
TILES = (
    "plays",
    "viewers",
    "watch_hours",
    "bitrate_avg_kbps",
    "rebuffer_ratio",
    "startup_p50_ms",
    "startup_p95_ms",
    "ebvs_ratio",
    "start_failure_ratio",
    "failure_ratio",
)
SHOWN = ("experience_score", "good_session_ratio", *SCORES, *TILES)
SLICES = used_for("compared")
MANY = ("content_id",)
"""Dimensions with so many values that they are looked at only over a short time."""
SHORT = timedelta(days=2)
COSTED = "good_session_ratio"


def body(request: PageRequest) -> parts.Content:
    """The page's answer."""
    now, before, series, series_before, countries = _answers(request)
    if not now.measures[0]["attempts"]:
        return parts.content(request.subject, empty_range.hint(request))
    value, past = now.rows[0], before.rows[0]
    score, good = METRIC_BY_NAME["experience_score"], METRIC_BY_NAME["good_session_ratio"]
    hero = html.Div(
        [
            parts.card(
                "Experience score",
                _headline(score.name, now, before),
                html.Div([_component(name, value, past) for name in SCORES], className="components"),
                note="0–100, of all who watched or tried to",
            ),
            parts.card(
                "Experience over time",
                parts.graph(
                    figures.trend(score, series.rows, series_before.rows, request.state.length, 248, _notes(request)),
                    248,
                    f"Experience score over the range, now {words.number(value[score.name], score.unit)}",
                    zooms=True,
                ),
                note="dotted: the previous period; drag to zoom in",
            ),
            parts.card(
                "Good sessions",
                _headline(good.name, now, before),
                parts.graph(figures.trend(good, series.rows, height=172), 172, "Share of good sessions over the range"),
                note="met every threshold of their device",
            ),
        ],
        className="hero",
    )
    tiles = html.Div([_tile(request, name, now, past, series) for name in TILES], className="tiles")
    lower = html.Div([_map(request, countries), _worst(request), incidents_list.card(request)], className="lower")
    return parts.content(f"{request.subject}, compared with the previous period", hero, tiles, lower)


def _tile(request: PageRequest, name: str, now: QueryResult, past: Mapping[str, Any], series: QueryResult) -> Component:
    href = state.page_address("/explore", request.state, p=request.state.own.get("p"), m=name)
    curve = [row[name] for row in series.rows]
    return parts.tile(METRIC_BY_NAME[name], now.rows[0][name], past[name], curve, now.measures[0], href)


def _answers(request: PageRequest) -> list[QueryResult]:
    before, every = request.state.before, request.state.every
    questions: list[dict[str, Any]] = [
        {"metrics": SHOWN},
        {"metrics": SHOWN, "between": before},
        {"metrics": SHOWN, "every": every},
        {"metrics": ("experience_score",), "between": before, "every": every},
        {"metrics": ("experience_score", "attempts"), "by": ("country_code",)},
    ]
    with ThreadPoolExecutor(3) as threads:
        return list(threads.map(lambda question: request.ask(**question), questions))


def _headline(name: str, now: QueryResult, before: QueryResult) -> Component:
    metric = METRIC_BY_NAME[name]
    value = now.rows[0][name]
    change = words.change(metric, value, before.rows[0][name])
    return html.Div(
        [
            html.Span(words.number(value, metric.unit), className="headline"),
            parts.delta(change),
            parts.tip(metric, now.measures[0]),
        ],
        className="headline-line",
    )


def _component(name: str, value: dict[str, Any], past: dict[str, Any]) -> Component:
    metric = METRIC_BY_NAME[name]
    now = value[name]
    return html.Div(
        [
            html.Span(metric.label),
            parts.bar((now or 0) / 100),
            html.Span(words.number(now, metric.unit), className="figure"),
            parts.delta(words.change(metric, now, past[name])),
        ],
        className="component",
        title=metric.doc,
    )


def _notes(request: PageRequest) -> list[tuple[Any, str]]:
    return [(a["starts_at"], a["text"][:40]) for a in request.store.annotations(request.state.between)]


def _map(request: PageRequest, countries: QueryResult) -> Component:
    score = METRIC_BY_NAME["experience_score"]
    rows = sorted(countries.rows, key=lambda r: -(r["attempts"] or 0))[:4]
    lines = [
        [
            dcc.Link(
                r["country_code"], href=request.path + request.state.narrowed("country_code", r["country_code"]).query()
            ),
            f"{r['attempts']:,}",
            words.number(r[score.name], score.unit),
        ]
        for r in rows
    ]
    return parts.card(
        "By country",
        parts.graph(figures.world(score, countries.rows, 236), 236, "World map of the experience score by country"),
        parts.table(["Country", "Attempts", score.label], lines, (1, 2), "Countries with the most attempts"),
        note="blue: better · red: worse",
    )


def _worst(request: PageRequest) -> Component:
    metric, candidates = METRIC_BY_NAME[COSTED], list[Cost]()
    for name in SLICES:
        named = any(name == f.removeprefix("!") for f in request.state.where)
        if named or (name in MANY and request.state.length > SHORT):
            continue
        answer = request.ask((COSTED,), (name,))
        candidates += costs.costs(metric, name, answer.measures)
    chosen = costs.worst(candidates, 5)
    rows = [
        [
            _slice(request, cost),
            words.percent(cost.here),
            words.percent(cost.rest),
            f"{cost.excess:,.0f}",
            parts.bar(cost.impact, "bad"),
        ]
        for cost in chosen
    ]
    if not rows:
        return parts.card(
            "Worst slices by cost",
            parts.empty(
                "No slice stands out", "No group of viewers has significantly more bad sessions than the others."
            ),
        )
    return parts.card(
        "Worst slices by cost",
        parts.table(
            ["Slice", "Good", "Others", "Excess bad sessions", "Share of all"],
            rows,
            (1, 2, 3),
            "Slices with the most excess bad sessions",
        ),
        note="bad sessions above what the other viewers' rate would give",
        actions=dcc.Link(
            "Explore",
            href=state.page_address("/explore", request.state, p=request.state.own.get("p"), m=COSTED),
            className="more",
        ),
    )


def _slice(request: PageRequest, cost: Cost) -> Component:
    narrowed = request.state.narrowed(cost.dimension, cost.value)
    return html.Span(
        [
            html.Span(DIMENSION_BY_NAME[cost.dimension].label, className="dim"),
            dcc.Link(cost.value, href=request.path + narrowed.query()),
        ],
        className="slice",
    )
