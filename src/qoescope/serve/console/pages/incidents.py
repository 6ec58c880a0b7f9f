"""Incidents: what broke, for whom, since when?"""

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import words
from qoescope.serve.request import state

KINDS = ("all", "open", "closed", "dismissed")


def body(request: PageRequest) -> parts.Content:
    """The list, those that cost most first."""
    kind = request.state.own.get("kind", "all")
    tabs = [
        dcc.Link(k.capitalize(), href=request.path + request.state.query(kind=k), className="on" if k == kind else "")
        for k in KINDS
    ]
    rows = request.store.incidents(request.state.between, kind)
    chooser = html.Div(tabs, className="segments", role="group", **{"aria-label": "State"})
    rules = dcc.Link(
        "Rules", href=state.page_address("/rules", request.state, p=request.state.own.get("p")), className="more"
    )
    if not rows:
        ran = request.store.has("incidents")
        what = (
            ["No slice differed from its own history. Choose a longer range to see older incidents."]
            if ran
            else ["Start the monitor with ", html.Code("qoescope monitor"), "."]
        )
        return parts.content(
            request.subject,
            chooser,
            parts.empty("All quiet" if ran else "The monitor has not run yet", *what),
            aside=rules,
        )
    items = html.Div([_item(request, row) for row in rows], className="incidents")
    return parts.content(request.subject, chooser, items, aside=rules)


def _item(request: PageRequest, row: dict[str, Any]) -> Component:
    ended = row["closed_at"]
    href = state.item_address("/incidents", row["id"]) + request.state.query(kind=None)
    return html.Article(
        [
            html.Div(
                [
                    parts.badge(row["severity"], row["severity"]),
                    parts.badge(row["state"], {"confirmed": "accent", "closed": "good"}.get(row["state"], "neutral")),
                ],
                className="badges",
            ),
            html.Div(
                [
                    html.H2(dcc.Link(row["story"], href=href)),
                    html.Div(
                        [
                            html.Span(row["slice_name"], className="strong"),
                            html.Span(f"since {words.moment(row['onset_at'])} UTC"),
                            html.Span(
                                f"closed after {words.length(ended - row['onset_at'])}"
                                if ended
                                else f"for {words.length(request.now - row['onset_at'])}"
                            ),
                        ],
                        className="meta",
                    ),
                ]
            ),
            html.Div(
                [
                    html.Div([html.B(f"{row['viewers']:,}", className="figure"), html.Span("viewers")]),
                    html.Div([html.B(f"{row['affected_sessions']:,}", className="figure"), html.Span("sessions")]),
                    html.Div([html.B(f"{row['lost_watch_hours']:,.0f}", className="figure"), html.Span("hours lost")]),
                ],
                className="counts",
            ),
        ],
        className="card incident",
    )
