"""Told: what did not reach people, so that they hear of it here at least: notifications, and days that broke a rule."""

from typing import Any

from dash import html
from dash.development.base_component import Component

from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import words

_TABLE = "notifications"
_OF = """select state, target, status, detail, attempts, created_at from notifications
where incident_id = %(id)s order by created_at"""
_DEAD = """select target, count(*) as number from notifications
where status = 'dead' and state <> 'test' and created_at >= %(from)s and created_at < %(to)s group by 1 order by 1"""
_KINDS = {"sent": "good", "dead": "bad", "pending": "warn"}


def notifications(request: PageRequest, identity: str) -> Component | None:
    """Who was told of the incident, and what became of it; nothing where nobody is to be told."""
    rows = request.store.rows(_OF, id=identity) if request.store.has(_TABLE) else []
    lines = [[r["target"], r["state"], _became(r), words.ago(r["created_at"], request.now)] for r in rows]
    return parts.table(["Told", "Of what", "", "Due"], lines, (), "Notifications") if lines else None


def undelivered(request: PageRequest) -> list[str]:
    """Each channel that gave up on notifications of this range, in words."""
    begin, end = request.state.between
    if not request.store.has(_TABLE):
        return []
    rows = request.store.rows(_DEAD, **{"from": begin, "to": end})
    return [f"notifications to {r['target']} never arrived ({r['number']}): see the incidents" for r in rows]


def withheld(request: PageRequest) -> list[str]:
    """Each day of this range of which people see an older version, and the rules that its last one broke, in words."""
    rows = request.store.withheld(request.state.between)
    return [f"{r['day']} stays out of the marts, it breaks {', '.join(r['rules'])}" for r in rows]


def _became(row: dict[str, Any]) -> Component:
    status = "never arrived" if row["status"] == "dead" else row["status"]
    why = f" {row['detail']}" if row["detail"] else ""
    tries = f", {row['attempts']} tries" if row["attempts"] > 1 else ""
    return html.Span([parts.badge(status, _KINDS.get(row["status"], "neutral")), why + tries])
