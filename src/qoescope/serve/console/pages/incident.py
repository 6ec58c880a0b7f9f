"""Incident: one of them, its story, its chart, what else was considered, and what can be done about it."""

import json
from typing import Any

from dash import Input, Output, State, callback, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from qoescope.catalog.dimensions import DIMENSION_BY_NAME
from qoescope.catalog.metrics import METRIC_BY_NAME, Metric
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest, callback_request
from qoescope.serve.console.sections import notifications, slices
from qoescope.serve.display import charts, words
from qoescope.serve.request import state
from qoescope.serve.request.times import parse_time
from qoescope.serve.store import decisions
from qoescope.serve.store.decisions import Decision

DETECTED = {"live": "live detection", "batch": "restated day", "rule": "rule"}


def body(request: PageRequest) -> parts.Content:
    """One incident: story, chart, rivals, sessions, and what can be done about it."""
    row = request.store.incident(request.identity)
    if row is None:
        return parts.content(
            "",
            parts.empty(
                "Incident not found",
                "It may belong to another property. ",
                dcc.Link("All incidents", href="/incidents"),
            ),
        )
    metric = METRIC_BY_NAME[row["metrics"].split(",")[0]]
    facts = [html.Div([html.Dt(k), html.Dd(v, className="figure")]) for k, v in _facts(row, metric)]
    return parts.content(
        f"{row['slice_name']} · found {DETECTED[row['source']]} at {words.moment(row['opened_at'])} UTC",
        parts.card(
            "Summary",
            html.P(row["story"], className="story"),
            html.Dl(facts, className="facts five"),
            actions=html.Div(
                [parts.badge(row["severity"], row["severity"]), parts.badge(row["state"], "accent")], className="badges"
            ),
        ),
        html.Div(
            [_chart(request, row, metric), html.Div([_actions(request, row), _rivals(row)], className="stack")],
            className="two-one",
        ),
        html.Div(
            [_sessions(row), parts.card("The query behind it", html.Pre(html.Code(row["query"]), tabIndex=0))],
            className="grid-2",
        ),
    )


def _facts(row: dict[str, Any], metric: Metric) -> list[tuple[str, str]]:
    return [
        ("Actual", words.number(row["actual"], metric.unit)),
        ("95 % interval", _between(row, metric)),
        ("Expected", words.number(row["expected"], metric.unit)),
        ("Lift", "none before" if row["lift"] is None else f"×{row['lift']:.1f}"),
        ("Viewers", f"{row['viewers']:,}"),
        ("Sessions touched", f"{row['affected_sessions']:,}"),
        ("Watch hours lost", f"{row['lost_watch_hours']:,.1f}"),
        ("Share of the excess", words.percent(row["share"])),
        ("Confidence", words.percent(row["confidence"])),
        ("Persistence", words.percent(row["persistence"])),
    ]


def _between(row: dict[str, Any], metric: Metric) -> str:
    low, high = row["actual_low"], row["actual_high"]
    return (
        f"{words.number(low, metric.unit)} to {words.number(high, metric.unit)}" if low is not None else words.NOTHING
    )


def _json(value: Any) -> Any:  # noqa: ANN401
    return json.loads(value) if isinstance(value, str) else value


def _chart(request: PageRequest, row: dict[str, Any], metric: Metric) -> Component:
    points = [{"starts_at": parse_time(p["at"]), metric.name: p["value"]} for p in _json(row["chart"]) or []]
    rest = slices.rest(request, row, metric) if points else []
    figure = charts.incident(metric, points, rest, row["expected"], row["onset_at"], slices.end(row))
    return parts.card(
        f"{metric.label}: the slice, its past and the rest",
        parts.graph(figure, 330, f"{metric.label} of the slice against its baseline and the rest"),
        note=metric.doc,
        actions=dcc.Link("Explore this slice", href=slices.explore_address(row, metric), className="more"),
    )


def _rivals(row: dict[str, Any]) -> Component:
    found = _json(row["rivals"]) or []
    if not found:
        return parts.card("Other explanations", parts.empty("None", "No other slice explains any of it."))
    items = [
        [
            ", ".join(
                f"{DIMENSION_BY_NAME[k].label} {v if isinstance(v, str) else ' or '.join(v)}"
                for k, v in r["slice"].items()
            )
            or "everyone",
            words.percent(r["alone"]),
            r["reason"],
        ]
        for r in found
    ]
    return parts.card(
        "Other explanations and why they were rejected",
        parts.table(["Slice", "Explains alone", "Rejected because"], items, (1,), "Other explanations"),
    )


def _sessions(row: dict[str, Any]) -> Component:
    found = _json(row["sessions"]) or []
    items = [html.Li(dcc.Link(str(s), href=state.item_address("/sessions", str(s)))) for s in found]
    return parts.card(
        "Sessions to open",
        html.Ul(items, className="ids")
        if items
        else parts.empty("None yet", "Sessions appear here once they have closed."),
    )


def _actions(request: PageRequest, row: dict[str, Any]) -> Component:
    taken = request.store.acknowledged(row["id"])
    message = (
        f"{taken['made_by']} acknowledged it, {words.ago(taken['created_at'], request.now)}"
        if taken
        else "not acknowledged"
    )
    may = request.may("operator")
    buttons = [
        html.Button("Acknowledge", id="in-ack", type="button", className="primary", disabled=not may),
        html.Button(
            "Dismiss",
            id="in-dismiss",
            type="button",
            className="secondary",
            disabled=not may or row["state"] == "dismissed",
        ),
        html.Button("Mute for 4 h", id="in-mute", type="button", className="secondary", disabled=not may),
    ]
    note = None if may else html.P("Only operators can act on incidents.", className="note")
    return parts.card(
        "Actions",
        html.P(message, id="in-told", role="status"),
        html.Div(buttons, className="buttons"),
        note,
        notifications.table(request, row["id"]),
        dcc.Store(id="in-id", data=row["id"]),
    )


_DECISIONS: dict[str, Decision] = {"in-ack": "acknowledge", "in-dismiss": "dismiss", "in-mute": "mute"}


@callback(
    Output("in-told", "children"),
    Input("in-ack", "n_clicks"),
    Input("in-dismiss", "n_clicks"),
    Input("in-mute", "n_clicks"),
    State("in-id", "data"),
    State("_pages_location", "search"),
    prevent_initial_call=True,
)
def decide(ack: int | None, dismiss: int | None, mute: int | None, identity: str, search: str | None) -> str:
    """Carries out what an operator decided, and says so."""
    decision = _DECISIONS.get(ctx.triggered_id)
    if decision is None or not (ack or dismiss or mute):
        raise PreventUpdate
    request = callback_request(search, "/incidents")
    if not request.may("operator"):
        return "This needs the operator role."
    message = decisions.carry_out(request.store, identity, decision, request.caller.person.name)
    if message is None:
        raise PreventUpdate
    return message
