"""Creates the catalog's tables in Postgres, and adapts those of an older version."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from qoescope.catalog.errors import Mistake
from qoescope.catalog.schema import Field, Table
from qoescope.catalog.stored import POSTGRES_TABLES
from qoescope.compile import ddl
from qoescope.connect import postgres
from qoescope.settings import Settings

ColumnsByTable = Mapping[str, set[str]]
COLUMNS = "select table_name, column_name from information_schema.columns where table_schema = %s"
STRICT = f"{COLUMNS} and is_nullable = 'NO'"
KEYS = (
    "select c.relname, a.attname from pg_index i join pg_class c on c.oid = i.indrelid "
    "join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey) "
    "join pg_namespace n on n.oid = c.relnamespace where i.indisprimary and n.nspname = %s"
)
EMPTY_LITERALS = {
    "text": "''",
    "bool": "false",
    "instant": "'epoch'",
    "day": "'epoch'",
    "json": "'{}'",
    "bytes": "''",
    "ints": "'{}'",
    "sketch": "'{}'",
}


def apply(settings: Settings) -> None:
    """Creates and alters what differs; idempotent. Raises `Mistake` where only a new database helps."""
    with postgres.connect(settings, "owner") as connection:
        connection.execute(ddl.schema(POSTGRES_TABLES).encode())
        for change in changes(
            POSTGRES_TABLES, *(_columns_by_table(connection, sql) for sql in (COLUMNS, KEYS, STRICT))
        ):
            connection.execute(change.encode())


def _columns_by_table(connection: postgres.Connection, sql: str) -> ColumnsByTable:
    columns: defaultdict[str, set[str]] = defaultdict(set)
    for table, column in connection.execute(sql.encode(), (ddl.SCHEMA,)).fetchall():
        columns[table].add(column)
    return columns


def changes(
    tables: Sequence[Table], columns: ColumnsByTable, keys: ColumnsByTable, strict: ColumnsByTable
) -> Iterator[str]:
    """Statements that adapt existing tables: new columns are added, old ones become nullable.

    `strict` are columns that are not nullable yet.
    """
    for table in tables:
        name, existing = f"{ddl.SCHEMA}.{table.name}", columns.get(table.name, set())
        if existing and keys.get(table.name, set()) != set(table.key):
            raise Mistake(
                f"the table {table.name} was made by an older version, with another key: `make clean` forgets all state"
            )
        for field in table.fields:
            if existing and field.name not in existing:
                yield f"alter table {name} add column {ddl.column(field)}{_default_sql(field)}"
        may_be_empty = {field.name for field in table.fields if field.nullable and field.name not in table.key}
        for old in sorted(strict.get(table.name, set()) & (may_be_empty | (existing - set(table.names)))):
            yield f"alter table {name} alter column {ddl.quote(old)} drop not null"


def _default_sql(field: Field) -> str:
    """The default that existing rows get in a new column."""
    if field.nullable:
        return ""
    given = field.default
    literal = EMPTY_LITERALS.get(field.type, "0") if given is None else f"'{given}'"
    return f" default {literal}"
