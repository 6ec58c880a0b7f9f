"""The ledger's book of CMCD delivery: each session's rows in Postgres against its reports in the lake."""

from collections.abc import Mapping, Set
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.cmcd import OBSERVED, REQUESTS
from qoescope.catalog.operations import REPORTS
from qoescope.catalog.schema import Table
from qoescope.compile import versions
from qoescope.connect.lake.reading import group_buckets, list_files, read_rows
from qoescope.mart.jobs.cut import FOLDING_S, LedgerCut
from qoescope.mart.keyed_books import differing_rows
from qoescope.mart.ledger_result import Difference, LedgerResult
from qoescope.sources import registry

ROWS_AT_ONCE = 200_000
"""Reports in memory together, unless one bucket alone has more."""
LONGEST = timedelta(days=1)
"""A longer session's rows are made of its last day of reports, so they cannot be told from the lake."""
Session = tuple[str, str]


def compare_delivery(cut: LedgerCut, day: date, result: LedgerResult) -> None:
    """Compares rows of CMCD sessions that began on the day with their reports, read again.

    Rows of earlier reports, where newer ones came lately, are under way. A day with an unreadable file is skipped.
    """
    around = {(day + timedelta(days=n)).isoformat() for n in (-1, 0, 1)}
    files = [f for f in list_files(cut.tables[REPORTS.name]) if f.session_day in around]
    if len(cut.readable(REPORTS, files)) < len(files):
        return
    of_day = {f.bucket for f in files if f.session_day == day.isoformat()}
    for buckets in group_buckets((f for f in files if f.bucket in of_day), ROWS_AT_ONCE):
        rows = read_rows(cut.settings, REPORTS, [f for f in files if f.bucket in buckets])
        _compare_reports(cut, _of_day(rows, day), result)


def _of_day(rows: pa.Table, day: date) -> pa.Table:
    """Reports of sessions whose first one is of the day and that are not longer than `LONGEST`."""
    first, last = ("received_at", "min"), ("received_at", "max")
    spans = rows.group_by(["property", "session_id"]).aggregate([first, last, ("session_day", "min")])
    begins = pc.equal(spans["session_day_min"], pa.scalar(day, pa.date32()))
    length = pc.subtract(spans["received_at_max"], spans["received_at_min"])
    sessions = spans.filter(pc.and_(begins, pc.less(length, pa.scalar(LONGEST))))
    return rows.join(sessions.select(["property", "session_id"]), ["property", "session_id"], join_type="left semi")


def _compare_reports(cut: LedgerCut, reports: pa.Table, result: LedgerResult) -> None:
    if not len(reports):
        return
    mapped = registry.CMCD.parse(reports, None)
    sessions = pc.unique(mapped.observed["session_id"]).to_pylist()
    stored = {
        table.name: cut.rows(table, "session_id = any({sessions})", sessions=sessions) for table in (OBSERVED, REQUESTS)
    }
    under_way = _find_under_way(cut, mapped.observed, stored[OBSERVED.name])
    differences = []
    for table, again in ((OBSERVED, mapped.observed), (REQUESTS, mapped.requests)):
        there = versions.exclude_sessions(
            stored[table.name], versions.exclude_sessions(stored[table.name], mapped.observed)
        )
        columns = [name for name in table.names if name not in table.key]
        differences += [
            Difference(
                "delivery",
                _place(table, row),
                row["expected"],
                row["found"],
            )
            for row in differing_rows(there, again, table, columns)
            if (row["property"], row["session_id"]) not in under_way
        ]
    result.add("delivery", len(mapped.observed), differences)
    result.add_open("CMCD sessions to be published", len(under_way))


def _place(table: Table, row: Mapping[str, Any]) -> str:
    """The table, the row's key and its column."""
    key = (str(row[name]) for name in table.key[1:])
    return " ".join((table.name, row["property"], "session", *key, row["column"])).strip()


def _find_under_way(cut: LedgerCut, again: pa.Table, stored: pa.Table) -> Set[Session]:
    """Sessions whose last report is young and whose row is of fewer reports, or not there."""
    since = datetime.now(UTC) - timedelta(seconds=cut.settings.session_gap_s + FOLDING_S)
    key, version = ("property", "session_id"), ("last_at", "record_count")
    known = {
        tuple(row[k] for k in key): [row[v] for v in version] for row in stored.select([*key, *version]).to_pylist()
    }
    return {
        session
        for row in again.select([*key, *version]).to_pylist()
        if row["last_at"] >= since
        and known.get(session := (row["property"], row["session_id"]), []) < [row[v] for v in version]
    }
