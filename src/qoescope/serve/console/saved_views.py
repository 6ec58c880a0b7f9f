"""Saved views: addresses that operators share by name: everybody follows them, operators save and remove them."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from qoescope.catalog.errors import Mistake
from qoescope.serve.auth.credentials import safe_next
from qoescope.serve.console.requests import PageRequest, callback_request
from qoescope.serve.request.state import checked_text

LONGEST_TITLE, LONGEST_ADDRESS = 80, 2_000


def links(request: PageRequest) -> list[Component]:
    """The links, each with its button for operators."""
    may = request.may("operator")
    return [
        html.Div([dcc.Link(row["title"], href=row["address"]), _remove(row) if may else None], className="view")
        for row in request.store.views()
    ]


def _remove(row: dict[str, Any]) -> Component:
    return html.Button(
        "×",
        id={"type": "view-remove", "view": row["id"]},
        type="button",
        className="remove",
        title=f"Remove the view {row['title']}",
        **{"aria-label": f"Remove the view {row['title']}"},
    )


def menu(request: PageRequest) -> Component | None:
    """Saved views, and for operators a way to save this one."""
    if not request.property_id:
        return None
    form = [
        dmc.TextInput(
            id="view-title", size="xs", placeholder="name of this view", **{"aria-label": "Name of this view"}
        ),
        html.Button("Save this view", id="view-save", type="button", className="secondary"),
    ]
    status = html.Span(id="view-told", role="status", className="faint")
    note = html.Span("Only operators can save views.", className="faint")
    may = request.may("operator")  # what a callback names must be there, seen or not
    children = [html.Div(links(request), id="view-list"), html.Div(form, hidden=not may), None if may else note, status]
    return html.Details([html.Summary("Views"), html.Div(children, className="menu")], className="person")


def add_callbacks(app: Dash) -> None:
    """Adds the callbacks that save and remove views."""

    @app.callback(
        Output("view-list", "children"),
        Output("view-told", "children"),
        Input("view-save", "n_clicks"),
        Input({"type": "view-remove", "view": ALL}, "n_clicks"),
        State("view-title", "value"),
        State("_pages_location", "pathname"),
        State("_pages_location", "search"),
        prevent_initial_call=True,
    )
    def changed(
        clicks: int | None, removed: list[int | None], title: str | None, path: str, search: str | None
    ) -> tuple[list[Component], str]:
        if not clicks and not any(removed):
            raise PreventUpdate
        request = callback_request(search, path)
        if not request.may("operator"):
            return links(request), "This needs the operator role."
        if isinstance(ctx.triggered_id, dict):
            if not any(removed):
                raise PreventUpdate
            gone = request.store.remove_view(ctx.triggered_id["view"])
            return links(request), "Removed." if gone else "It was already deleted."
        if not clicks:
            raise PreventUpdate
        try:
            return links(request), _save(request, title, path + (search or ""))
        except Mistake as mistake:
            return links(request), str(mistake)


def _save(request: PageRequest, title: str | None, address: str) -> str:
    named = checked_text(title or "").strip()[:LONGEST_TITLE]
    if not named:
        return "Enter a name."
    if len(address) > LONGEST_ADDRESS:
        return "The address is too long; remove some filters."
    request.store.save_view(named, safe_next(address), request.caller.person.name)
    return f"Saved as {named}."
