"""A table as a stream without Spark's own reader: every row that came, once, and none that was only written again."""

from collections import Counter
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql.streaming.datasource import ReadAllAvailable

from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.connect import lake
from qoescope.connect.changes import Place, Reader
from qoescope.settings import Settings

AT = datetime(2026, 1, 2, 8, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    here = Settings(var=tmp_path, spark_partitions=2, batch_bytes="1k")
    lake.ensure(here, [EVENTS])
    return here


def appended(settings: Settings, *sessions: str) -> None:
    """A commit of one event a session, each session in a bucket and so in a file of its own."""
    values = {"property": "app", "seq": 1, "at": AT, "type": "heartbeat", "state": "playing", "state_ms": 1,
              "session_day": date(2026, 1, 2), "received_at": AT, "session_started_at": AT, "viewer_id": "v1",
              "kafka_offset": 0, "position": 0}  # fmt: skip
    rows = [values | {"session_id": name, "bucket": number} for number, name in enumerate(sessions)]
    names = [f for f in arrow.schema(EVENTS) if f.name in rows[0]]
    table = arrow.conform(pa.Table.from_pylist(rows, pa.schema(names)), EVENTS)
    lake.append(lake.opened(settings, EVENTS), EVENTS, lake.write(settings, EVENTS, table), {})


def read(reader: Reader, start: Place, end: Place) -> list[str]:
    """Sessions of the rows between."""
    parts = reader.partitions(start, end)
    assert len(parts) <= 2
    return sorted(name for part in parts for batch in reader.read(part) for name in batch["session_id"].to_pylist())


def followed(reader: Reader, place: Place) -> tuple[list[list[str]], Place]:
    """Batches until nothing is new, and where that is."""
    batches = []
    while (after := reader.latestOffset(place, ReadAllAvailable())) != place:
        batches.append(read(reader, place, after))
        place = after
    return batches, place


def test_it_begins_with_what_is_there_and_goes_on_with_what_comes(settings: Settings) -> None:
    appended(settings, "a", "b")
    appended(settings, "c")
    reader = Reader(settings, EVENTS)
    begin = reader.initialOffset()
    first, place = followed(reader, begin)
    assert sorted(chain(*first)) == ["a", "b", "c"]
    appended(settings, "d")
    appended(settings, "e")
    again, place = followed(Reader(settings, EVENTS), place)
    assert sorted(chain(*again)) == ["d", "e"]
    assert followed(reader, place) == ([], place)


def test_a_batch_holds_no_more_than_its_bytes_and_a_broken_one_comes_again_alike(settings: Settings) -> None:
    appended(settings, *(f"s{number}" for number in range(5)))
    reader = Reader(settings, EVENTS)
    begin = reader.initialOffset()
    batches, _ = followed(reader, begin)
    assert [len(batch) for batch in batches] == [1, 1, 1, 1, 1]
    end = reader.latestOffset(begin, ReadAllAvailable())
    assert read(Reader(settings, EVENTS), begin, end) == batches[0]


def test_rows_that_are_only_written_again_do_not_come_again(settings: Settings) -> None:
    appended(settings, "a", "b")
    appended(settings, "c")
    reader = Reader(settings, EVENTS)
    _, place = followed(reader, reader.initialOffset())
    lake.compact(settings, EVENTS, files_a_part=1)
    lake.erase(settings, EVENTS, "app", "v1")
    appended(settings, "d")
    assert sorted(chain(*followed(reader, place)[0])) == ["d"]


def test_small_files_are_joined_where_there_are_most_of_them_and_large_ones_left_alone(settings: Settings) -> None:
    for number in range(40):
        appended(settings, f"s{number % 10}")
    before = Counter(file.bucket for file in lake.files(lake.opened(settings, EVENTS)))
    fullest = max(before, key=lambda bucket: before[bucket])
    assert lake.compact(settings, EVENTS, 1, most_parts=1) == before[fullest]
    after = lake.files(lake.opened(settings, EVENTS))
    assert Counter(file.bucket for file in after) == before - Counter({fullest: before[fullest] - 1})
    (whole,) = (file for file in after if file.bucket == fullest)
    assert lake.compact(settings, EVENTS, 0, most_bytes=2 * min(file.size for file in after)) == 0
    assert whole.rows == before[fullest]
