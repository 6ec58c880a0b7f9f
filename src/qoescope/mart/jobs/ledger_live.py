"""The ledger's live books of a day: live windows and the monitor's leaves against the booked events."""

from datetime import UTC, date, datetime, time, timedelta
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.marts import LIVE_LEAF, LIVE_WINDOW
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.compile.adding import add_cubes
from qoescope.compile.cube import cube, leaves
from qoescope.compile.live import LIVE_COLUMNS
from qoescope.compile.records.reading import SANE_START_DAYS
from qoescope.connect.lake.reading import group_buckets, list_files, read_rows
from qoescope.mart import books
from qoescope.mart.jobs import lake_days
from qoescope.mart.jobs.cut import LedgerCut
from qoescope.mart.keyed_books import differing_rows
from qoescope.mart.ledger_result import Difference, LedgerResult

ROWS_AT_ONCE = 500_000
"""Events of the lake in memory together, unless one bucket alone has more."""
AHEAD = timedelta(minutes=10)
"""How much later than its arrival an event may claim to have happened."""
DAY = timedelta(days=1)


def compare_live(cut: LedgerCut, day: date, result: LedgerResult) -> None:
    """Compares the day's live windows and leaves with the booked events, some buckets at a time.

    A day with an unreadable file of events, or past the retention of live numbers, is skipped.
    """
    if day < lake_days.retained_since(cut.settings.live_days):
        return
    windows, leaf_rows = (cut.rows(table, "day = {day}", day=day) for table in (LIVE_WINDOW.table, LIVE_LEAF))
    begins = datetime.combine(day, time(), UTC)
    first, last = SANE_START_DAYS[0], cut.settings.late_after_days + SANE_START_DAYS[1]
    near = {(day + timedelta(days=n)).isoformat() for n in range(first, last + 1)}
    every = list_files(cut.tables[EVENTS.name], since=begins - DAY - AHEAD)
    files = [f for f in every if f.session_day in near]
    if len(cut.readable(EVENTS, files)) < len(files):
        return
    at = pc.field("at")
    of_day = (at >= pa.scalar(begins)) & (at < pa.scalar(begins + DAY))
    around = (at >= pa.scalar(begins - DAY)) & (at < pa.scalar(begins + 2 * DAY))  # a gap is told by the event before
    again, leaves_again = (arrow.schema(table).empty_table() for table in (LIVE_WINDOW.table, LIVE_LEAF))
    for buckets in group_buckets(files, ROWS_AT_ONCE):
        events = read_rows(cut.settings, EVENTS, [f for f in files if f.bucket in buckets], LIVE_COLUMNS, around)
        events = events.filter(_is_booked(cut, events))
        mine = events.filter(of_day)
        if len(mine):
            again = add_cubes([again, cube(mine, LIVE_WINDOW)], LIVE_WINDOW.table)
            added = leaves(events).filter(pc.field("day") == pa.scalar(day, pa.date32()))
            leaves_again = add_cubes([leaves_again, added], LIVE_LEAF)
    result.add("marts", len(again), books.compare_mart(windows, again, LIVE_WINDOW))
    result.add("marts", len(leaves_again), compare_leaves(leaf_rows, leaves_again))


def compare_leaves(there: pa.Table, again: pa.Table) -> list[Difference]:
    """Leaves against their recomputation; one difference a leaf. One that counts nothing is as none.

    An erasure takes what its viewer counted, and leaves the row.
    """
    return [
        Difference(
            "marts",
            f"{LIVE_LEAF.name} {row['property']} {row['starts_at']:%Y-%m-%d %H:%M:%S} leaf {row['leaf']}"
            f"{row['column'] and ' '}{row['column']}",
            row["expected"],
            row["found"],
        )
        for row in differing_rows(_counting(there), _counting(again), LIVE_LEAF, LIVE_LEAF.sums)
    ]


def _counting(rows: pa.Table) -> pa.Table:
    """The rows in which something is not 0."""
    return rows.filter(reduce(pc.or_kleene, (pc.not_equal(rows[name], 0) for name in LIVE_LEAF.sums)))


def _is_booked(cut: LedgerCut, events: pa.Table) -> pa.ChunkedArray:
    """Which events are booked."""
    partition, offset = events["kafka_partition"], events["kafka_offset"]
    if not cut.next_offsets:
        return pc.is_valid(partition)
    read = pc.less(partition, 0)
    for number, following in cut.next_offsets.items():
        read = pc.or_(read, pc.and_(pc.equal(partition, number), pc.less(offset, following)))
    return read
