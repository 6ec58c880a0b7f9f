"""Progress of each property's replay of dead letters, visible to every process."""

from collections.abc import Mapping
from typing import Any

from psycopg.rows import dict_row

from qoescope.connect.people import Pool, Row
from qoescope.connect.postgres import reading

SILENT_S = 120
"""A replay that has not reported for so long has died with its process."""
_COLUMNS = ("state", "reason", "total", "letters", "replayed", "events", "detail", "made_by")


def begin(writer: Pool, property_id: str, identity: str, given: Mapping[str, Any]) -> bool:
    """Registers a replay; False while another one of the property runs."""
    row = {name: given.get(name, 0) for name in _COLUMNS} | {"state": "running", "detail": None}
    changes = ", ".join(f"{name} = excluded.{name}" for name in ("id", *_COLUMNS, "started_at", "updated_at"))
    sql = (
        f"insert into replays (property, id, {', '.join(_COLUMNS)}, started_at, updated_at) "
        f"values (%(property)s, %(id)s, {', '.join(f'%({name})s' for name in _COLUMNS)}, now(), now()) "
        f"on conflict (property) do update set {changes} "
        "where replays.state <> 'running' or replays.updated_at < now() - make_interval(secs => %(silent_s)s)"
    )
    with writer.connection() as connection:
        known = {"property": property_id, "id": identity, "silent_s": SILENT_S}
        return connection.execute(sql.encode(), row | known).rowcount > 0


def note(writer: Pool, property_id: str, identity: str, state: str, given: Mapping[str, Any]) -> None:
    """Saves this replay's progress, unless another one has begun since."""
    sql = (
        "update replays set state = %(state)s, letters = %(letters)s, replayed = %(replayed)s, events = %(events)s, "
        "detail = %(detail)s, updated_at = now() where property = %(property)s and id = %(id)s"
    )
    with writer.connection() as connection:
        connection.execute(sql, {**given, "state": state, "property": property_id, "id": identity})


def last(reader: Pool, property_id: str) -> Row | None:
    """The property's running or last replay; the state of one whose process died is `died`."""
    sql = (
        "select *, case when state = 'running' and updated_at < now() - make_interval(secs => %s) then 'died' "
        "else state end as state from replays"
    )
    with reading(reader, property_id) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, (SILENT_S,)).fetchone()
