"""Single sessions, values of dimensions, incidents and events, read with bound values."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from psycopg import DataError, Error
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from qoescope.catalog.dimensions import CUBED, DIMENSION_BY_NAME, UNKNOWN, used_for
from qoescope.catalog.errors import UnknownName
from qoescope.catalog.events import IN_TABLES
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.watch import INCIDENTS
from qoescope.compile import moments
from qoescope.compile.ask import Between
from qoescope.compile.buckets import bucket_of
from qoescope.connect.postgres import Connection, reading
from qoescope.settings import Settings

Pool = ConnectionPool[Connection]
Row = dict[str, Any]
AWAY: tuple[type[Exception], ...] = (Error, PoolTimeout)
"""What is raised when Postgres does not answer."""
UNASKABLE: tuple[type[Exception], ...] = (DataError, UnicodeEncodeError)
"""What is raised for a value that cannot be queried."""
EVENT_COLUMNS = (
    *(f.name for f in EVENTS.fields if f.name in IN_TABLES.values()),
    "received_at",
    "sent_at",
    "clock_adjusted",
)

LISTED_COLUMNS = (
    "session_id",
    "started_at",
    "viewer_id",
    *used_for("listed"),
    "startup_ms",
    "exit_wait_ms",
    "stall_count",
    "stall_ms",
    "watched_ms",
    "bitrate_avg_kbps",
    "experience_score",
    "is_good",
    "lost_events",
)
"""Columns of a session in a list."""

LOOK_BACK_DAYS = (1, 7)
"""How far back a list of sessions looks before it queries all of its range."""
PROBLEMS = {
    "all": "true",
    "not_good": "is_good is false",
    "failed": "close_reason = 'failed'",
    "left_before_start": "start_outcome = 'exited'",
    "stalled": "stall_count > 0",
    "slow_start": "startup_ms > 5000",
}
"""Conditions by which a list of sessions may be filtered."""


def query(reader: Pool, property_id: str, sql: str, values: Mapping[str, Any]) -> list[Row]:
    """The rows of a statement under one property; names in `sql` must come from the catalog, never from a user."""
    with reading(reader, property_id) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, values).fetchall()


def newest(reader: Pool, property_id: str) -> datetime | None:
    """When the newest session in the marts started."""
    sql = (
        "select max(starts_at) as at from quality_hour where grouping = '' "
        "and day = (select max(day) from quality_hour where grouping = '')"
    )
    return query(reader, property_id, sql, {})[0]["at"]


def hours(reader: Pool, property_id: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The first and the last hour of the last 90 days in which sessions started."""
    sql = (
        "select min(starts_at) as first, max(starts_at) as last from quality_hour "
        "where grouping = '' and day >= %(since)s and starts_at <= %(now)s"
    )
    (row,) = query(reader, property_id, sql, {"since": (now - timedelta(days=90)).date(), "now": now})
    return row["first"], row["last"]


def newest_window(reader: Pool, property_id: str) -> datetime | None:
    """The start of the newest live window."""
    sql = (
        "select max(starts_at) as at from live_window where grouping = '' "
        "and day >= current_date - 1 and starts_at <= now()"
    )
    return query(reader, property_id, sql, {})[0]["at"]


def withheld(reader: Pool, property_id: str, between: Between) -> list[Row]:
    """Days of the range whose published version is older, with the rules that the last one broke."""
    sql = (
        "select day, array_agg(rule order by rule) as rules from checks where not passed "
        "and day >= (%(from)s at time zone 'UTC')::date and day < %(to)s at time zone 'UTC' group by 1 order by 1"
    )
    return query(reader, property_id, sql, {"from": between[0], "to": between[1]})


def values(reader: Pool, property_id: str, name: str, between: Between, start: str = "", limit: int = 200) -> list[Row]:
    """The dimension's values that contain `start`, by number of attempts. Raises `UnknownName`."""
    if name not in DIMENSION_BY_NAME:
        raise UnknownName("dimension", name, DIMENSION_BY_NAME)
    bounds = {
        "from": between[0],
        "to": between[1],
        "first": between[0].date(),
        "last": between[1].date(),
        "limit": limit,
        "name": name,
        "like": f"%{_escaped(start)}%",
    }
    if name in CUBED:
        sql = (
            "select value_1 as value, sum(attempts)::bigint as attempts from quality_day where grouping = %(name)s "
            "and day between %(first)s and %(last)s and value_1 ilike %(like)s "
            "group by 1 order by 2 desc, 1 limit %(limit)s"
        )
    else:
        sql = (
            f"select coalesce({name}, '{UNKNOWN}') as value, count(*) filter (where is_attempt) as attempts "
            "from sessions where day between %(first)s and %(last)s "
            "and started_at >= %(from)s and started_at < %(to)s "
            f"and coalesce({name}, '{UNKNOWN}') ilike %(like)s group by 1 order by 2 desc, 1 limit %(limit)s"
        )
    return query(reader, property_id, sql, bounds)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def sessions(
    reader: Pool,
    property_id: str,
    between: Between,
    where: Mapping[str, Sequence[str]],
    problem: str = "all",
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
    search: str = "",
) -> list[Row]:
    """Sessions, newest first, after the one of `after`; `search` is a whole session, viewer or content id.

    The newest day is queried first: it mostly has enough, and a day is one partition. Raises `UnknownName`.
    """
    if problem not in PROBLEMS:
        raise UnknownName("kind of session", problem, PROBLEMS)
    begin, end = between
    end = min(end, after[0] + timedelta(milliseconds=1)) if after else end
    starts = {max(begin, end - timedelta(days=days)) for days in LOOK_BACK_DAYS} | {begin}
    rows: list[Row] = []
    for start in sorted(starts, reverse=True):
        conditions, parameters = moments.conditions((start, end), where)
        parameters["limit"] = limit
        conditions.append(PROBLEMS[problem])
        if search:
            parameters["search"] = search
            conditions.append("(session_id = %(search)s or viewer_id = %(search)s or content_id = %(search)s)")
        if after:
            parameters["after_at"], parameters["after_id"] = after
            conditions.append("(started_at, session_id) < (%(after_at)s, %(after_id)s)")
        sql = (
            f"select {', '.join(LISTED_COLUMNS)} from sessions where {' and '.join(conditions)} "
            "order by started_at desc, session_id desc limit %(limit)s"
        )
        rows = query(reader, property_id, sql, parameters)
        if len(rows) == limit:
            break
    return rows


def session(reader: Pool, property_id: str, identity: str) -> Row | None:
    """One session with all its measures; None where there is none."""
    rows = query(reader, property_id, "select * from sessions where session_id = %(id)s limit 1", {"id": identity})
    return rows[0] if rows else None


INCIDENT_STATES = {
    "all": "true",
    "open": "closed_at is null and state in ('provisional', 'confirmed')",
    "closed": "state = 'closed'",
    "dismissed": "state = 'dismissed'",
    "told": "state in ('confirmed', 'closed')",
}


def incidents(reader: Pool, property_id: str, between: Between, state: str = "all", limit: int = 200) -> list[Row]:
    """Incidents within the time, open ones and those with most viewers first. Raises `UnknownName`."""
    if state not in INCIDENT_STATES:
        raise UnknownName("state of an incident", state, INCIDENT_STATES)
    listed = ", ".join(f'"{f.name}"' for f in INCIDENTS.fields if f.name not in ("memory", "chart", "query", "rivals"))
    sql = (
        f"select {listed} from incidents where {INCIDENT_STATES[state]} and onset_at < %(to)s "
        "and coalesce(closed_at, now()) >= %(from)s "
        "order by closed_at is null desc, viewers desc, opened_at desc limit %(limit)s"
    )
    return query(reader, property_id, sql, {"from": between[0], "to": between[1], "limit": limit})


def incident(reader: Pool, property_id: str, identity: str) -> Row | None:
    """One incident with its chart and rivals; None where there is none."""
    rows = query(reader, property_id, "select * from incidents where id = %(id)s", {"id": identity})
    return {k: v for k, v in rows[0].items() if k != "memory"} if rows else None


def decide(writer: Pool, property_id: str, identity: str, state: str) -> bool:
    """Sets the incident's state; False where there is no such incident."""
    sql = "update incidents set state = %s, version = version + 1, updated_at = now() where property = %s and id = %s"
    with writer.connection() as connection:
        return connection.execute(sql, (state, property_id, identity)).rowcount > 0


def events(settings: Settings, property_id: str, identity: str, started_at: datetime) -> list[Row]:
    """One session's events from the lake, in order; empty where the lake has none.

    They lie in one bucket of the day in which the session started, or of the next where they do not say when it did; in
    other buckets if the lake was begun with another number of them.
    """
    from deltalake.exceptions import TableNotFoundError

    from qoescope.connect.lake.reading import list_files, read_session_rows
    from qoescope.connect.lake.tables import open_table

    try:
        delta = open_table(settings, EVENTS)
    except TableNotFoundError:
        return []
    mine = pa.table({"property": [property_id], "session_id": [identity]})
    days = started_at.date(), started_at.date() + timedelta(days=1)
    for buckets in ([bucket_of(identity, settings.lake_buckets)], None):
        rows = read_session_rows(settings, EVENTS, list_files(delta, days, buckets), mine, EVENT_COLUMNS)
        if len(rows):
            break
    return rows.sort_by("seq").to_pylist()


def table_exists(reader: Pool, property_id: str, name: str) -> bool:
    """Whether the table exists: a part that was never started has none."""
    return bool(
        query(reader, property_id, "select to_regclass(%(name)s) is not null as there", {"name": name})[0]["there"]
    )
