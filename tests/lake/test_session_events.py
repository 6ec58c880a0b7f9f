"""One session's events out of the lake: all of them, wherever they lie."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.compile.buckets import bucket_of
from qoescope.connect import records
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.settings import Settings

LATE = datetime(2026, 1, 2, 23, 59, 50, tzinfo=UTC)
NAMES = tuple(f"viewing-{n}" for n in range(20))


@pytest.mark.parametrize("buckets", [8, 16])
@pytest.mark.parametrize("knows_its_start", [True, False])
def test_a_session_has_all_of_its_events_and_no_others(tmp_path: Path, buckets: int, knows_its_start: bool) -> None:
    """Also where the day changes while it plays, and where the lake was begun with another number of buckets."""
    settings = Settings(var=tmp_path, lake_buckets=8)
    ensure_tables(settings, [EVENTS])
    told = [
        {"property": property_id, "session_id": name, "seq": seq, "at": at, "received_at": at, "type": "heartbeat",
         "state": "playing", "state_ms": 9_000, "session_day": (LATE if knows_its_start else at).date(),
         "bucket": bucket_of(name, buckets)}
        for property_id in ("app", "web") for name in NAMES for seq in (2, 1, 3)
        for at in [LATE + seq * timedelta(seconds=9)]
    ]  # fmt: skip
    rows = arrow.conform(pa.Table.from_pylist(told), EVENTS)
    append_files(open_table(settings, EVENTS), EVENTS, write_files(settings, EVENTS, rows), {})
    for name in NAMES:
        found = records.events(settings, "app", name, LATE + timedelta(seconds=9))
        assert [row["seq"] for row in found] == [1, 2, 3]
    assert records.events(settings, "app", "nobody", LATE) == []
