"""Incidents at a glance: the open ones, for other pages."""

from dash import dcc, html
from dash.development.base_component import Component

from qoescope.serve import parts, state, words
from qoescope.serve.frame import Asked


def open_card(asked: Asked) -> Component:
    """The open incidents, critical ones first, then those that cost most."""
    href = state.link("/incidents", asked.state, p=asked.state.own.get("p"))
    more = dcc.Link("All incidents", href=href, className="more")
    if not asked.seat.desk.has(asked.tenant, "incidents"):
        return parts.card(
            "Open incidents",
            parts.empty("The monitor has not run yet", "Start it with ", html.Code("qoescope monitor"), "."),
            actions=more,
        )
    rows = asked.seat.desk.rows(
        asked.tenant,
        "select id, severity, story, opened_at from incidents where closed_at is null "
        "and state not in ('dismissed', 'closed') "
        "order by severity = 'critical' desc, viewers desc, opened_at desc limit 5",
    )
    if not rows:
        return parts.card(
            "Open incidents", parts.empty("All quiet", "No slice of viewers is worse than its own past."), actions=more
        )
    items = [
        html.Li(
            [
                parts.badge(r["severity"], r["severity"]),
                dcc.Link(r["story"], href=f"/incidents/{r['id']}"),
                html.Span(words.ago(r["opened_at"], asked.now), className="faint"),
            ]
        )
        for r in rows
    ]
    return parts.card("Open incidents", html.Ul(items, className="stories"), actions=more)
