"""The ledger: the books compared from end to end."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from qoescope.catalog.errors import Mistake
from qoescope.catalog.marts import LIVE_WINDOW, MARTS, QUALITY_DAY, QUALITY_HOUR
from qoescope.catalog.operations import (
    LATE,
    OUTCOMES,
    QUARANTINE,
    REPORTS,
    SESSION_ROWS,
    SESSION_VERSIONS,
)
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.catalog.topics import BEACONS
from qoescope.compile import arrow, versions
from qoescope.compile.cube import cube
from qoescope.compile.live import LIVE_COLUMNS
from qoescope.connect import days, kafka, lake, postgres
from qoescope.connect.postgres import Connection
from qoescope.mart import ledger as accounts
from qoescope.mart.jobs import lake_days
from qoescope.settings import Settings

UNDER_WAY_S = 3.0
"""A batch is in one book and not yet in the next for less than that, mostly."""
LEDGER_DAYS = 3
"""Days of which sessions and marts are compared when no day is named."""


def check_books(settings: Settings, only: date | None = None, book: Path | None = None) -> accounts.LedgerResult:
    """The books compared from end to end. Sessions and marts of one day, or of the last days; the others whole.

    They are read one after the other while traffic flows from one to the next: what differs is looked at once more.
    """
    result = _compared(settings, only, book)
    if not result.ok:
        Event().wait(UNDER_WAY_S)
        before, result = result, _compared(settings, only, book)
        result.keep(before)
    return result


def _compared(settings: Settings, only: date | None, book: Path | None) -> accounts.LedgerResult:
    lake.ensure(settings)
    result = accounts.LedgerResult()
    with postgres.connect(settings, "writer") as connection:
        outcomes = days.table(connection, f"select {', '.join(OUTCOMES.names)} from outcomes", OUTCOMES)
        _count(settings, outcomes, book, result)
        _read_log(settings, connection, result)
        held = {date.fromisoformat(f.session_day) for f in lake.files(lake.opened(settings, EVENTS))}
        until = lake_days.silent_since(settings)
        for one in [only] if only else sorted(held)[-LEDGER_DAYS:]:
            events = lake_days.events_of(settings, one, lake_days.files_around(settings, one))
            rows = versions.latest(lake.read(settings, SESSION_VERSIONS, [one]))
            differences, still_open = accounts.sessions(events, rows, until)
            result.add("sessions", len(rows), differences)
            result.totals["open_sessions"] = result.totals.get("open_sessions", 0) + still_open
            _compare_marts(settings, connection, one, result)
    return result


def _count(settings: Settings, outcomes: pa.Table, book: Path | None, result: accounts.LedgerResult) -> None:
    result.add("door", len(outcomes), accounts.door(outcomes.to_pylist()))
    identity = ["property", "session_id", "seq", "received_at"]
    events = lake.read(settings, EVENTS, columns=identity)
    late = lake.read(settings, LATE, columns=identity)
    aside = lake.read(settings, QUARANTINE, columns=identity)
    reports = lake.read(settings, REPORTS, columns=["property", "received_at"])
    placed = ["property", "received_at"]
    stored = {"lake": pa.concat_tables([events.select(placed), reports]), "late": late.select(placed),
              "quarantined": aside.select(placed)}  # fmt: skip
    kept_since = datetime.combine(lake_days.kept_since(settings.events_days), time(), UTC)
    result.add("lake", len(events), [*accounts.lake(outcomes, stored, kept_since), *accounts.twice(events)])
    for name in (
        "received",
        "accepted",
        "duplicate",
        "invalid",
        "rate_limited",
        "filtered",
        "lake",
        "late",
        "quarantined",
    ):
        result.totals[name] = pc.sum(outcomes[name]).as_py() or 0
    if book is not None:
        if not book.is_file():
            raise Mistake(f"no sender's book {book}")
        sent = pq.read_table(book)
        kept_aside = pa.concat_tables([late, aside]).group_by(identity[:3]).aggregate([])  # there repeats are kept too
        stored_somewhere = pa.concat_tables([events.select(identity[:3]), kept_aside])
        result.add("sender", len(sent), accounts.sender(sent, stored_somewhere))


def _read_log(settings: Settings, connection: Connection, result: accounts.LedgerResult) -> None:
    there = kafka.offsets(settings, BEACONS.name)
    rows = connection.execute(
        "select kafka_partition, first_offset, next_offset, records, lost from stream_offsets where stream = 'events'"
    ).fetchall()
    read = {number: (first, following, records, lost) for number, first, following, records, lost in rows}
    partitions = {}
    for number, (low, end) in there.items():
        started, following, records, lost = read.get(number, (low, low, 0, 0))
        partitions[number] = accounts.Reading(low, end, started, following, records, lost)
        result.lag[number] = max(0, end - following)
    result.add("log", len(partitions), accounts.log(partitions))


def _compare_marts(settings: Settings, connection: Connection, day: date, result: accounts.LedgerResult) -> None:
    latest = lake_days.rows_of(settings, [day])
    identity = [*SESSION_ROWS.key, "version"]
    question = f"select {', '.join(identity)} from sessions where day = %s"
    columns = list(zip(*connection.execute(question.encode(), (day,)).fetchall(), strict=True)) or [()] * len(identity)
    stored = pa.table(
        [pa.array(c, latest.schema.field(n).type) for n, c in zip(identity, columns, strict=True)], identity
    )
    result.add("rows", len(latest), accounts.published(latest.select(identity), stored))
    rows = arrow.conform(latest, SESSIONS)
    tables = {}
    for mart in MARTS:
        names = ", ".join(f'"{name}"' for name in mart.table.names)
        tables[mart.name] = days.table(
            connection, f"select {names} from {mart.name} where day = %s", mart.table, (day,)
        )
        if mart is not LIVE_WINDOW:
            again = cube(rows, mart)
            result.add("marts", len(again), accounts.marts(tables[mart.name], again, mart))
    result.add("marts", 0, accounts.hours(tables[QUALITY_HOUR.name], tables[QUALITY_DAY.name], QUALITY_DAY))
    windows = (day - timedelta(days=1), day, day + timedelta(days=1))
    events = lake.read(settings, EVENTS, windows, columns=LIVE_COLUMNS)
    placed = pc.equal(events["at"].cast(pa.date32()), pa.scalar(day, pa.date32()))
    again = cube(events.filter(placed), LIVE_WINDOW)
    result.add("marts", len(again), accounts.marts(tables[LIVE_WINDOW.name], again, LIVE_WINDOW))
