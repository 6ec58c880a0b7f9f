"""Jobs that tell people: what is due of incidents and of tests goes to its channels, and into the books."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from qoescope.catalog.watch import NOTIFICATIONS
from qoescope.compile import arrow
from qoescope.connect import postgres
from qoescope.connect.postgres import Connection, Write
from qoescope.monitor.jobs import queries
from qoescope.monitor.notify import delivery, notifications
from qoescope.monitor.notify.notifications import Mute
from qoescope.settings import Settings

log = logging.getLogger("qoescope.monitor")

Row = dict[str, Any]


def tell(connection: Connection, settings: Settings) -> int:
    """Sends what is due, books what became of it; gives back how many were sent. A state is told once a target.

    What cannot be told or booked of one incident is logged, and stands in nobody's way.
    """
    targets = {t.name: t for t in delivery.targets(settings)}
    now = datetime.now(UTC)
    asked = dicts(connection, queries.TESTS)
    if not targets and not asked:
        return 0
    told = dicts(connection, queries.TOLD)
    muted = dicts(connection, queries.MUTES)
    mutes = [Mute(r["property"], r["slice"], r["starts_at"], r["ends_at"], r["reason"]) for r in muted]
    new = [row for one in asked for row in notifications.tests(one, list(targets.values()), now)]
    for incident in dicts(connection, queries.TO_TELL):
        try:
            new += notifications.due([incident], [*told, *new], list(targets.values()), mutes, now)
        except Exception:
            log.exception("incident %s cannot be told", incident["id"])
    booked = [row for row in new if _booked(connection, row)]
    due = [r for r in (*told, *booked) if r["status"] == "pending" and r["next_at"] <= now and r["target"] in targets]
    sent = 0
    for row, why in delivery.outcomes(settings, due, targets, int(now.timestamp())):
        if why:
            tries = int(row["attempts"]) + 1
            log.warning("notification of %s to %s failed (try %d): %s", row["incident_id"], row["target"], tries, why)
            _booked(connection, notifications.after_failure(row, why, now))
        else:
            sent += 1
            _booked(
                connection, {**row, "status": "sent", "attempts": row["attempts"] + 1, "sent_at": now, "detail": None}
            )
    return sent


def send_test(settings: Settings, tenant: str, who: str) -> list[str]:
    """Tells a test to every channel, here and now; what became of each, in words."""
    now = datetime.now(UTC)
    told = notifications.sample(tenant, f"test-{now:%Y%m%d%H%M%S}", who, now)
    found = [(t, delivery.failure(settings, t, told, int(now.timestamp()))) for t in delivery.targets(settings)]
    return [f"{target.name}: {why or 'sent'}" for target, why in found] or [notifications.NOWHERE]


def _booked(connection: Connection, row: Row) -> bool:
    """Whether the notification is in its table; one that Postgres refuses is logged, as it would be each time."""
    try:
        plain = row | {"payload": json.dumps(row["payload"], ensure_ascii=False)}
        with connection.transaction():
            postgres.upsert(
                connection, Write(NOTIFICATIONS, pa.Table.from_pylist([plain], arrow.schema(NOTIFICATIONS)))
            )
    except (ValueError, TypeError, postgres.Refused):
        log.exception("the notification of %s to %s cannot be booked", row["incident_id"], row["target"])
        return False
    return True


def dicts(connection: Connection, sql: str, parameters: Sequence[Any] | Row = ()) -> list[Row]:
    """The rows of a question by their columns' names."""
    cursor = connection.execute(sql, parameters)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
