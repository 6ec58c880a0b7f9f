"""Session rows and their marts in Postgres: corrected by a stream, replaced by a batch, each in one transaction."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from psycopg import sql

from qoescope.catalog.operations import SESSION_ROWS
from qoescope.catalog.schema import Table
from qoescope.compile import arrow, ddl, versions
from qoescope.connect import postgres
from qoescope.connect.postgres import Connection, Write

Corrections = Callable[[pa.Table, pa.Table], Sequence[Write]]
"""From new and old session rows to what is added to the marts."""

Erasures = tuple[int, datetime | None]
"""The number of erasure receipts, and when the last erasure was asked for."""


class ErasedMeanwhile(Exception):
    """A viewer was erased after the rows were read from the lake: they may be the viewer's, and must be read again."""


_WITHHELD = "distinct property, day from checks where day = any(%s) and not passed"
_LOCK = "select pg_advisory_xact_lock(hashtext('qoescope.sessions'))"


def count_erasures(connection: Connection) -> Erasures:
    """Counts erasures: counted before rows are read and when they are written, it tells whether one came in between."""
    ((count, last),) = connection.execute("select count(*), max(asked_at) from erasures").fetchall()
    return count, last


def correct(
    connection: Connection, rows: pa.Table, moved: pa.Table, corrected: Corrections, erasures: Erasures
) -> None:
    """Replaces sessions' rows by newer versions, and adds the difference to the marts.

    A version that is stored already, or an older one, changes nothing. `moved` has the keys (property, day, session_id)
    of rows whose session is now on another day. `erasures` were counted before the rows were read; raises
    `ErasedMeanwhile` when there are others now.
    """
    with connection.transaction():
        connection.execute("set local lock_timeout = '25s'")  # a day or a file that is published has its turn first
        connection.execute(_LOCK)
        if count_erasures(connection) != erasures:
            raise ErasedMeanwhile
        old = read_sessions(connection, [*rows.select(_KEY).to_pylist(), *moved.select(_KEY).to_pylist()])
        newer = {(r["property"], r["session_id"]): r["version"] for r in old.select([*_KEY, "version"]).to_pylist()}
        fresh = [
            version > newer.get((property_id, session), 0)
            for property_id, session, version in zip(
                *(rows[n].to_pylist() for n in ("property", "session_id", "version")), strict=True
            )
        ]
        new = rows.filter(pa.array(fresh, pa.bool_()))
        written = {(r["property"], r["session_id"]) for r in new.select(["property", "session_id"]).to_pylist()}
        replaced = old.filter(
            pa.array([(r["property"], r["session_id"]) in written for r in old.select(_KEY).to_pylist()], pa.bool_())
        )
        _delete(connection, replaced)
        postgres.upsert(connection, Write(SESSION_ROWS, new))
        for write in corrected(new, replaced):
            postgres.upsert(connection, write)


_KEY = list(SESSION_ROWS.key)


def _stage_keys(connection: Connection, keys: Sequence[dict[str, Any]]) -> None:
    connection.execute(
        "create temp table if not exists keys_met (property text, day date, session_id text) on commit drop"
    )
    connection.execute("truncate keys_met")
    with connection.cursor().copy("copy keys_met from stdin") as copy:
        for row in keys:
            copy.write_row((row["property"], row["day"], row["session_id"]))


def read_sessions(connection: Connection, keys: Sequence[dict[str, Any]]) -> pa.Table:
    """The session rows of these keys (property, day, session_id)."""
    _stage_keys(connection, keys)
    names = ", ".join(f"s.{ddl.quote(name)}" for name in SESSION_ROWS.names)
    question = (
        f"select {names} from sessions s join (select distinct * from keys_met) k using (property, day, session_id)"
    )
    return query_table(connection, question, SESSION_ROWS)


def query_table(connection: Connection, question: str, like: Table, parameters: Sequence[object] = ()) -> pa.Table:
    """The query's rows in the columns of a declared table, in its order."""
    rows = connection.execute(question.encode(), parameters).fetchall()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(like.fields)
    schema = arrow.schema(like)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _delete(connection: Connection, rows: pa.Table) -> None:
    _stage_keys(connection, rows.select(_KEY).to_pylist())
    connection.execute(
        "delete from sessions s using keys_met k "
        "where (s.property, s.day, s.session_id) = (k.property, k.day, k.session_id)"
    )


def replace(
    connection: Connection,
    days: Sequence[date],
    read: Callable[[], pa.Table],
    cubed: Callable[[pa.Table], Sequence[Write]],
) -> bool:
    """Replaces the days' sessions by the rows that `read` returns, and their marts; False when nothing changed.

    Rows that a stream wrote after they were read stay; so does a property's day that broke a rule when it was last
    checked. `read` is called again when a viewer was erased meanwhile.
    """
    while True:
        erasures, since = count_erasures(connection), datetime.now(UTC)
        try:
            return _replace(connection, days, read(), since, cubed, erasures)
        except ErasedMeanwhile:
            continue


def _replace(
    connection: Connection,
    days: Sequence[date],
    rows: pa.Table,
    since: datetime,
    cubed: Callable[[pa.Table], Sequence[Write]],
    erasures: Erasures,
) -> bool:
    with connection.transaction():
        connection.execute("set local lock_timeout = '120s'")  # another batch's turn may be long; nobody waits for this
        connection.execute(_LOCK)
        if count_erasures(connection) != erasures:
            raise ErasedMeanwhile
        withheld = set(connection.execute(f"select {_WITHHELD}".encode(), (list(days),)).fetchall())
        if withheld:
            places = zip(rows["property"].to_pylist(), rows["day"].to_pylist(), strict=True)
            rows = rows.filter(pa.array([place not in withheld for place in places], pa.bool_()))
        names = ", ".join(map(ddl.quote, SESSION_ROWS.names))
        stays = f"written_at > %s or (property, day) in (select {_WITHHELD})"
        question = f"select {names} from sessions where day = any(%s) and ({stays})"
        later = query_table(connection, question, SESSION_ROWS, (list(days), since, list(days)))
        rows = pa.concat_tables([versions.exclude_sessions(rows, later), later])
        writes = (Write(SESSION_ROWS, rows), *cubed(rows))
        changed = [_replace_table(connection, list(days), write) for write in writes]
    return any(changed)


def _replace_table(connection: Connection, days: list[date], write: Write) -> bool:
    """Replaces the table's rows of the days; False when they were the same."""
    staging = postgres.stage_rows(connection, write)
    name = f"{ddl.SCHEMA}.{write.table.name}"
    columns_compared = (*_KEY, "version", "written_at") if write.table is SESSION_ROWS else write.table.names
    columns = ", ".join(map(ddl.quote, columns_compared))
    stored_sql = f"select {columns} from {name} where day = any(%(days)s)"
    staged_sql = f"select {columns} from {staging}"
    question = f"select exists ({staged_sql} except all {stored_sql}) or exists ({stored_sql} except all {staged_sql})"
    ((differs,),) = connection.execute(question.encode(), {"days": days}).fetchall()
    if differs:
        connection.execute(f"delete from {name} where day = any(%s)".encode(), (days,))
        connection.execute(ddl.upsert(write.table, staging).encode())
    connection.execute(f"drop table {staging}".encode())
    return bool(differs)


def expire(connection: Connection, name: str, before: date) -> int:
    """Deletes a partitioned table's days before this one; returns the number of rows."""
    return connection.execute(
        sql.SQL("delete from {} where day < %s").format(sql.Identifier(ddl.SCHEMA, name)), (before,)
    ).rowcount


def expire_rows(connection: Connection, name: str, column: str, before: date) -> int:
    """Deletes rows whose time is before this day; returns their number."""
    return connection.execute(
        sql.SQL("delete from {} where {} < %s").format(sql.Identifier(ddl.SCHEMA, name), sql.Identifier(column)),
        (before,),
    ).rowcount


def lock(connection: Connection) -> None:
    """Waits for other writers of days, and excludes them until the transaction ends."""
    connection.execute(_LOCK)


def erase(connection: Connection, table: Table, property_id: str, viewer: str) -> int:
    """Deletes a viewer's rows, named by a column or by a value of a grouping; returns their number."""
    named = "viewer_id = %(viewer)s" if "viewer_id" in table.names else "%(viewer)s in (value_1, value_2)"
    return connection.execute(
        f"delete from {ddl.SCHEMA}.{table.name} where property = %(property_id)s and {named}".encode(),
        {"property_id": property_id, "viewer": viewer},
    ).rowcount
