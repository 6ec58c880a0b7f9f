"""Notifications: what the monitor sent or could not send."""

from typing import Any

from qoescope.compile.ask import Between
from qoescope.serve.store.property_store import PropertyStore

_TABLE = "notifications"
_OF_INCIDENT = """
select state, target, status, detail, attempts, created_at from notifications
where incident_id = %(id)s order by created_at"""
_UNDELIVERED = """
select target, count(*) as number from notifications
where status = 'dead' and state <> 'test' and created_at >= %(from)s and created_at < %(to)s group by 1 order by 1"""
_OF_LAST_TEST = """
select target, status, detail from notifications where incident_id =
  (select incident_id from notifications where state = 'test' and target = '*' order by created_at desc limit 1)
order by target"""


def of_incident(store: PropertyStore, identity: str) -> list[dict[str, Any]]:
    """Notifications of the incident, in their order; none before the first one of all."""
    return store.rows(_OF_INCIDENT, id=identity) if store.has(_TABLE) else []


def undelivered(store: PropertyStore, between: Between) -> list[dict[str, Any]]:
    """Each channel that gave up on notifications of the range, with their number."""
    return store.rows(_UNDELIVERED, **{"from": between[0], "to": between[1]}) if store.has(_TABLE) else []


def of_last_test(store: PropertyStore) -> list[dict[str, Any]]:
    """The last test: its own row, whose target is `*`, and one row a channel that it was sent to."""
    return store.rows(_OF_LAST_TEST)
