"""Doors: keys, properties and tombstones in Postgres."""

from collections.abc import Sequence
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.rows import dict_row

from qoescope.catalog.doors import FORGOTTEN, KEYS, PROPERTIES
from qoescope.catalog.errors import Mistake
from qoescope.catalog.schema import Table
from qoescope.compile import arrow
from qoescope.connect.postgres import Write, connect, upsert
from qoescope.settings import Settings

Row = dict[str, Any]
AWAY = (psycopg.Error, Mistake)
"""What says that there is no Postgres, or not now."""


def known(settings: Settings) -> tuple[list[Row], list[Row], list[Row]]:
    """Rows of keys, of properties, and of viewers that asked to be forgotten; raises what `AWAY` names."""
    with connect(settings, "writer") as connection, connection.cursor(row_factory=dict_row) as cursor:
        keys, properties, forgotten = (
            cursor.execute(f"select * from {table.name}").fetchall() for table in (KEYS, PROPERTIES, FORGOTTEN)
        )
    return keys, properties, forgotten


def put(settings: Settings, table: Table, rows: Sequence[Row]) -> None:
    """The rows into their table, in place of those with their keys; raises what `AWAY` names."""
    if rows:
        with connect(settings, "writer") as connection, connection.transaction():
            upsert(connection, Write(table, pa.Table.from_pylist(list(rows), schema=arrow.schema(table))))
