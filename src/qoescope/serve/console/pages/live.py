"""Live: what is happening right now?"""

from datetime import datetime, timedelta
from typing import Any

from dash import Input, Output, State, callback, dcc, html
from dash.development.base_component import Component

from qoescope.catalog.dimensions import DIMENSION_BY_NAME
from qoescope.catalog.marts import LIVE_DIMENSIONS
from qoescope.catalog.metrics import LIVE_METRICS, METRIC_BY_NAME, Metric
from qoescope.connect.ask import QueryResult
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest, callback_request
from qoescope.serve.display import figures, words

WINDOW, SPAN, WARM = timedelta(seconds=10), timedelta(minutes=30), timedelta(minutes=5)
EVERY_MS = 3000
OLD_S = 60
"""Data older than this is shown in red."""
CONCURRENT = METRIC_BY_NAME["live_concurrent_viewers"]
TILES = tuple(m for m in LIVE_METRICS if m is not CONCURRENT)
BROKEN_DOWN = (
    "live_concurrent_viewers",
    "live_start_failure_ratio",
    "live_ebvs_ratio",
    "live_play_failure_ratio",
    "live_rebuffer_ratio",
    "live_bitrate_avg_kbps",
)


def body(request: PageRequest) -> parts.Content:
    """The page's frame; what changes in it is replaced every few seconds."""
    now = dynamic(request)
    by = _by(request)
    choices = [
        dcc.Link(
            DIMENSION_BY_NAME[name].label,
            href=request.path + request.state.query(by=name),
            className="on" if name == by else "",
        )
        for name in LIVE_DIMENSIONS
    ]
    return parts.content(
        "10-second windows of the last 30 minutes, by the moment at which an interval ended, UTC",
        html.Div(
            [
                parts.card(
                    "Watching now",
                    html.Div(now["headline"], id="live-headline"),
                    parts.graph(now["concurrent"], 250, "Viewers watching over the last 30 minutes", "live-concurrent"),
                    extra="wide",
                ),
                html.Div(now["tiles"], id="live-tiles", className="tiles live-tiles"),
            ],
            className="live",
        ),
        parts.card(
            "Breakdown",
            html.Div(choices, className="segments wrap", role="group", **{"aria-label": "Dimension"}),
            html.Div(now["breakdown"], id="live-breakdown"),
            note="last five minutes; click a name to filter by it",
        ),
        dcc.Interval(id="live-tick", interval=EVERY_MS),
        aside=html.Div(now["age"], id="live-age"),
    )


def _by(request: PageRequest) -> str:
    by = request.state.own.get("by", "device_type")
    return by if by in LIVE_DIMENSIONS else "device_type"


def dynamic(request: PageRequest) -> dict[str, Any]:
    """All that changes from moment to moment."""
    newest = request.store.newest_window()
    if newest is None or request.now - newest > timedelta(days=1):
        none = parts.empty(
            "Nobody is watching",
            "No event has arrived within a day. Check that a player is sending and that the stream is running: ",
            dcc.Link("Health", href="/health"),
            " says it.",
        )
        return {
            "headline": none,
            "concurrent": figures.blank(250),
            "tiles": [],
            "breakdown": None,
            "age": _age(request, newest),
        }
    end = newest + WINDOW
    narrow = {k: v for k, v in request.state.where.items() if k.removeprefix("!") in LIVE_DIMENSIONS}
    answer = request.ask([CONCURRENT.name], every="10s", between=(end - SPAN, end), where=narrow)
    minutes = request.ask([m.name for m in TILES], every="minute", between=(end - SPAN, end), where=narrow).rows
    total = request.ask([m.name for m in TILES], between=(end - WARM, end), where=narrow)
    rows, last = answer.rows, answer.rows[-1] if answer.rows else {}
    earlier = rows[-31] if len(rows) > 30 else rows[0] if rows else {}  # noqa: PLR2004
    change = words.change(CONCURRENT, last.get(CONCURRENT.name), earlier.get(CONCURRENT.name))
    return {
        "headline": html.Div(
            [
                html.Span(words.number(last.get(CONCURRENT.name), "count"), className="headline"),
                parts.delta(change),
                html.Span("against 5 minutes ago", className="faint"),
                parts.tip(CONCURRENT),
            ],
            className="headline-line",
        ),
        "concurrent": figures.trend(CONCURRENT, rows, height=250),
        "tiles": [_tile(m, total, minutes) for m in TILES],
        "breakdown": _breakdown(request, end, narrow),
        "age": _age(request, newest),
    }


def _tile(metric: Metric, total: QueryResult, rows: list[dict[str, Any]]) -> Component:
    value = total.rows[0][metric.name] if total.rows else None
    sums = total.measures[0] if total.measures else {}
    return html.Div(
        [
            html.Div(
                [html.Span(metric.label.removesuffix(" now").replace(" now,", ",")), parts.tip(metric, sums)],
                className="tile-name",
            ),
            html.Div(html.Span(words.number(value, metric.unit), className="tile-value"), className="tile-line"),
            parts.spark([r[metric.name] for r in rows], f"{metric.label} by the minute"),
        ],
        className="tile",
    )


def _breakdown(request: PageRequest, end: datetime, narrow: dict[str, tuple[str, ...]]) -> Component:
    by = _by(request)
    if narrow and set(narrow) - {by, f"!{by}"}:
        return parts.empty(
            "Live numbers are kept by one dimension at a time",
            "Remove the filter on ",
            ", ".join(DIMENSION_BY_NAME[n.removeprefix("!")].label for n in narrow),
            " to break down by another.",
        )
    others = [n for n in BROKEN_DOWN if n != CONCURRENT.name]
    sums = {r[by]: r for r in request.ask(others, (by,), between=(end - WARM, end), where=narrow).rows}
    now = request.ask((CONCURRENT.name,), (by,), "10s", between=(end - WINDOW, end), where=narrow).rows
    watching = {r[by]: r[CONCURRENT.name] for r in now}
    ranked = sorted(sums, key=lambda v: -(watching.get(v) or 0))[:15]
    most = max([watching.get(v) or 0 for v in ranked], default=0) or 1
    lines = [
        [
            dcc.Link(value, href=request.path + request.state.narrowed(by, value).query()),
            html.Span(
                [
                    html.Span(f"{watching.get(value) or 0:,}", className="figure"),
                    parts.bar((watching.get(value) or 0) / most),
                ],
                className="with-bar",
            ),
            *[words.number(sums[value][n], METRIC_BY_NAME[n].unit) for n in others],
        ]
        for value in ranked
    ]
    head = [DIMENSION_BY_NAME[by].label, *[METRIC_BY_NAME[n].label for n in BROKEN_DOWN]]
    return parts.table(head, lines, range(2, len(head)), f"Live metrics by {DIMENSION_BY_NAME[by].label}")


def _age(request: PageRequest, newest: datetime | None) -> Component:
    if newest is None:
        return parts.badge("no data", "bad")
    age = request.now - newest - WINDOW
    old = age.total_seconds() > OLD_S
    text = f"{words.length(max(age, timedelta(0)))} old" if old else "live"
    return html.Span(
        [
            html.Span(className="pulse"),
            text,
            html.Span(f"newest window {newest + WINDOW:%H:%M:%S} UTC", className="faint"),
        ],
        className=f"age {'bad' if old else 'good'}",
        role="status",
    )


@callback(
    Output("live-headline", "children"),
    Output("live-concurrent", "figure"),
    Output("live-tiles", "children"),
    Output("live-breakdown", "children"),
    Output("live-age", "children"),
    Input("live-tick", "n_intervals"),
    State("_pages_location", "search"),
    prevent_initial_call=True,
)
def refresh(_: int, search: str | None) -> tuple[Any, ...]:
    """The same a few seconds later."""
    now = dynamic(callback_request(search, "/live"))
    return tuple(now[k] for k in ("headline", "concurrent", "tiles", "breakdown", "age"))
