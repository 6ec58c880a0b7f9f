"""Write keys, properties and tombstones in Postgres."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.rows import dict_row

from qoescope.catalog.doors import FORGOTTEN, KEYS, PROPERTIES
from qoescope.catalog.erasures import ERASURES
from qoescope.catalog.errors import Mistake
from qoescope.catalog.schema import Table
from qoescope.compile import arrow, pseudonyms
from qoescope.connect.postgres import Connection, Write, connect, upsert
from qoescope.settings import Settings

Row = dict[str, Any]
AWAY = (psycopg.Error, Mistake)
"""What is raised while Postgres is missing or away."""


def read_rows(settings: Settings) -> tuple[list[Row], list[Row], list[Row]]:
    """(rows of keys, of properties, of viewers who asked to be forgotten); raises what `AWAY` names."""
    with (
        connect(settings, "writer", settings.postgres_stream_s) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        keys, properties, forgotten = (
            cursor.execute(f"select * from {table.name}").fetchall() for table in (KEYS, PROPERTIES, FORGOTTEN)
        )
    return keys, properties, forgotten


def put(settings: Settings, table: Table, rows: Sequence[Row]) -> None:
    """Upserts the rows; raises what `AWAY` names."""
    if rows:
        with connect(settings, "writer", settings.postgres_stream_s) as connection, connection.transaction():
            upsert(connection, Write(table, pa.Table.from_pylist(list(rows), schema=arrow.schema(table))))


def digest_forgotten(settings: Settings, keys: pseudonyms.ViewerKeys) -> None:
    """Replaces viewers' own ids, which an older version stored, by pseudonyms; idempotent.

    The bytes leave Postgres' files once their space is reused, or after `vacuum full`.
    """
    with connect(settings, "writer", settings.postgres_stream_s) as connection, connection.transaction():
        for property_id, raw, at in _as_sent(connection, FORGOTTEN, "forgotten_at"):
            for name in pseudonyms.all_pseudonyms(keys, property_id, raw):
                connection.execute(
                    "insert into forgotten (property, viewer_id, forgotten_at) values (%s, %s, %s) "
                    "on conflict do nothing",
                    (property_id, name, at),
                )
            connection.execute("delete from forgotten where property = %s and viewer_id = %s", (property_id, raw))
        for property_id, raw, at in _as_sent(connection, ERASURES, "asked_at"):
            *_, name = pseudonyms.all_pseudonyms(keys, property_id, raw)
            connection.execute(
                "insert into erasures (property, viewer_id, asked_at, events, sessions, marts, letters, gone_by) "
                "select property, %s, asked_at, events, sessions, marts, letters, gone_by from erasures "
                "where (property, viewer_id, asked_at) = (%s, %s, %s) "
                "on conflict (property, viewer_id, asked_at) do update set events = erasures.events + excluded.events, "
                "sessions = erasures.sessions + excluded.sessions, marts = erasures.marts + excluded.marts, "
                "letters = erasures.letters + excluded.letters",
                (name, property_id, raw, at),
            )
            connection.execute(
                "delete from erasures where (property, viewer_id, asked_at) = (%s, %s, %s)", (property_id, raw, at)
            )


def _as_sent(connection: Connection, table: Table, moment: str) -> list[tuple[str, str, datetime]]:
    """Rows that name a viewer by their own id."""
    rows = connection.execute(f"select property, viewer_id, {moment} from {table.name}".encode()).fetchall()
    return [row for row in rows if not pseudonyms.is_pseudonym(row[1])]
