"""Decisions: what an operator may do about an incident, and the words that say it was done."""

import json
from datetime import timedelta
from typing import Literal

from qoescope.serve.store.desk import Desk

Decision = Literal["acknowledge", "dismiss", "mute"]
MUTED = timedelta(hours=4)


def decided(desk: Desk, tenant: str, identity: str, decision: Decision, who: str) -> str | None:
    """Carries it out; what was done, in words, or None where there is no such incident."""
    row = desk.incident(tenant, identity)
    if row is None:
        return None
    match decision:
        case "acknowledge":
            desk.acknowledge(tenant, identity, who)
            return f"{who} has taken it on, just now"
        case "dismiss":
            desk.decide(tenant, identity, "dismissed")
            return "Dismissed: it no longer counts as open, and its windows may be baseline again."
        case "mute":
            desk.mute(tenant, json.dumps(row["slice"]), MUTED, who)
            return "Muted: nothing is sent about this slice for four hours."
