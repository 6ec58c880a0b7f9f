"""Incidents list: the incidents of the range at a glance."""

from dash import dcc, html
from dash.development.base_component import Component

from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import words
from qoescope.serve.request import state

TITLE, MOST = "Incidents", 5


def card(request: PageRequest) -> Component:
    """What broke in this time: what goes on before what is over, critical ones first, then those that cost most."""
    href = state.page_address("/incidents", request.state, p=request.state.own.get("p"))
    more = dcc.Link("All incidents", href=href, className="more")
    if not request.store.has("incidents"):
        return parts.card(
            TITLE,
            parts.empty("The monitor has not run yet", "Start it with ", html.Code("qoescope monitor"), "."),
            actions=more,
        )
    rows = request.store.incidents(request.state.between, "told")
    rows.sort(key=lambda r: (r["closed_at"] is not None, r["severity"] != "critical"))
    if not rows:
        return parts.card(
            TITLE, parts.empty("All quiet", "No slice of viewers is worse than its own history."), actions=more
        )
    items = [
        html.Li(
            [
                parts.badge(r["severity"], r["severity"]),
                dcc.Link(r["story"], href=state.item_address("/incidents", r["id"])),
                html.Span(
                    f"over {words.ago(ended, request.now)}"
                    if (ended := r["closed_at"])
                    else words.ago(r["opened_at"], request.now),
                    className="faint",
                ),
            ]
        )
        for r in rows[:MOST]
    ]
    return parts.card(TITLE, html.Ul(items, className="stories"), actions=more)
