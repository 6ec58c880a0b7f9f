"""Unknown values: those that nobody can have meant, by field."""

from dash import html
from dash.development.base_component import Component

from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.console.unknown_fields import explain
from qoescope.serve.display import words
from qoescope.serve.store.queries import unknown_fields

TITLE = "Unknown values"


def card(request: PageRequest) -> Component:
    """The property's fields whose values were left out in the range: how often, what they are, what to do."""
    rows = unknown_fields.counts(request.store, request.state.between)
    if not rows:
        return parts.card(TITLE, parts.empty("None in this range", "Every value received was within its bounds."))
    lines = []
    for row in rows:
        known = explain(row["field"])
        allowed = html.Span(known.allowed, className="faint")
        lines.append(
            [
                html.Code(row["field"]),
                f"{row['count']:,}",
                words.ago(row["newest"], request.now),
                html.Span([known.meaning, html.Br(), allowed] if known.allowed else known.meaning),
                known.advice,
            ]
        )
    total = sum(row["count"] for row in rows)
    return parts.card(
        TITLE,
        parts.table(
            ["Field", "Values", "Newest", "Field and its bounds", "Actions"],
            lines,
            (1, 2),
            "Unknown values by field",
        ),
        note=f"{total:,} values of {request.property_id} outside their bounds; "
        "their events and reports count without them",
    )
