"""Replays: the button that replays dead letters, and how far the replay has come."""

from typing import Any

from dash import ALL, Input, Output, State, callback, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from qoescope.serve.console.requests import PageRequest, callback_request
from qoescope.serve.display import words
from qoescope.serve.store import replays

EVERY_MS = 1_000


def replay_button(row: dict[str, Any]) -> Component | None:
    """A button that replays the letters of this reason; none where all were."""
    if not row["open"]:
        return None
    return html.Button(
        "Replay",
        id={"type": "he-replay", "reason": row["reason"]},
        type="button",
        className="secondary",
        **{"aria-label": f"Replay the letters of reason {row['reason']}"},
    )


def progress(request: PageRequest) -> Component:
    """What the replay that runs has done, or the last one; it goes on though the page is left."""
    row = replays.state(request.store) if request.store.has("replays") else None
    text, runs = _progress_text(request, row)
    tick = dcc.Interval(id="he-tick", interval=EVERY_MS, disabled=not runs)
    return html.Div([html.P(text, id="he-replayed", role="status"), tick])


def _progress_text(request: PageRequest, row: dict[str, Any] | None) -> tuple[str, bool]:
    if row is None:
        return "", False
    text = replays.progress_text(row)
    if row["state"] == "running":
        return f"{text[0].upper()}{text[1:]} …", True
    when = words.ago(row["updated_at"], request.now)
    return f"{text[0].upper()}{text[1:]} ({row['made_by']}, {when})", False


@callback(
    Output("he-replayed", "children"),
    Output("he-tick", "disabled"),
    Input({"type": "he-replay", "reason": ALL}, "n_clicks"),
    Input("he-tick", "n_intervals"),
    State("_pages_location", "search"),
    prevent_initial_call=True,
)
def replay(clicks: list[int | None], _: int | None, search: str | None) -> tuple[str, bool]:
    """Starts the replay that an operator asked for, and says how far it is."""
    request = callback_request(search, "/health")
    if not request.may("operator"):
        return "This needs the operator role.", True
    if isinstance(ctx.triggered_id, dict):
        if not any(clicks):
            raise PreventUpdate
        begun = replays.start(request.store, ctx.triggered_id["reason"], request.caller.person.name)
        if begun is None:
            return "A replay is already running.", False
    text, runs = _progress_text(request, replays.state(request.store))
    return text, not runs
