"""The stored tables' columns, compared with the catalog's declarations."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from deltalake.exceptions import TableNotFoundError

from qoescope.catalog.operations import LAKE_TABLES
from qoescope.catalog.schema import Table
from qoescope.catalog.stored import POSTGRES_TABLES
from qoescope.compile import ddl
from qoescope.connect.lake.tables import open_table
from qoescope.connect.people import Pool
from qoescope.settings import Settings


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table: the version of its declaration, the lake's version of its rows, and missing columns."""

    name: str
    place: str
    declared: str
    columns: int
    version: int | None = None
    missing: tuple[str, ...] = ()
    """Columns that are declared and do not exist."""
    there: bool = True


def version(table: Table) -> str:
    """The version of a declaration: changes with any column's name or type."""
    text = " ".join(f"{field.name}:{field.type}" for field in table.fields)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def list_stored(settings: Settings, writer: Pool) -> list[StoredTable]:
    """Every table of the lake and of Postgres."""
    return [*_in_lake(settings), *_in_postgres(writer)]


def _in_lake(settings: Settings) -> Iterator[StoredTable]:
    for table in LAKE_TABLES:
        declared, count = version(table), len(table.fields)
        try:
            delta = open_table(settings, table)
        except TableNotFoundError:
            yield StoredTable(table.name, "lake", declared, count, there=False)
            continue
        there = {field.name for field in delta.schema().fields}
        yield StoredTable(table.name, "lake", declared, count, delta.version(), _missing(table, there))


def _in_postgres(writer: Pool) -> Iterator[StoredTable]:
    delta: defaultdict[str, set[str]] = defaultdict(set)
    sql = "select table_name, column_name from information_schema.columns where table_schema = %s"
    with writer.connection() as connection:
        for name, column in connection.execute(sql, (ddl.SCHEMA,)).fetchall():
            delta[name].add(column)
    for table in POSTGRES_TABLES:
        declared, count, there = version(table), len(table.fields), delta.get(table.name)
        if there is None:
            yield StoredTable(table.name, "postgres", declared, count, there=False)
        else:
            yield StoredTable(table.name, "postgres", declared, count, None, _missing(table, there))


def _missing(table: Table, there: set[str]) -> tuple[str, ...]:
    return tuple(name for name in table.names if name not in there)
