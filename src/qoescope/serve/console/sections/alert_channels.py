"""Alert channels: who is told of incidents, tried out by a test that the monitor sends."""

from typing import Any

from dash import Input, Output, State, callback, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from qoescope.catalog.errors import Mistake
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest, callback_request
from qoescope.serve.store.queries import notifications

EVERY_MS = 1_000
REQUESTED = "Test requested. The monitor sends it within seconds; if nothing arrives, the monitor is not running."


def card(request: PageRequest) -> Component:
    """A button that tells a test to every channel, and what became of it."""
    may = request.may("operator")
    button = html.Button("Send a test", id="ch-test", type="button", className="secondary", disabled=not may)
    return parts.card(
        "Notification channels",
        html.P("Incidents go to the webhook, Slack, Teams, PagerDuty and mail that the monitor's settings name."),
        html.Div([button], className="buttons"),
        html.Div(id="ch-told", role="status"),
        dcc.Interval(id="ch-tick", interval=EVERY_MS, disabled=True),
        None if may else html.P("Only operators can send a test.", className="note"),
    )


def _progress(request: PageRequest) -> tuple[Component | str, bool]:
    """What became of the last test in words, and whether that is all."""
    rows = notifications.of_last_test(request.store)
    tests = [r for r in rows if r["target"] == "*"]
    sent = [r for r in rows if r["target"] != "*"]
    if not tests or tests[0]["status"] == "pending":
        return REQUESTED, False
    if not sent:
        return f"Nobody was notified: {tests[0]['detail']}.", True
    return html.Ul([html.Li(_line(r)) for r in sent]), all(r["status"] != "pending" for r in sent)


def _line(row: dict[str, Any]) -> list[Component | str]:
    badge = {"sent": ("arrived", "good"), "dead": ("failed", "bad")}.get(row["status"], ("on its way", "neutral"))
    return [f"{row['target']}: ", parts.badge(*badge), f" {row['detail'] or ''}"]


@callback(
    Output("ch-told", "children"),
    Output("ch-tick", "disabled"),
    Input("ch-test", "n_clicks"),
    Input("ch-tick", "n_intervals"),
    State("_pages_location", "search"),
    prevent_initial_call=True,
)
def send_test(clicks: int | None, _: int | None, search: str | None) -> tuple[Component | str, bool]:
    """Asks for a test where an operator wants one, and says what became of it."""
    request = callback_request(search, "/rules")
    if not request.may("operator"):
        return "This needs the operator role.", True
    if ctx.triggered_id == "ch-test":
        if not clicks:
            raise PreventUpdate
        try:
            request.store.ask_test(request.caller.person.name)
        except Mistake as mistake:
            return str(mistake), True
    return _progress(request)
