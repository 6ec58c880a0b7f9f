"""The ledger: compares all books from end to end, at one cut."""

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
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect.lake.reading import group_buckets, list_files
from qoescope.mart import books
from qoescope.mart.jobs import lake_days, ledger_days, ledger_delivery, ledger_log
from qoescope.mart.jobs.cut import READ_TABLES, LedgerCut, open_cut
from qoescope.mart.ledger_result import Difference, LedgerResult
from qoescope.settings import Settings

LEDGER_DAYS = 3
"""The last days whose sessions and marts are compared when no day is given."""
IDENTITIES_AT_ONCE = 5_000_000
"""Events whose identities are in memory together, unless one bucket alone has more."""
Report = Callable[[str], None]


def _report_nothing(_: str) -> None:
    """Ignores progress."""


def check_books(
    settings: Settings, only: date | None = None, book: Path | None = None, report: Report = _report_nothing
) -> LedgerResult:
    """Compares all books from end to end, also while traffic flows.

    Sessions and marts of the day `only`, or of the last days; other books as a whole. `report` is called with what is
    compared next. Raises `Mistake` when the sender's `book` does not exist, or Kafka is away.
    """
    if book is not None and not book.is_file():
        raise Mistake(f"no sender's book {book}")
    result = LedgerResult()
    with open_cut(settings) as cut:
        report("the log and the door")
        ledger_log.compare_log(cut, result)
        _compare_door(cut, result, report)
        if book is not None:
            report(f"the sender's book {book}")
            _compare_sender(cut, book, result)
        days = {date.fromisoformat(f.session_day) for f in list_files(cut.tables[EVENTS.name])}
        for day in [only] if only else sorted(days)[-LEDGER_DAYS:]:
            report(f"{day}: its sessions")
            ledger_days.compare_sessions(cut, day, result)
            report(f"{day}: its marts")
            ledger_days.compare_marts(cut, day, result)
        reported = {date.fromisoformat(f.session_day) for f in list_files(cut.tables[REPORTS.name])}
        for day in [only] if only else sorted(reported)[-LEDGER_DAYS:]:
            report(f"{day}: its CMCD delivery")
            ledger_delivery.compare_delivery(cut, day, result)
    return result


def _compare_door(cut: LedgerCut, result: LedgerResult, report: Report) -> None:
    outcomes = cut.rows(OUTCOMES, "true")
    result.add("door", len(outcomes), books.compare_door(outcomes.to_pylist()))
    for name in ("received", *books.DOOR, *books.ACCEPTED):
        result.totals[name] = pc.sum(outcomes[name]).as_py() or 0
    kept_since = datetime.combine(lake_days.retained_since(cut.settings.events_days), time(), UTC)
    counted, beyond = _count_rows(cut, report)
    result.add_open("rows of the lake to be booked", sum(beyond.values()))
    repeats = [
        *books.compare_lake(outcomes, counted, kept_since),
        *books.report_repeats(_find_repeats(cut, report)),
        *_name_broken(cut),
    ]
    result.add("lake", pc.sum(counted["n"]).as_py() or 0, repeats)
    written = ledger_log.find_batches(cut)
    booked = ledger_log.booked_batches(cut, written)
    result.add("epochs", len(written), books.compare_epochs(written, booked, beyond[EVENTS.name]))


COUNTED_AS = {EVENTS.name: "lake", REPORTS.name: "lake", LATE.name: "late", QUARANTINE.name: "quarantined"}


def _count_rows(cut: LedgerCut, report: Report) -> tuple[pa.Table, dict[str, int]]:
    """(rows of (property, minute_at, kept, n) that should be booked, number of rows beyond the cut by table)."""
    counted, beyond = [], {}
    for table in (EVENTS, REPORTS, LATE, QUARANTINE):
        report(f"the lake's {table.name}")
        repeats = cut.scan.answer(
            table,
            cut.files(table),
            f"select property, time_bucket(interval '1 minute', make_timestamp(epoch_us(received_at))) as minute_at, "
            f"'{COUNTED_AS[table.name]}' as kept, count(*) filter ({cut.booked_sql}) as n, "
            f"count(*) filter (not {cut.booked_sql}) as beyond from stored group by all",
        )
        beyond[table.name] = pc.sum(repeats["beyond"]).as_py() or 0
        minute = repeats["minute_at"].cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        counted.append(repeats.drop_columns(["beyond"]).set_column(1, "minute_at", minute))
    rows = pa.concat_tables(counted)
    return rows.filter(pc.field("n") > 0), beyond


def _find_repeats(cut: LedgerCut, report: Report) -> pa.Table:
    """Identities that are stored more than once, some buckets at a time: a session's events lie in one."""
    identity, repeats, every = "property, session_id, seq", [], cut.files(EVENTS)
    for buckets in group_buckets(every, IDENTITIES_AT_ONCE):
        report(f"identities of buckets {min(buckets)} to {max(buckets)}")
        files = [f for f in every if f.bucket in buckets]
        hashed = f"select hash({identity}) as h from stored group by h having count(*) > 1"
        again = cut.scan.answer(EVENTS, files, hashed)["h"].to_pylist()
        if again:
            hashes = ", ".join(map(str, again[:100_000]))
            twice = (
                f"select {identity}, count(*) as n from stored where hash({identity}) in ({hashes}) "
                "group by all having count(*) > 1"
            )
            repeats.append(cut.scan.answer(EVENTS, files, twice))
    return pa.concat_tables(repeats) if repeats else pa.table({})


def _name_broken(cut: LedgerCut) -> list[Difference]:
    rows = {
        (table.name, f.path): f
        for table in READ_TABLES
        for f in list_files(cut.tables[table.name])
        if f.path in cut.unreadable[table.name]
    }
    return [
        Difference(
            "lake",
            f"{name} file {path} of {f.rows} rows",
            f"{f.size} bytes",
            "no file" if cut.unreadable[name][path] is None else f"{cut.unreadable[name][path]} bytes",
        )
        for (name, path), f in rows.items()
    ]


def _compare_sender(cut: LedgerCut, book: Path, result: LedgerResult) -> None:
    """Acknowledged events must be stored exactly once; quarantined ones at least once."""
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
            stored.append(cut.scan.answer(table, cut.files(table), sql))
        result.add("sender", len(sent), books.compare_sender(sent, pa.concat_tables(stored)))
    unread = sum(cut.history[BEACONS_TOPIC.name].unread(p) for p in cut.history[BEACONS_TOPIC.name].shifts)
    result.add_open("answered records to be read", unread)
