"""The ledger's books of a day: sessions against events, rows against sessions, marts against both."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from qoescope.catalog.marts import QUALITY_DAY, QUALITY_HOUR, SESSION_MARTS
from qoescope.catalog.operations import SESSION_ROWS, SESSION_VERSIONS
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.compile import arrow, fold, versions
from qoescope.compile.buckets import bucket_of
from qoescope.compile.cube import cube
from qoescope.compile.duck import open_cursor
from qoescope.connect.lake.reading import group_buckets, list_files, read_rows
from qoescope.mart import books
from qoescope.mart.jobs import lake_days, ledger_live
from qoescope.mart.jobs.cut import LedgerCut
from qoescope.mart.ledger_result import LedgerResult

RECENT_COMMITS, PUBLISH_WITHIN = 200, timedelta(minutes=15)
"""A restatement is looked for among so many commits, and publishes its day within this time, or did not end well."""
ERASE_WITHIN = timedelta(minutes=1)
"""An erasure takes some seconds from the lake to Postgres."""
ROWS_AT_ONCE = 500_000
"""Rows of the lake in memory together, unless one bucket alone has more."""
APPLYING_S = 900
"""How long a session's new row may take to reach Postgres, where its stream does not say how far it is."""


def compare_sessions(cut: LedgerCut, day: date, result: LedgerResult) -> None:
    """Compares the day's sessions in the lake with their events; skips parts with an unreadable file."""
    if day < lake_days.retained_since(cut.settings.events_days):
        return
    around = {(day + timedelta(days=n)).isoformat() for n in range(-1, versions.CONTINUES_DAYS + 1)}
    events = [f for f in cut.files(EVENTS) if f.session_day in around]
    measured = [f for f in cut.files(SESSION_VERSIONS) if f.session_day == day.isoformat()]
    broken = {
        f.bucket
        for table in (EVENTS, SESSION_VERSIONS)
        for f in list_files(cut.tables[table.name])
        if f.path in cut.unreadable[table.name] and f.session_day in around
    }
    of_day = {f.bucket for f in (*events, *measured) if f.session_day == day.isoformat()} - broken
    for buckets in group_buckets((f for f in (*events, *measured) if f.bucket in of_day), ROWS_AT_ONCE):
        mine = lake_days.read_day_events(cut.settings, day, [f for f in events if f.bucket in buckets])
        withheld = [f for f in measured if f.bucket in buckets]
        rows = versions.latest(read_rows(cut.settings, SESSION_VERSIONS, withheld))
        still_open = _find_open(cut, mine)
        differences = books.compare_sessions(mine, rows, still_open)
        known = {session for session, _ in differences}
        again = books.compare_refolded(fold.sessions(mine), arrow.conform(rows, SESSIONS), still_open)
        differences += [(session, difference) for session, difference in again if session not in known]
        result.add("sessions", len(rows), [difference for _, difference in differences])
        result.add_open("open sessions", len(still_open))


def _find_open(cut: LedgerCut, events: pa.Table) -> pa.Table:
    """(property, session_id) of sessions that are not folded yet, or have events beyond the cut."""
    arrivals = events.select(["property", "session_id", "received_at", "kafka_partition", "kafka_offset"])
    us = arrivals["received_at"].cast(pa.int64())
    until = cut.measured_until
    limit = "false" if until is None else f"max(us) >= {round(until.timestamp() * 1_000_000)}"
    with open_cursor() as engine:
        engine.register("heard", arrivals.drop_columns(["received_at"]).append_column("us", us))
        return engine.sql(
            f"select property, session_id from heard group by all having {limit} or bool_or(not {cut.booked_sql})"
        ).to_arrow_table()


def compare_marts(cut: LedgerCut, day: date, result: LedgerResult) -> None:
    """Compares the day in Postgres: rows with the lake, marts with rows, live numbers with events."""
    stored = cut.rows(SESSION_ROWS, "day = {day}", day=day)
    due = _compare_rows(cut, day, stored, result)
    tables = {}
    for mart in SESSION_MARTS:
        tables[mart.name] = cut.rows(mart.table, "day = {day}", day=day)
        again = cube(arrow.conform(due, SESSIONS), mart)
        differences = books.compare_mart(tables[mart.name], again, mart)
        if differences and due is not stored:  # rows differ, and are named: is the mart what those in Postgres say?
            differences = min(
                differences,
                books.compare_mart(tables[mart.name], cube(arrow.conform(stored, SESSIONS), mart), mart),
                key=len,
            )
        result.add("marts", len(again), differences)
    result.add("marts", 0, books.compare_hours(tables[QUALITY_HOUR.name], tables[QUALITY_DAY.name], QUALITY_DAY))
    ledger_live.compare_live(cut, day, result)


def _compare_rows(cut: LedgerCut, day: date, there: pa.Table, result: LedgerResult) -> pa.Table:
    """Compares the rows, and returns those that should be `there`.

    A row that is not the lake's latest is a difference, unless it is the one that Postgres should have at the cut.
    """
    names = list(SESSION_ROWS.names)
    withheld = [property_id for property_id, on in cut.withheld if on == day]
    latest, stored = (
        _comparable(cut, rows, withheld) for rows in (_latest(cut, day, cut.tables[SESSION_VERSIONS.name]), there)
    )
    different = books.compare_rows(latest, stored, names)
    under_way = _find_under_way(cut, day, different, latest, stored) if different else set()
    result.add("rows", len(latest), [d for session, d in different if session not in under_way])
    result.add_open("sessions to be published", len(under_way))
    result.add_open("days that the gate holds", len(withheld))
    wrong = [session for session, _ in different if session not in under_way]
    if not wrong:
        return there
    sessions = pa.table({"property": [p for p, _ in wrong], "session_id": [s for _, s in wrong]})
    right = versions.exclude_sessions(latest, versions.exclude_sessions(latest, sessions))
    return pa.concat_tables([versions.exclude_sessions(there, sessions), right])


def _comparable(cut: LedgerCut, rows: pa.Table, withheld: Sequence[str]) -> pa.Table:
    """The rows without withheld properties, and without buckets whose sessions cannot all be read."""
    rows = rows.filter(pc.invert(pc.is_in(rows["property"], pa.array(withheld, pa.string()))))
    gone = cut.unreadable[SESSION_VERSIONS.name]
    if not gone:
        return rows
    buckets = {f.bucket for f in list_files(cut.tables[SESSION_VERSIONS.name]) if f.path in gone}
    placed = [bucket_of(session, cut.settings.lake_buckets) for session in rows["session_id"].to_pylist()]
    return rows.filter(pa.array([bucket not in buckets for bucket in placed], pa.bool_()))


def _latest(cut: LedgerCut, day: date, delta: DeltaTable) -> pa.Table:
    files = cut.readable(SESSION_VERSIONS, list_files(delta, holding=[day]))
    rows = versions.latest(read_rows(cut.settings, SESSION_VERSIONS, files))
    return arrow.conform(rows.filter(pc.equal(rows["day"], pa.scalar(day, pa.date32()))), SESSION_ROWS)


def _find_under_way(
    cut: LedgerCut, day: date, different: Sequence[books.Named], latest: pa.Table, stored: pa.Table
) -> set[tuple[str, str]]:
    """Of differing sessions, those whose row in Postgres is the one of the version that it holds."""
    sessions = {session for session, _ in different}
    if _is_restated(cut, day):
        return sessions
    delta = cut.sessions_applied()
    if delta is not None:
        applied = _latest(cut, day, delta)
        return sessions - {session for session, _ in books.compare_rows(applied, stored, list(SESSION_ROWS.names))}
    if cut.applied_at is None:  # nothing was ever published
        return sessions if not len(stored) else set()
    since = cut.applied_at - timedelta(seconds=APPLYING_S)
    young = latest.filter(pc.greater(latest["written_at"], pa.scalar(since, pa.timestamp("us", "UTC"))))
    return sessions & set(zip(young["property"].to_pylist(), young["session_id"].to_pylist(), strict=True))


def _is_restated(cut: LedgerCut, day: date) -> bool:
    """Whether the lake's day was restated recently, or a viewer erased from it, and Postgres may not have followed."""
    commits = cut.tables[SESSION_VERSIONS.name].history(RECENT_COMMITS)
    erased_at = max((c["timestamp"] for c in commits if c.get("erased") == day.isoformat()), default=0)
    if erased_at > (datetime.now(UTC) - ERASE_WITHIN).timestamp() * 1000:
        return True
    at = max((c["timestamp"] for c in commits if c.get("restated") == day.isoformat()), default=0)
    if at < (datetime.now(UTC) - PUBLISH_WITHIN).timestamp() * 1000:
        return False
    done = cut.connection.execute(
        "select 1 from restatements where day = %s and finished_at >= %s", (day, datetime.fromtimestamp(at / 1000, UTC))
    )
    return done.fetchone() is None
