"""Decisions: what an operator may do about an incident, and the message that confirms it."""

import json
from datetime import timedelta
from typing import Literal

from qoescope.serve.store.property_store import PropertyStore

Decision = Literal["acknowledge", "dismiss", "mute"]
MUTED = timedelta(hours=4)


def carry_out(store: PropertyStore, identity: str, decision: Decision, who: str) -> str | None:
    """Carries out the decision; returns a message that confirms it, or None where there is no such incident."""
    row = store.incident(identity)
    if row is None:
        return None
    match decision:
        case "acknowledge":
            store.acknowledge(identity, who)
            return f"{who} acknowledged it, just now"
        case "dismiss":
            store.decide(identity, "dismissed")
            return "Dismissed: it no longer counts as open, and its windows return to the baseline."
        case "mute":
            store.mute(json.dumps(row["slice"]), MUTED, who)
            return "Muted: nothing is sent about this slice for four hours."
