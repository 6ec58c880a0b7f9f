"""Dead letters: what was refused, by reason and one by one, with the buttons that replay it."""

from datetime import datetime

from dash import html
from dash.development.base_component import Component

from qoescope.serve.console import grids, parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.console.sections.replays import progress, replay_button
from qoescope.serve.display import words
from qoescope.serve.store.queries import dead_letters


def card(request: PageRequest) -> Component:
    """Dead letters by reason, and the newest of them; for operators."""
    if not request.may("operator"):
        return parts.card(
            "Dead letters",
            parts.empty(
                "For operators",
                "They contain original bytes, possibly personal data. Ask an admin for the operator role.",
            ),
        )
    if not request.store.has("dead_letters"):
        return parts.card("Dead letters", parts.empty("None", "Nothing has been rejected yet."))
    reasons = dead_letters.by_reason(request.store, request.state.between)
    if not reasons:
        none = parts.empty("None in this range", "Everything received was valid.")
        return parts.card("Dead letters", none, progress(request))
    lines = [
        [
            r["stage"],
            r["reason"],
            f"{r['events']:,}",
            words.ago(r["newest"], request.now),
            f"{r['open']:,}",
            replay_button(r),
        ]
        for r in reasons
    ]
    return parts.card(
        "Dead letters",
        parts.table(
            ["Stage", "Reason", "Events", "Newest", "Not replayed", ""], lines, (2, 3, 4), "Dead letters by reason"
        ),
        _newest_letters(request),
        html.P(
            "Once the cause is fixed, replay them: their bytes are validated again, and what is valid now goes to the "
            "lake, once.",
            className="note",
        ),
        progress(request),
    )


def _newest_letters(request: PageRequest) -> Component:
    letters = dead_letters.newest(request.store, request.state.between)
    names = tuple(letters[0]) if letters else ()
    rows = [{n: _cell(value) for n, value in one.items()} | grids.exported_cells(one, names) for one in letters]
    columns = [
        grids.text("received_at", "Received", minWidth=170),
        grids.text("reason", "Reason"),
        grids.text("detail", "Detail", minWidth=200),
        grids.text("body", "Original", minWidth=240),
        grids.text("replayed_at", "Replayed"),
        *grids.exported(*names),
    ]
    return grids.grid(
        "he-dead", columns, rows, grids.height(len(rows), 6), "qoescope-dead-letters.csv", "Newest dead letters"
    )


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)
