"""Rules: when should an alarm ring, whatever the past says?"""

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, callback, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from qoescope.catalog.errors import Mistake
from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.serve.console import parts, rule_forms
from qoescope.serve.console.requests import PageRequest, callback_request
from qoescope.serve.console.sections import alert_channels
from qoescope.serve.request import state

Typed = str | int | float | None
"""What a field for numbers holds."""


def body(request: PageRequest) -> parts.Content:
    """The property's rules, and a form for another."""
    may = request.may("operator")
    return parts.content(
        "Fixed-threshold alerts: an incident opens when a value passes its limit, whatever is normal for the hour.",
        html.Div(_listed(request), id="ru-list"),
        parts.card("New rule", *_form(may), note="shares as 0.05, times in ms; the monitor follows it within a minute"),
        alert_channels.card(request),
        aside=dcc.Link("All incidents", href=state.page_address("/incidents", request.state), className="more"),
    )


def _listed(request: PageRequest) -> Component:
    rows = request.store.rules()
    if not rows:
        return parts.empty(
            "No rules",
            "The monitor compares each slice with its own history. Add a rule for limits that must never be passed.",
        )
    disabled = not request.may("operator")
    lines = [
        [*rule_forms.describe(row), parts.badge(row["severity"], row["severity"]), _delete(row, disabled)]
        for row in rows
    ]
    head = ["Metric", "Applies to", "Condition", "Severity", ""]
    return parts.card(f"Rules of {request.property_id}", parts.table(head, lines, (), "Rules"))


def _delete(row: Mapping[str, Any], disabled: bool) -> Component:
    label = f"Delete the rule on {METRIC_BY_NAME[row['metric']].label}"
    return html.Button(
        "Delete",
        id={"type": "ru-delete", "rule": row["id"]},
        type="button",
        className="secondary",
        disabled=disabled,
        **{"aria-label": label},
    )


def _form(may: bool) -> list[Component | None]:
    metrics = [{"value": name, "label": METRIC_BY_NAME[name].label} for name in rule_forms.LIVE]
    box: dict[str, Any] = {"size": "xs", "disabled": not may}
    choice = box | {"comboboxProps": {"withinPortal": False}, "allowDeselect": False}
    fields = [
        dmc.Select(label="Metric", id="ru-metric", data=metrics, value=rule_forms.LIVE[0], **choice),
        dmc.Select(label="Direction", id="ru-direction", data=list(rule_forms.DIRECTIONS), value="above", **choice),
        dmc.TextInput(label="Threshold", id="ru-threshold", value="0.05", **box),
        dmc.NumberInput(label="Consecutive minutes", id="ru-minutes", value=5, min=1, max=60, **box),
        dmc.NumberInput(label="Minimum viewers", id="ru-audience", value=50, min=1, **box),
        dmc.Select(label="Severity", id="ru-severity", data=list(rule_forms.SEVERITIES), value="warning", **choice),
        dmc.TextInput(label="Applies to", id="ru-slice", placeholder="device_type:smart_tv country_code:US", **box),
    ]
    button = html.Button("Create rule", id="ru-add", type="button", className="primary", disabled=not may)
    note = None if may else html.P("Only operators can change rules.", className="note")
    return [
        html.Div(fields, className="fields"),
        html.Div([button], className="buttons"),
        html.P(id="ru-told", role="status"),
        note,
    ]


@callback(
    Output("ru-list", "children"),
    Output("ru-told", "children"),
    Input("ru-add", "n_clicks"),
    Input({"type": "ru-delete", "rule": ALL}, "n_clicks"),
    State("ru-metric", "value"),
    State("ru-direction", "value"),
    State("ru-threshold", "value"),
    State("ru-minutes", "value"),
    State("ru-audience", "value"),
    State("ru-severity", "value"),
    State("ru-slice", "value"),
    State("_pages_location", "search"),
    prevent_initial_call=True,
)
def change_rules(  # noqa: PLR0913, PLR0917 - as many as the form has
    add: int | None,
    deleted: list[int | None],
    metric: str | None,
    direction: str | None,
    threshold: Typed,
    minutes: Typed,
    audience: Typed,
    severity: str | None,
    only: str | None,
    search: str | None,
) -> tuple[Component, str]:
    """Adds or deletes a rule for an operator, and says so."""
    rule = (metric or "", direction or "", threshold, minutes, audience, severity or "", only or "")
    if not add and not any(deleted):
        raise PreventUpdate
    request = callback_request(search, "/rules")
    if not request.may("operator"):
        return _listed(request), "This needs the operator role."
    if isinstance(ctx.triggered_id, dict):
        if not any(deleted):
            raise PreventUpdate
        gone = request.store.remove_rule(ctx.triggered_id["rule"])
        return _listed(request), "Rule deleted; its open incident closes." if gone else "It was already deleted."
    if not add:
        raise PreventUpdate
    try:
        request.store.add_rule(rule_forms.parse(*rule))
    except Mistake as mistake:
        return _listed(request), str(mistake)
    return _listed(request), "Added."
