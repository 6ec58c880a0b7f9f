"""Notify: what is told of an incident, to whom, how it is signed, when it is tried again and when it is not sent."""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from hashlib import sha256
from typing import Any, Literal

from qoescope.monitor.history import Chosen
from qoescope.monitor.lifecycle import within

Row = Mapping[str, Any]
Channel = Literal["webhook", "slack", "mail"]
TELLS = ("confirmed", "closed")
"""States that are told, each once for each channel."""

ATTEMPTS = 8
SUPPRESS = timedelta(minutes=60)
SIGNATURE, TIMESTAMP = "X-Qoescope-Signature", "X-Qoescope-Timestamp"
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5, 3600
_TOLD = (
    *("id", "property", "state", "severity", "metrics", "slice", "slice_name", "opened_at", "onset_at", "closed_at"),
    *("actual", "expected", "lift", "excess", "affected_sessions", "viewers", "lost_watch_hours", "story", "version"),
)
_COLOURS = {"critical": "#c92a2a", "warning": "#e67700", "info": "#1971c2"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send: a webhook's URL with its secret, a Slack-compatible URL, or a mail address."""

    name: str
    channel: Channel
    to: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Mute:
    """A maintenance: nothing is sent of incidents inside its slice."""

    slice: Chosen
    starts_at: datetime
    ends_at: datetime
    reason: str = ""


def payload(incident: Row) -> dict[str, Any]:
    """The incident as a webhook gets it."""
    plain = {name: incident.get(name) for name in _TOLD}
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in plain.items()}


def slack(told: Row) -> dict[str, Any]:
    """The same as Slack and its likes take it."""
    over = " — over" if told["state"] == "closed" else ""
    text = f"*{str(told['severity']).capitalize()}{over}*: {told['story']}"
    fields = [
        {"title": "Slice", "value": told["slice_name"], "short": False},
        {"title": "Viewers", "value": f"{told['viewers']:,}", "short": True},
        {"title": "Watch hours lost", "value": f"{told['lost_watch_hours']:.1f}", "short": True},
    ]
    colour = "#2f9e44" if told["state"] == "closed" else _COLOURS[str(told["severity"])]
    return {"text": text, "attachments": [{"color": colour, "fields": fields}]}


def mail(told: Row, sender: str, to: str) -> EmailMessage:
    """The same as a mail; its Message-ID is the same for the same state, so that a repeat is known as one."""
    message = EmailMessage()
    message["Subject"] = f"[qoescope] {told['severity']}: {told['slice_name']} ({told['state']})".replace("\n", " ")
    message["From"], message["To"] = sender, to
    message["Message-ID"] = f"<{told['id']}.{told['state']}@qoescope>"
    message.set_content(f"{told['story']}\n\n{json.dumps(dict(told), indent=2, ensure_ascii=False)}\n")
    return message


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256 of `timestamp.body`: a receiver checks it, and that the time is recent."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256).hexdigest()


def wait(attempts: int) -> timedelta | None:
    """How long after so many failures it is tried again: 5 s, doubling to an hour; None: no more, it is dead."""
    if attempts >= ATTEMPTS:
        return None
    return timedelta(seconds=min(_FIRST_WAIT_S * 2 ** max(attempts - 1, 0), _LONGEST_WAIT_S))


def due(
    incidents: Sequence[Row], told: Sequence[Row], targets: Sequence[Target], mutes: Sequence[Mute], now: datetime
) -> list[dict[str, Any]]:
    """New rows of `notifications`: each state of an incident once a target; muted and suppressed ones are kept as such.

    A slice of which the target heard within the hour before is suppressed; an end is told only where the start was.
    """
    known = {(r["incident_id"], r["state"], r["target"]): r for r in told}
    new: list[dict[str, Any]] = []
    for incident in incidents:
        state = incident["state"]
        for target in targets if state in TELLS else ():
            key = (incident["id"], state, target.name)
            if key in known:
                continue
            row = {
                "property": incident["property"],
                "incident_id": incident["id"],
                "state": state,
                "target": target.name,
                "status": "pending",
                "attempts": 0,
                "next_at": now,
                "detail": None,
                "payload": payload(incident),
                "created_at": now,
                "sent_at": None,
            }
            reason = _silent(incident, target, [*told, *new], mutes, now)
            if reason is not None:
                row["status"], row["detail"] = reason
                row["next_at"] = None
            new.append(row)
    return new


def _silent(
    incident: Row, target: Target, told: Sequence[Row], mutes: Sequence[Mute], now: datetime
) -> tuple[str, str] | None:
    for mute in mutes:
        begun, over = mute.starts_at <= incident["last_seen_at"], mute.ends_at < incident["opened_at"]
        if begun and not over and within(incident["slice"], mute.slice):
            return "muted", mute.reason or "maintenance"
    mine = [r for r in told if r["target"] == target.name]
    if incident["state"] == "closed":
        start = next((r for r in mine if r["incident_id"] == incident["id"] and r["state"] == "confirmed"), None)
        if start is None or start["status"] in ("muted", "suppressed"):
            return "suppressed", "its start was not told"
        return None
    for r in mine:
        alike = r["payload"]["slice"] == incident["slice"] and r["state"] == "confirmed"
        if alike and r["status"] in ("pending", "sent") and now - r["created_at"] < SUPPRESS:
            return "suppressed", f"told of the same slice at {r['created_at']:%H:%M}"
    return None


def after_failure(row: Row, why: str, now: datetime) -> dict[str, Any]:
    """The notification after a failed try: pending with a later time, or dead, with the reason to be shown."""
    attempts = int(row["attempts"]) + 1
    pause = wait(attempts)
    status, next_at = ("dead", None) if pause is None else ("pending", now + pause)
    return {**row, "attempts": attempts, "status": status, "next_at": next_at, "detail": why[:500]}
