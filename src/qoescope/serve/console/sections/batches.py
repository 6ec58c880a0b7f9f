"""Batches: days that were restated, and the quality rules that their data kept."""

from dash import html
from dash.development.base_component import Component

from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import words
from qoescope.serve.store.queries import batches


def card(request: PageRequest) -> Component:
    """Days restated by the batch, and the rules that their data kept."""
    if not request.store.has("restatements"):
        return parts.card(
            "Batches",
            parts.empty(
                "None yet",
                "The nightly run restates days from the lake; start it now with ",
                html.Code("qoescope batch restate"),
                ".",
            ),
        )
    lines = [
        [
            f"{r['day']:%d %b}",
            f"{r['version']}",
            f"{r['changed']:,} of {r['sessions']:,}",
            words.ago(r["finished_at"], request.now),
        ]
        for r in batches.restatements(request.store)
    ]
    rules = [
        [
            f"{r['day']:%d %b}",
            r["rule"],
            f"{r['broken']:,} of {r['rows']:,}",
            parts.badge("passed" if r["passed"] else "failed", "good" if r["passed"] else "bad"),
        ]
        for r in batches.checks(request.store)
    ]
    return parts.card(
        "Batches",
        parts.table(["Day", "Version", "Sessions changed", "Finished"], lines, (1, 2, 3), "Restated days")
        if lines
        else parts.empty("No day has been restated", "Stream and batch agree, or the nightly run was not due yet."),
        parts.table(["Day", "Rule", "Broken", ""], rules, (2,), "Quality rules") if rules else None,
    )
