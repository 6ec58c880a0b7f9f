"""Ledger: what became of the events received, in total and over time."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dash import html
from dash.development.base_component import Component

from qoescope.catalog.errors import OUTCOMES
from qoescope.catalog.operations import COUNTED
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import figures, words
from qoescope.serve.store.queries import outcomes
from qoescope.serve.store.queries.outcomes import DOOR, LAKE

MEANING = {f.name: f.doc for f in COUNTED}


def is_unbalanced(request: PageRequest) -> bool:
    """Whether events were received of which no outcome is counted, or the other way round."""
    totals = outcomes.totals(request.store, request.state.between)
    return bool(totals) and totals["received"] != sum(totals[name] for name in DOOR)


def books(request: PageRequest) -> Component:
    """A card with every outcome, and whether they add up to the events received and accepted."""
    totals = outcomes.totals(request.store, request.state.between)
    if not totals or not totals["received"]:
        return parts.card(
            "Event accounting",
            parts.empty(
                "Nothing was received", "No event reached the collector in this range; imports are not counted here."
            ),
        )
    door, lake = sum(totals[name] for name in DOOR), sum(totals[name] for name in LAKE)
    balanced = parts.badge("balanced", "good") if totals["received"] == door else parts.badge("unbalanced", "bad")
    in_step = parts.badge("in step", "good") if totals["accepted"] == lake else parts.badge("on the way", "neutral")
    return parts.card(
        "Event accounting",
        html.P([balanced, f" received {totals['received']:,} = {door:,} judged"]),
        html.P([in_step, f" accepted {totals['accepted']:,}, in the lake {lake:,}"]),
        parts.table(["Events", "", "Share"], _lines(totals), (1, 2), "Events received, by outcome"),
        note="every event received is in exactly one row",
    )


def _lines(totals: Mapping[str, int]) -> list[list[Any]]:
    """One line an outcome: at the door of all received, in the lake of all accepted."""
    received, accepted = totals["received"], max(totals["accepted"], 1)
    return [
        ["received", f"{received:,}", ""],
        *(_line(name, OUTCOMES[name], "part", totals[name], received) for name in DOOR),
        *(_line(name, MEANING[name], "part of-part", totals[name], accepted) for name in LAKE),
    ]


def _line(name: str, meaning: str, kind: str, number: int, whole: int) -> list[Any]:
    label = html.Span(name.replace("_", " "), title=meaning, className=kind)
    return [label, f"{number:,}", words.percent(number / whole)]


def over_time(request: PageRequest) -> Component:
    """A card with the events by outcome over the range."""
    if not request.store.has("outcomes"):
        return parts.card(
            "Ingest", parts.empty("No events yet", "Start the stack with ", html.Code("qoescope up"), ".")
        )
    step = {"5m": timedelta(minutes=1), "hour": timedelta(minutes=15)}.get(request.state.every, timedelta(hours=6))
    rows = outcomes.by_step(request.store, request.state.between, step)
    if not rows:
        return parts.card("Ingest", parts.empty("No event in this range", "Choose a longer range, or send events."))
    return parts.card(
        "Ingest",
        parts.graph(figures.outcomes(rows, DOOR, 400), 400, "Events by outcome over time", zooms=True),
        note=f"events by outcome, a bar for {words.length(step)}",
    )
