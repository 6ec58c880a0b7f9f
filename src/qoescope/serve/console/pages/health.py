"""Health: can I trust these numbers?"""

from dash import html
from dash.development.base_component import Component

from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.console.sections import (
    batches,
    dead_letters,
    freshness,
    ledger,
    notifications,
    operations,
    own_parts,
    unknown_values,
)
from qoescope.serve.display import words

TRUST = ("lost_event_ratio", "startup_unknown_ratio", "timeout_ratio")


def body(request: PageRequest) -> parts.Content:
    """The page's answer: books, streams, marts, what was kept aside, and the telemetry's own quality."""
    return parts.content(
        request.subject,
        _verdict(request),
        html.Div([ledger.books(request), ledger.over_time(request)], className="one-two"),
        html.Div([freshness.streams(request), freshness.marts(request), _trust(request)], className="grid-3"),
        own_parts.card(request),
        unknown_values.card(request),
        html.Div([dead_letters.card(request), batches.card(request)], className="grid-2 own-heights"),
        operations.cards(),
    )


def _verdict(request: PageRequest) -> Component:
    """One line: whether anything is wrong, and what."""
    wrong = ["events received and events accounted for differ"] if ledger.is_unbalanced(request) else []
    wrong += freshness.warnings(request)
    wrong += own_parts.warnings(request)
    wrong += [*notifications.withheld(request), *notifications.undelivered(request)]
    if not wrong:
        resting = not any(freshness.ages(request).values())
        message = (
            [parts.badge("at rest"), " Nothing has come in the last 7 days."]
            if resting
            else [
                parts.badge("yes", "good"),
                " All events are accounted for, the streams keep up and the marts are fresh.",
            ]
        )
        return html.P(message, className="story", role="status")
    return html.P(
        [parts.badge("look", "warn"), " ", "; ".join(wrong).capitalize() + "."], className="story", role="status"
    )


def _trust(request: PageRequest) -> Component:
    answer = request.ask(TRUST)
    lines = [
        [
            html.Span([METRIC_BY_NAME[n].label, " ", parts.tip(METRIC_BY_NAME[n], answer.measures[0])]),
            words.number(answer.rows[0][n], METRIC_BY_NAME[n].unit),
        ]
        for n in TRUST
    ]
    return parts.card(
        "Data quality",
        parts.table(["", ""], lines, (1,), "Telemetry quality"),
        note="quality of the data, not of the service",
        extra="plain tips",
    )
