"""Notifications: who was told of an incident, and what did not reach people: notifications and withheld days."""

from typing import Any

from dash import html
from dash.development.base_component import Component

from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import words
from qoescope.serve.store.queries import notifications

_KINDS = {"sent": "good", "dead": "bad", "pending": "warn"}


def table(request: PageRequest, identity: str) -> Component | None:
    """Who was told of the incident, and what became of it; nothing where nobody is to be told."""
    rows = notifications.of_incident(request.store, identity)
    lines = [[r["target"], r["state"], _status(r), words.ago(r["created_at"], request.now)] for r in rows]
    return parts.table(["Channel", "State", "", "Due"], lines, (), "Notifications") if lines else None


def undelivered(request: PageRequest) -> list[str]:
    """Each channel that gave up on notifications of this range, as a sentence."""
    rows = notifications.undelivered(request.store, request.state.between)
    return [f"notifications to {row['target']} never arrived ({row['number']}): see the incidents" for row in rows]


def withheld(request: PageRequest) -> list[str]:
    """Each day of this range of which people see an older version, and the rules that its last one broke, in words."""
    rows = request.store.withheld(request.state.between)
    return [f"{r['day']} is withheld from the marts: it violates {', '.join(r['rules'])}" for r in rows]


def _status(row: dict[str, Any]) -> Component:
    status = "never arrived" if row["status"] == "dead" else row["status"]
    why = f" {row['detail']}" if row["detail"] else ""
    tries = f", {row['attempts']} tries" if row["attempts"] > 1 else ""
    return html.Span([parts.badge(status, _KINDS.get(row["status"], "neutral")), why + tries])
