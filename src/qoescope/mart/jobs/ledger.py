"""The ledger: the books compared from end to end, at one cut."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from qoescope.catalog.errors import Mistake
from qoescope.catalog.operations import (
    LATE,
    OUTCOMES,
    QUARANTINE,
    REPORTS,
)
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS
from qoescope.connect.lake.reading import group_buckets, list_files
from qoescope.mart import books
from qoescope.mart.jobs import lake_days, ledger_days, ledger_log
from qoescope.mart.jobs.cut import READ, Cut, cut
from qoescope.mart.ledger import Difference, LedgerResult
from qoescope.settings import Settings

LEDGER_DAYS = 3
"""Days of which sessions and marts are compared when no day is named."""
IDENTITIES_AT_ONCE = 5_000_000
"""Events whose identities are held in memory together, where no bucket alone has more."""
Tell = Callable[[str], None]


def _nobody(_: str) -> None:
    """Nobody looks on."""


def check_books(
    settings: Settings, only: date | None = None, book: Path | None = None, tell: Tell = _nobody
) -> LedgerResult:
    """The books compared from end to end, while traffic flows or not: see `cut`. `tell` hears what is looked at.

    Sessions and marts of one day, or of the last days; the others whole.
    """
    if book is not None and not book.is_file():
        raise Mistake(f"no sender's book {book}")
    result = LedgerResult()
    with cut(settings) as now:
        tell("the log and the door")
        ledger_log.compare_log(now, result)
        _compare_door(now, result, tell)
        if book is not None:
            tell(f"the sender's book {book}")
            _compare_sender(now, book, result)
        held = {date.fromisoformat(f.session_day) for f in list_files(now.tables[EVENTS.name])}
        for day in [only] if only else sorted(held)[-LEDGER_DAYS:]:
            tell(f"{day}: its sessions")
            ledger_days.compare_sessions(now, day, result)
            tell(f"{day}: its marts")
            ledger_days.compare_marts(now, day, result)
    return result


def _compare_door(now: Cut, result: LedgerResult, tell: Tell) -> None:
    outcomes = now.rows(OUTCOMES, "true")
    result.add("door", len(outcomes), books.door(outcomes.to_pylist()))
    for name in ("received", *books.DOOR, *books.ACCEPTED):
        result.totals[name] = pc.sum(outcomes[name]).as_py() or 0
    kept_since = datetime.combine(lake_days.kept_since(now.settings.events_days), time(), UTC)
    counted, beyond = _count_rows(now, tell)
    result.leave_open("rows of the lake to be booked", sum(beyond.values()))
    found = [*books.lake(outcomes, counted, kept_since), *books.twice(_find_twice(now, tell)), *_name_broken(now)]
    result.add("lake", pc.sum(counted["n"]).as_py() or 0, found)
    written = ledger_log.find_batches(now)
    booked = ledger_log.booked_batches(now, written)
    result.add("epochs", len(written), books.epochs(written, booked, beyond[EVENTS.name]))


KEPT_AS = {EVENTS.name: "lake", REPORTS.name: "lake", LATE.name: "late", QUARANTINE.name: "quarantined"}


def _count_rows(now: Cut, tell: Tell) -> tuple[pa.Table, dict[str, int]]:
    """(property, minute_at, kept, n) of what the books should have, and by table how many rows are beyond that."""
    counted, beyond = [], {}
    for table in (EVENTS, REPORTS, LATE, QUARANTINE):
        tell(f"the lake's {table.name}")
        found = now.scan.answer(
            table,
            now.files(table),
            f"select property, time_bucket(interval '1 minute', make_timestamp(epoch_us(received_at))) as minute_at, "
            f"'{KEPT_AS[table.name]}' as kept, count(*) filter ({now.read}) as n, "
            f"count(*) filter (not {now.read}) as beyond from stored group by all",
        )
        beyond[table.name] = pc.sum(found["beyond"]).as_py() or 0
        minute = found["minute_at"].cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        counted.append(found.drop_columns(["beyond"]).set_column(1, "minute_at", minute))
    rows = pa.concat_tables(counted)
    return rows.filter(pc.field("n") > 0), beyond


def _find_twice(now: Cut, tell: Tell) -> pa.Table:
    """Identities that are there twice, some buckets at a time: all events of a session lie in one."""
    identity, found, every = "property, session_id, seq", [], now.files(EVENTS)
    for buckets in group_buckets(every, IDENTITIES_AT_ONCE):
        tell(f"identities of buckets {min(buckets)} to {max(buckets)}")
        files = [f for f in every if f.bucket in buckets]
        hashed = f"select hash({identity}) as h from stored group by h having count(*) > 1"
        again = now.scan.answer(EVENTS, files, hashed)["h"].to_pylist()
        if again:
            met = ", ".join(map(str, again[:100_000]))
            twice = (
                f"select {identity}, count(*) as n from stored where hash({identity}) in ({met}) "
                "group by all having count(*) > 1"
            )
            found.append(now.scan.answer(EVENTS, files, twice))
    return pa.concat_tables(found) if found else pa.table({})


def _name_broken(now: Cut) -> list[Difference]:
    rows = {(table.name, f.path): f for table in READ for f in list_files(now.tables[table.name])
            if f.path in now.broken[table.name]}  # fmt: skip
    return [
        Difference("lake", f"{name} file {path} of {f.rows} rows", f"{f.size} bytes",
                   "no file" if now.broken[name][path] is None else f"{now.broken[name][path]} bytes")
        for (name, path), f in rows.items()
    ]  # fmt: skip


def _compare_sender(now: Cut, book: Path, result: LedgerResult) -> None:
    """What was acknowledged must be there once; what was kept aside may be there more than once."""
    sent = pq.read_table(book)
    if len(sent):
        stored = []
        for table in (EVENTS, LATE, QUARANTINE):
            count = "count(*)" if table is EVENTS else "1::bigint"
            sql = (
                f"with sent as (select distinct property, session_id from read_parquet('{book}') where acknowledged) "
                f"select property, session_id, seq, {count} as n from stored "
                "semi join sent using (property, session_id) group by all"
            )
            stored.append(now.scan.answer(table, now.files(table), sql))
        result.add("sender", len(sent), books.sender(sent, pa.concat_tables(stored)))
    unread = sum(now.known[BEACONS.name].unread(p) for p in now.known[BEACONS.name].shifts)
    result.leave_open("answered records to be read", unread)
