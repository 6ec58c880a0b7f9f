"""Notifications: what is sent of an incident to which target, how it is signed, when it is retried or suppressed."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

from qoescope.host.backoff import doubled_s
from qoescope.monitor.detect.named_slices import NamedSlice, is_within
from qoescope.monitor.notify import escaping

Row = Mapping[str, Any]
Channel = Literal["webhook", "slack", "teams", "pagerduty", "mail"]
SENT_STATES = ("confirmed", "closed")
"""States that are sent, each once to each channel."""
ANY_TARGET, TEST = "*", "test"
"""A test is requested by a row of state `test` to the target `*`; each channel's own row has its outcome."""

ATTEMPTS = 8
SUPPRESS = timedelta(minutes=60)
SIGNATURE, TIMESTAMP = "X-Qoescope-Signature", "X-Qoescope-Timestamp"
NOWHERE = "the monitor's settings name no channel: see docs/incidents.md"
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5, 3600
_PAYLOAD = (
    *("id", "property", "state", "severity", "metrics", "slice", "slice_name", "opened_at", "onset_at", "closed_at"),
    *("actual", "expected", "lift", "excess", "affected_sessions", "viewers", "lost_watch_hours", "story", "version"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send: a URL or a mail address, and a webhook's or PagerDuty's secret."""

    name: str
    channel: Channel
    to: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Mute:
    """A maintenance: nothing is sent of the property's incidents inside its slice."""

    property: str
    slice: NamedSlice
    starts_at: datetime
    ends_at: datetime
    reason: str = ""


def payload(incident: Row) -> dict[str, Any]:
    """The incident as a webhook gets it; names in it are as players sent them, but each is one line."""
    plain = {name: incident.get(name) for name in _PAYLOAD}
    return {name: v.isoformat() if isinstance(v, datetime) else escaping.clean(v) for name, v in plain.items()}


def sample(property_id: str, identity: str, who: str, now: datetime) -> dict[str, Any]:
    """The payload of a test: an incident of nobody."""
    story = f"A test of notifications, requested by {who}: nothing is broken."
    return payload(
        {
            "id": identity,
            "property": property_id,
            "state": TEST,
            "severity": "info",
            "metrics": "",
            "slice": {},
            "slice_name": "nobody",
            "opened_at": now,
            "onset_at": now,
            "viewers": 0,
            "affected_sessions": 0,
            "lost_watch_hours": 0.0,
            "story": story,
            "version": 1,
        }
    )


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256 of `timestamp.body`: a receiver checks it, and that the time is recent."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256).hexdigest()


def retry_delay(attempts: int) -> timedelta | None:
    """The pause after so many failures: 5 s, doubling to an hour; None after the last try, when it is dead."""
    if attempts >= ATTEMPTS:
        return None
    return timedelta(seconds=doubled_s(max(attempts, 1), _FIRST_WAIT_S, _LONGEST_WAIT_S))


def due(
    incidents: Sequence[Row], known: Sequence[Row], targets: Sequence[Target], mutes: Sequence[Mute], now: datetime
) -> list[dict[str, Any]]:
    """New rows of `notifications`: each state of an incident once a target; muted and suppressed ones are kept as such.

    `known` are the rows so far. A slice that the target had within the hour before is suppressed; an end is sent only
    where the start was. Rows and mutes of one property concern no other, though ids and slices be the same.
    """
    keys = {(r["property"], r["incident_id"], r["state"], r["target"]) for r in known}
    new: list[dict[str, Any]] = []
    for incident in incidents:
        state = incident["state"]
        for target in targets if state in SENT_STATES else ():
            key = (incident["property"], incident["id"], state, target.name)
            if key in keys:
                continue
            row = _pending(payload(incident), target, now)
            reason = _suppression(incident, target, [*known, *new], mutes, now)
            if reason is not None:
                row["status"], row["detail"] = reason
                row["next_at"] = None
            new.append(row)
    return new


def tests(request: Row, targets: Sequence[Target], now: datetime) -> list[dict[str, Any]]:
    """A requested test as a row for each target, and the request with its answer."""
    content = sample(request["property"], request["incident_id"], str(request["payload"].get("by", "somebody")), now)
    where = ", ".join(target.name for target in targets)
    answer = {"status": "sent", "detail": f"to {where}"} if targets else {"status": "dead", "detail": NOWHERE}
    return [
        *(_pending(content, target, now) for target in targets),
        {**request, **answer, "sent_at": now, "next_at": None},
    ]


def _pending(content: Row, target: Target, now: datetime) -> dict[str, Any]:
    return {
        "property": content["property"],
        "incident_id": content["id"],
        "state": content["state"],
        "target": target.name,
        "status": "pending",
        "attempts": 0,
        "next_at": now,
        "detail": None,
        "payload": dict(content),
        "created_at": now,
        "sent_at": None,
    }


def _suppression(
    incident: Row, target: Target, known: Sequence[Row], mutes: Sequence[Mute], now: datetime
) -> tuple[str, str] | None:
    for mute in mutes:
        ours = mute.property == incident["property"]
        begun, over = mute.starts_at <= incident["last_seen_at"], mute.ends_at < incident["opened_at"]
        if ours and begun and not over and is_within(incident["slice"], mute.slice):
            return "muted", mute.reason or "maintenance"
    mine = [r for r in known if r["target"] == target.name and r["property"] == incident["property"]]
    if incident["state"] == "closed":
        start = next((r for r in mine if r["incident_id"] == incident["id"] and r["state"] == "confirmed"), None)
        if start is None or start["status"] in ("muted", "suppressed"):
            return "suppressed", "its opening was not notified"
        return None
    for r in mine:
        alike = r["payload"]["slice"] == escaping.clean(incident["slice"]) and r["state"] == "confirmed"
        if alike and r["status"] in ("pending", "sent") and now - r["created_at"] < SUPPRESS:
            return "suppressed", f"the same slice was notified at {r['created_at']:%H:%M}"
    return None


def after_failure(row: Row, why: str, now: datetime) -> dict[str, Any]:
    """The notification after a failed try: pending with a later time, or dead, with the reason to be shown.

    A test is tried once: who asked for it waits for the answer.
    """
    attempts = int(row["attempts"]) + 1
    pause = None if row["state"] == TEST else retry_delay(attempts)
    status, next_at = ("dead", None) if pause is None else ("pending", now + pause)
    return {**row, "attempts": attempts, "status": status, "next_at": next_at, "detail": escaping.line(why, 500)}
