"""Unknown: values that nobody can have meant, by field; a section of the page on health."""

from dash import html
from dash.development.base_component import Component

from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.console.sections.kept import ends, has
from qoescope.serve.console.unknown_fields import explain
from qoescope.serve.display import words

TITLE = "Unknown values"
FIELDS = """select field, sum(count)::bigint as count, max(minute_at) as newest from unknown_fields
where minute_at >= %(from)s and minute_at < %(to)s group by field order by count desc, field limit 100"""


def card(request: PageRequest) -> Component:
    """The property's fields whose values were left out in the range: how often, what they are, what to do."""
    rows = request.store.rows(FIELDS, **ends(request)) if has(request, "unknown_fields") else []
    if not rows:
        return parts.card(TITLE, parts.empty("None in this range", "Each value that came could be meant."))
    lines = []
    for row in rows:
        known = explain(row["field"])
        allowed = html.Span(known.allowed, className="faint")
        lines.append(
            [html.Code(row["field"]), f"{row['count']:,}", words.ago(row["newest"], request.now),
             html.Span([known.meaning, html.Br(), allowed] if known.allowed else known.meaning), known.advice]
        )  # fmt: skip
    total = sum(row["count"] for row in rows)
    return parts.card(
        TITLE,
        parts.table(
            ["Field", "Values", "Newest", "What it is, and what it may hold", "What to do"], lines, (1, 2),
            "Unknown values by field",
        ),
        note=f"{total:,} values of {request.tenant} that nobody can mean; their events and reports count without them",
    )  # fmt: skip
