"""Empty range: shown where nothing was watched in the range, with the way to a range that has sessions."""

from dash import dcc, html
from dash.development.base_component import Component

from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest


def hint(request: PageRequest) -> Component:
    """Nothing was watched in this range: where there is something, or how to get some."""
    newest = request.store.newest()
    if newest is None:
        return parts.empty(
            "No session has arrived yet",
            "Send beacons to the collector, or run ",
            html.Code("qoescope demo"),
            " to see simulated viewers.",
        )
    day = newest.strftime("%Y-%m-%d")
    where = request.path + f"?from={day}T00:00&to={day}T23:59"
    advice: list[Component | str] = ["Remove a filter or choose a longer range. "] if request.state.where else []
    return parts.empty(
        "Nobody pressed play in this range",
        *advice,
        "The newest session began ",
        html.Strong(f"{newest:%d %b %Y %H:%M}"),
        " UTC: ",
        dcc.Link("show that day", href=where),
        ".",
    )
