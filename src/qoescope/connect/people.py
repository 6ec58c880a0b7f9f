"""Accounts, tokens, annotations, saved views and rules in Postgres."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from qoescope.catalog.schema import Table
from qoescope.compile import arrow
from qoescope.connect.postgres import Connection, Write, reading, upsert

Pool = ConnectionPool[Connection]
Row = dict[str, Any]


def user(writer: Pool, name: str) -> Row | None:
    """The account of this name, if it may sign in."""
    return _one(writer, "select * from users where name = %s and disabled_at is null", name)


def signed_in(writer: Pool, name: str, login: str) -> Row | None:
    """The account of this name, if it may sign in and this login has not been ended."""
    sql = (
        "select * from users where name = %s and disabled_at is null "
        "and not exists (select from ended_logins where id = %s)"
    )
    with writer.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, (name, login)).fetchone()


def renew(writer: Pool, name: str, old: str, new: str) -> None:
    """Replaces the account's password digest, if it is still the old one."""
    with writer.connection() as connection:
        connection.execute("update users set digest = %s where name = %s and digest = %s", (new, name, old))


def end_login(writer: Pool, login: str, longest_s: int) -> None:
    """Ends the login, whatever its cookie says; deletes logins that have expired by themselves."""
    over = "delete from ended_logins where ended_at < now() - make_interval(secs => %s)"
    ended = "insert into ended_logins (id, ended_at) values (%s, now()) on conflict do nothing"
    with writer.connection() as connection, connection.transaction():
        connection.execute(over, (longest_s,))
        connection.execute(ended, (login,))


def token(writer: Pool, prefix: str) -> Row | None:
    """The token of this prefix, revoked or not."""
    return _one(writer, "select * from tokens where prefix = %s", prefix)


def _one(connections: Pool, sql: str, value: str) -> Row | None:
    with connections.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, (value,)).fetchone()


def properties(writer: Pool) -> list[str]:
    """All properties that have data, the most recent first: the console opens the first one."""
    sql = "select property from quality_day where grouping = '' group by property order by max(day) desc, property"
    with writer.connection() as connection:
        return [row[0] for row in connection.execute(sql).fetchall()]


def put(writer: Pool, table: Table, row: Row) -> None:
    """The row into its table, in place of the one with its key."""
    with writer.connection() as connection, connection.transaction():
        upsert(connection, Write(table, pa.Table.from_pylist([row], schema=arrow.schema(table))))


def add(writer: Pool, table: Table, row: Row, most: int) -> bool:
    """Whether the property had fewer than `most` rows in the table; then this one is there, too."""
    count = f"select count(*) from {table.name} where property = %s"
    with writer.connection() as connection, connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", (f"{table.name} {row['property']}",))
        there = connection.execute(count.encode(), (row["property"],)).fetchone()
        if there is None or there[0] >= most:
            return False
        upsert(connection, Write(table, pa.Table.from_pylist([row], schema=arrow.schema(table))))
        return True


def annotations(reader: Pool, property_id: str, between: tuple[datetime, datetime]) -> list[Row]:
    """Annotations of the property that touch the time, oldest first."""
    sql = (
        "select * from annotations where starts_at < %s and coalesce(ends_at, starts_at) >= %s "
        "order by starts_at, id limit 1000"
    )
    return _query(reader, property_id, sql, (between[1], between[0]))


def views(reader: Pool, property_id: str) -> list[Row]:
    """The property's saved views by name."""
    return _query(reader, property_id, "select * from views order by title, id limit 1000", ())


def rules(reader: Pool, property_id: str) -> list[Row]:
    """The property's rules by metric."""
    return _query(reader, property_id, "select * from rules order by metric, id limit 1000", ())


def remove(writer: Pool, table: Table, property_id: str, identity: str) -> bool:
    """Whether the property's table had such a row; it is gone."""
    sql = f"delete from {table.name} where property = %s and id = %s"
    with writer.connection() as connection:
        return connection.execute(sql.encode(), (property_id, identity)).rowcount > 0


def _query(reader: Pool, property_id: str, sql: str, values: Sequence[Any]) -> list[Row]:
    with reading(reader, property_id) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, values).fetchall()
