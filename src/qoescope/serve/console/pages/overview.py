"""Overview: how are viewers doing?"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from qoescope.catalog.dimensions import BY_NAME as DIMENSIONS
from qoescope.catalog.metrics import BY_NAME as METRICS
from qoescope.connect.ask import Answer
from qoescope.serve.analysis import costs
from qoescope.serve.analysis.costs import Cost
from qoescope.serve.console import parts
from qoescope.serve.console.requests import Asked
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
SLICES = (
    "device_type",
    "os",
    "app_version",
    "country_code",
    "isp",
    "cdn",
    "cdn_pop",
    "network_type",
    "content_id",
    "drm",
)
MANY = ("content_id",)
"""Dimensions with so many values that they are looked at only over a short time."""
SHORT = timedelta(days=2)
COSTED = "good_session_ratio"


def body(asked: Asked) -> parts.Content:
    """The page's answer."""
    now, before, series, series_before, countries = _answers(asked)
    if not now.measures[0]["attempts"]:
        return parts.content(asked.subject, empty_range.hint(asked))
    value, past = now.rows[0], before.rows[0]
    score, good = METRICS["experience_score"], METRICS["good_session_ratio"]
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
                    figures.trend(score, series.rows, series_before.rows, asked.state.length, 248, _notes(asked)),
                    248,
                    f"Experience score over the range, now {words.number(value[score.name], score.unit)}",
                    zooms=True,
                ),
                note="dotted: the same length of time just before; drag over a part to see only that",
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
    tiles = html.Div([_tile(asked, name, now, past, series) for name in TILES], className="tiles")
    lower = html.Div([_map(asked, countries), _worst(asked), incidents_list.card(asked)], className="lower")
    return parts.content(f"{asked.subject}, against the same length of time before", hero, tiles, lower)


def _tile(asked: Asked, name: str, now: Answer, past: Mapping[str, Any], series: Answer) -> Component:
    href = state.link("/explore", asked.state, p=asked.state.own.get("p"), m=name)
    curve = [row[name] for row in series.rows]
    return parts.tile(METRICS[name], now.rows[0][name], past[name], curve, now.measures[0], href)


def _answers(asked: Asked) -> list[Answer]:
    s, desk, tenant = asked.state, asked.seat.desk, asked.tenant
    questions: list[dict[str, Any]] = [
        {"metrics": SHOWN, "between": s.between},
        {"metrics": SHOWN, "between": s.before},
        {"metrics": SHOWN, "between": s.between, "every": s.every},
        {"metrics": ("experience_score",), "between": s.before, "every": s.every},
        {"metrics": ("experience_score", "attempts"), "between": s.between, "by": ("country_code",)},
    ]
    with ThreadPoolExecutor(3) as threads:
        return list(threads.map(lambda q: desk.ask(tenant, where=s.where, **q), questions))


def _headline(name: str, now: Answer, before: Answer) -> Component:
    metric = METRICS[name]
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
    metric = METRICS[name]
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


def _notes(asked: Asked) -> list[tuple[Any, str]]:
    return [(a["starts_at"], a["text"][:40]) for a in asked.seat.desk.annotations(asked.tenant, asked.state.between)]


def _map(asked: Asked, countries: Answer) -> Component:
    score = METRICS["experience_score"]
    rows = sorted(countries.rows, key=lambda r: -(r["attempts"] or 0))[:4]
    lines = [
        [
            dcc.Link(
                r["country_code"], href=asked.path + asked.state.narrowed("country_code", r["country_code"]).query()
            ),
            f"{r['attempts']:,}",
            words.number(r[score.name], score.unit),
        ]
        for r in rows
    ]
    return parts.card(
        "Where they are",
        parts.graph(figures.world(score, countries.rows, 236), 236, "World map of the experience score by country"),
        parts.table(["Country", "Attempts", score.label], lines, (1, 2), "Countries with most attempts"),
        note="blue: better · red: worse",
    )


def _worst(asked: Asked) -> Component:
    metric, found = METRICS[COSTED], list[Cost]()
    for name in SLICES:
        named = any(name == f.removeprefix("!") for f in asked.state.where)
        if named or (name in MANY and asked.state.length > SHORT):
            continue
        answer = asked.seat.desk.ask(asked.tenant, (COSTED,), asked.state.between, (name,), asked.state.where)
        found += costs.costs(metric, name, answer.measures)
    chosen = costs.worst(found, 5)
    rows = [
        [
            _slice(asked, cost),
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
            parts.empty("No slice stands out", "No group of viewers has surely more bad sessions than the others."),
        )
    return parts.card(
        "Worst slices by cost",
        parts.table(
            ["Slice", "Good", "Others", "Bad sessions beyond", "Share of all"],
            rows,
            (1, 2, 3),
            "Slices with most bad sessions beyond the others' rate",
        ),
        note="bad sessions beyond what other viewers would have had",
        actions=dcc.Link(
            "Explore", href=state.link("/explore", asked.state, p=asked.state.own.get("p"), m=COSTED), className="more"
        ),
    )


def _slice(asked: Asked, cost: Cost) -> Component:
    there = asked.state.narrowed(cost.dimension, cost.value)
    return html.Span(
        [
            html.Span(DIMENSIONS[cost.dimension].label, className="dim"),
            dcc.Link(cost.value, href=asked.path + there.query()),
        ],
        className="slice",
    )
