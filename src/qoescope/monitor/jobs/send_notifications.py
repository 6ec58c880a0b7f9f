"""Send notifications: what is due of incidents and of tests goes to its channels, and into `notifications`."""

import json
import logging
from datetime import UTC, datetime

import pyarrow as pa

from qoescope.catalog.watch import NOTIFICATIONS
from qoescope.compile import arrow
from qoescope.connect import postgres
from qoescope.connect.postgres import Connection, Write
from qoescope.monitor.jobs import queries
from qoescope.monitor.jobs.incident_rows import Row, read_rows
from qoescope.monitor.notify import delivery, notifications
from qoescope.monitor.notify.notifications import Mute
from qoescope.settings import Settings

log = logging.getLogger("qoescope.monitor")


def send_due(connection: Connection, settings: Settings) -> int:
    """Sends what is due and writes its outcome; returns how many were sent. A state is sent once to a target.

    What cannot be sent or written of one incident is logged, and holds up no other.
    """
    targets = {t.name: t for t in delivery.targets(settings)}
    now = datetime.now(UTC)
    requests = read_rows(connection, queries.TESTS)
    if not targets and not requests:
        return 0
    earlier = read_rows(connection, queries.NOTIFICATIONS)
    new = [row for one in requests for row in notifications.tests(one, list(targets.values()), now)]
    new += _new(connection, [*earlier, *new], list(targets.values()), now)
    stored = [row for row in new if _store(connection, row)]
    due = [
        r for r in (*earlier, *stored) if r["status"] == "pending" and r["next_at"] <= now and r["target"] in targets
    ]
    sent = 0
    for row, error in delivery.send_all(settings, due, targets, int(now.timestamp())):
        attempts = int(row["attempts"]) + 1
        if error:
            incident, target = row["incident_id"], row["target"]
            log.warning("notification of %s to %s failed (try %d): %s", incident, target, attempts, error)
            _store(connection, notifications.after_failure(row, error, now))
        else:
            sent += 1
            _store(connection, {**row, "status": "sent", "attempts": attempts, "sent_at": now, "detail": None})
    return sent


def _new(connection: Connection, known: list[Row], targets: list[notifications.Target], now: datetime) -> list[Row]:
    """Notifications of incidents that are due and not `known`."""
    mutes = [
        Mute(r["property"], r["slice"], r["starts_at"], r["ends_at"], r["reason"])
        for r in read_rows(connection, queries.MUTES)
    ]
    new: list[Row] = []
    for incident in read_rows(connection, queries.NOTIFIABLE):
        try:
            new += notifications.due([incident], [*known, *new], targets, mutes, now)
        except Exception:
            log.exception("incident %s cannot be notified", incident["id"])
    return new


def send_test(settings: Settings, property_id: str, who: str) -> list[str]:
    """Sends a test to every channel; returns a line on each: its name and `sent`, or why it failed."""
    now = datetime.now(UTC)
    payload = notifications.sample(property_id, f"test-{now:%Y%m%d%H%M%S}", who, now)
    outcomes = [(t, delivery.send(settings, t, payload, int(now.timestamp()))) for t in delivery.targets(settings)]
    return [f"{target.name}: {error or 'sent'}" for target, error in outcomes] or [notifications.NOWHERE]


def _store(connection: Connection, row: Row) -> bool:
    """Writes the notification; False, and a line in the log, for one that Postgres refuses."""
    try:
        plain = row | {"payload": json.dumps(row["payload"], ensure_ascii=False)}
        with connection.transaction():
            postgres.upsert(
                connection, Write(NOTIFICATIONS, pa.Table.from_pylist([plain], arrow.schema(NOTIFICATIONS)))
            )
    except (ValueError, TypeError, postgres.Refused):
        log.exception("the notification of %s to %s cannot be stored", row["incident_id"], row["target"])
        return False
    return True
