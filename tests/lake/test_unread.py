"""A new checkpoint: what a batch left in tables that know no repeats goes; the log is read again from the books on."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from qoescope.catalog.operations import LATE
from qoescope.compile import arrow
from qoescope.connect.lake.deletion import delete_from_offset
from qoescope.connect.lake.reading import read_table
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.settings import Settings
from qoescope.sources.cdn_logs.reports import PARTITION as IMPORTED

AT = datetime(2026, 6, 30, 12, tzinfo=UTC)


def test_rows_of_records_that_the_books_do_not_have_go_and_the_others_stay(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    ensure_tables(settings, [LATE])
    places = [(0, 8), (0, 9), (0, 10), (1, 2), (2, 0), (IMPORTED, 50)]
    rows = pa.Table.from_pylist([
        {"property": "app", "session_id": f"{partition}-{offset}", "seq": 1, "at": AT, "type": "heartbeat",
         "state": "playing", "state_ms": 1, "session_day": date(2025, 6, 30), "received_at": AT,
         "session_started_at": AT, "bucket": 0, "kafka_partition": partition, "kafka_offset": offset}
        for partition, offset in places
    ])  # fmt: skip
    append_files(open_table(settings, LATE), LATE, write_files(settings, LATE, arrow.conform(rows, LATE)), {})
    for gone in (3, 0):
        assert delete_from_offset(settings, LATE, {0: 9, 1: 3}) == gone
        there = read_table(settings, LATE, columns=["session_id"])["session_id"].to_pylist()
        assert sorted(there) == ["-1-50", "0-8", "1-2"]
