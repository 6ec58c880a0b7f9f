"""A batch that tasks store is the batch that the driver stores, and either knows what the other has written."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from qoescope.catalog.tables import EVENTS
from qoescope.compile.records.parsing import RECORDS
from qoescope.connect import spark
from qoescope.connect.lake.schema import ensure_tables
from qoescope.lake.jobs import storing
from qoescope.lake.jobs.event_tables import EventTables
from qoescope.lake.jobs.events import RECORDS_A_TASK, store_by_tasks
from qoescope.settings import Settings

pytestmark = pytest.mark.live
AT = int(datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp() * 1000)
SESSIONS = 40
MANY = 2 * RECORDS_A_TASK


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    made = spark.open_session(Settings(var=tmp_path_factory.mktemp("spark")), "tests")
    yield made
    made.stop()


def batch(first: int, keys: tuple[bytes, ...] = ()) -> pa.Table:
    """A beacon a session, of numbers from `first` on; a key that is not the session's id where one is given."""
    rows = []
    for n in range(SESSIONS):
        told = [{"seq": first + k, "at": AT, "type": "heartbeat", "state": "playing", "state_ms": 1} for k in range(3)]
        counts = {"received": 3, "accepted": 3, "duplicate": 0, "invalid": 0, "filtered": 0}
        record = {"property": "app", "received_at": AT, "sent_at": AT, "counts": counts, "events": told,
                  "session": {"session_id": f"s{n % (SESSIONS // 2)}", "started_at": AT}}  # fmt: skip
        key = keys[n % len(keys)] if keys else f"s{n % (SESSIONS // 2)}".encode()
        rows.append({"key": key, "value": msgspec.json.encode(record), "kafka_partition": 0,
                     "kafka_offset": first * 1000 + n})  # fmt: skip
    return pa.Table.from_pylist(rows, RECORDS)


def stored_by_tasks(session: SparkSession, here: Settings, shelves: EventTables, rows: pa.Table, number: int) -> int:
    """How many events the lake gained."""
    renamed = rows.rename_columns(["key", "value", "partition", "offset"])
    frame = session.createDataFrame(renamed).repartition(4)
    done = store_by_tasks(here, shelves, frame, MANY)
    shelves.commit(done, "query", number)
    return sum(f.rows for f in done.files[EVENTS.name])


def test_tasks_and_driver_store_each_identity_once(session: SparkSession, tmp_path: Path) -> None:
    here = Settings(var=tmp_path)
    ensure_tables(here)
    shelves = EventTables(here)
    once = 3 * SESSIONS // 2
    assert stored_by_tasks(session, here, shelves, batch(1), 0) == once
    repeated = storing.store_parts(here, shelves.known(), [batch(1), batch(4)])
    assert sum(f.rows for f in repeated.files[EVENTS.name]) == once
    shelves.commit(repeated, "query", 1)
    assert stored_by_tasks(session, here, shelves, batch(4), 2) == 0
    assert stored_by_tasks(session, here, shelves, batch(3), 3) == 0
    assert stored_by_tasks(session, here, EventTables(here), batch(7), 4) == once


def test_records_of_one_session_with_several_keys_are_stored_once(session: SparkSession, tmp_path: Path) -> None:
    here = Settings(var=tmp_path)
    ensure_tables(here)
    keys = tuple(f"k{n}".encode() for n in range(7))
    assert stored_by_tasks(session, here, EventTables(here), batch(1, keys), 0) == 3 * SESSIONS // 2
