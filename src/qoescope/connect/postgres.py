"""Postgres: pools, reads under one property, and writes that happen completely, once, or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, Literal

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from psycopg import sql
from psycopg_pool import ConnectionPool

from qoescope.catalog.errors import Mistake
from qoescope.catalog.schema import Table
from qoescope.compile import arrow, ddl
from qoescope.connect.guarded import GuardedConnection
from qoescope.settings import Settings

Role = Literal["owner", "writer", "reader"]
Connection = GuardedConnection
Refused = psycopg.DataError
"""Raised for a value that Postgres cannot hold."""


def dsn(settings: Settings, role: Role) -> str:
    """The role's DSN: the setting, else what the stack wrote to `var/secrets`. Raises `Mistake` without either."""
    given = {"owner": settings.owner_dsn, "writer": settings.writer_dsn, "reader": settings.reader_dsn}[role]
    if given.get_secret_value():
        return given.get_secret_value()
    path = settings.var / "secrets" / f"{role}.dsn"
    if not path.exists():
        raise Mistake(f"no Postgres for the {role}: start one with `qoescope up`, or set QOESCOPE_{role.upper()}_DSN")
    return path.read_text().strip()


def pool(settings: Settings, role: Role, size: int = 8) -> ConnectionPool[Connection]:
    """A pool of up to `size` connections; waits for a free one as the settings say, then raises `PoolTimeout`."""

    def check(connection: GuardedConnection) -> None:
        connection.patience_s = settings.connection_wait_s
        ConnectionPool.check_connection(connection)
        _set_patience(settings, settings.postgres_question_s, connection)

    return ConnectionPool(
        dsn(settings, role),
        min_size=1,
        max_size=size,
        timeout=settings.connection_wait_s,
        open=True,
        connection_class=GuardedConnection,
        configure=partial(_set_patience, settings, settings.postgres_question_s),
        check=check,
        kwargs=_options(settings, role, settings.postgres_question_s) | {"application_name": f"qoescope {role}"},
    )


def connect(settings: Settings, role: Role, within_s: float | None = None) -> Connection:
    """A connection in autocommit mode.

    A statement takes at most `within_s`, by default the settings' limit for a question or a batch job; no wait takes
    longer than that and `silent_s`.
    """
    most = within_s or (settings.postgres_question_s if role == "reader" else settings.postgres_batch_s)
    made = GuardedConnection.connect(dsn(settings, role), **_options(settings, role, most))
    _set_patience(settings, most, made)
    return made


def _set_patience(settings: Settings, statement_s: float, connection: GuardedConnection) -> None:
    connection.patience_s = statement_s + settings.silent_s


def _options(settings: Settings, role: Role, statement_s: float) -> dict[str, Any]:
    """Connection options, also how soon each side notices that the other is gone."""
    silent_ms = round(settings.silent_s * 1000)
    beat_s = max(1, round(settings.silent_s / 3))
    server_options = {
        "statement_timeout": round(statement_s * 1000),
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "60s",
        "timezone": "UTC",
        "search_path": ddl.SCHEMA,
        "tcp_keepalives_idle": beat_s,
        "tcp_keepalives_interval": beat_s,
        "tcp_keepalives_count": 2,
        "tcp_user_timeout": silent_ms,
    }
    return {
        "autocommit": True,
        "connect_timeout": max(2, round(settings.postgres_connect_s)),
        "keepalives": 1,
        "keepalives_idle": beat_s,
        "keepalives_interval": beat_s,
        "keepalives_count": 2,
        "tcp_user_timeout": silent_ms,
        "options": " ".join(f"-c {name}={value}" for name, value in server_options.items()),
    }


@contextmanager
def reading(connections: ConnectionPool[Connection], property_id: str) -> Iterator[Connection]:
    """A transaction that sees the rows of one property."""
    with connections.connection() as connection, connection.transaction():
        connection.execute("select set_config('qoescope.property', %s, true)", (property_id,))
        yield connection


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """A read-only transaction that sees one moment and may last long."""
    connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
    with connection.transaction():
        connection.execute("set local idle_in_transaction_session_timeout = 0")
        connection.execute("set local statement_timeout = 0")
        yield


@dataclass(frozen=True, slots=True)
class Write:
    """Rows for a table: its declared sums are added to stored ones, other columns are replaced."""

    table: Table
    rows: pa.Table


def write_batch(connection: Connection, query: str, batch: int, writes: Sequence[Write]) -> bool:
    """Writes all rows and books (query, batch), in one transaction; False, and no change, if it was booked before."""
    with connection.transaction():
        if not note_batch(connection, query, batch):
            return False
        for write in writes:
            upsert(connection, write)
    return True


def note_batch(connection: Connection, query: str, batch: int) -> bool:
    """Books the batch in this transaction; False if it was booked before: then nothing may be written again."""
    insert = "insert into epochs (query, batch, committed_at) values (%s, %s, clock_timestamp()) on conflict do nothing"
    return bool(connection.execute(insert, (query, batch)).rowcount)


def upsert(connection: Connection, write: Write) -> None:
    """Upserts the rows by the table's key; call it in a transaction. Keys must be unique among the rows."""
    if not len(write.rows):
        return
    if len(write.rows) * len(write.table.fields) <= MOST_INLINE_VALUES:
        _upsert_few(connection, write)
        return
    staging = stage_rows(connection, write)
    connection.execute(ddl.upsert(write.table, staging))
    connection.execute(sql.SQL("drop table {}").format(sql.Identifier(staging)))


MOST_INLINE_VALUES = 2_000
"""Up to so many values are sent with the statement, which is cheaper than a staging table."""


def _upsert_few(connection: Connection, write: Write) -> None:
    """Sends each column as an array of texts, which the statement casts."""
    rows, table = arrow.conform(write.rows, write.table), write.table
    _make_partitions(connection, table, rows)
    columns = [_text(column).cast(pa.string()).to_pylist() for column in rows.columns]
    given = [[value and value.replace("\x00", "") for value in column] for column in columns]
    connection.execute(ddl.upsert(table, ddl.unnest_source(table)), given)


def stage_rows(connection: Connection, write: Write) -> str:
    """Copies the rows into a temporary table of this transaction, creates their partitions, returns its name."""
    rows, table = arrow.conform(write.rows, write.table), write.table
    staging = f"staged_{table.name}"
    columns = ", ".join(map(ddl.column, table.fields))
    connection.execute(f"create temp table {staging} ({columns}) on commit drop")
    names = ", ".join(map(ddl.quote, table.names))
    with connection.cursor().copy(f"copy {staging} ({names}) from stdin (format csv)") as copy:
        for batch in rows.to_batches(max_chunksize=10_000):
            copy.write(_csv(pa.Table.from_batches([batch])))
    _make_partitions(connection, table, rows)
    return staging


def _make_partitions(connection: Connection, table: Table, rows: pa.Table) -> None:
    if table.partition == ("day",):
        for day in pc.unique(rows["day"]).to_pylist():
            connection.execute("select make_partition(%s, %s)", (table.name, day))


def _csv(rows: pa.Table) -> bytes:
    """Rows as Postgres reads CSV: lists in braces, bytes in hex, NUL (which it refuses) removed."""
    columns = {name: _text(values) for name, values in zip(rows.column_names, rows.columns, strict=True)}
    out = BytesIO()
    pyarrow.csv.write_csv(pa.table(columns), out, pyarrow.csv.WriteOptions(include_header=False))
    return out.getvalue().replace(b"\x00", b"")


def _text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(values.type):
        joined = pc.binary_join(values.cast(pa.list_(pa.string())), ",")
        return pc.binary_join_element_wise("{", joined, "}", "")
    if pa.types.is_binary(values.type):
        return pa.chunked_array([[None if v is None else "\\x" + v.hex() for v in values.to_pylist()]], pa.string())
    return values
