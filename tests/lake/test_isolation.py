"""One record that breaks its batch is set aside with its bytes and booked, and all others go on."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoescope.catalog.operations import COUNTED, QUARANTINE
from qoescope.catalog.tables import EVENTS
from qoescope.compile.records.parsing import RECORDS
from qoescope.connect.health import HealthBoard
from qoescope.connect.lake.reading import read_table
from qoescope.connect.lake.schema import ensure_tables
from qoescope.lake.isolation import MOST_BROKEN, BrokenRecord, isolate
from qoescope.lake.jobs import events, messages, storing
from qoescope.lake.jobs.event_tables import EventTables
from qoescope.lake.jobs.identities import KnownIdentities
from qoescope.lake.jobs.storing import StoredBatch
from qoescope.settings import Settings

AT = int(datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp() * 1000)
POISON = b"poison"


def batch(keys: list[bytes]) -> pa.Table:
    """A record of one event a key."""
    rows = []
    for offset, key in enumerate(keys):
        told = {"seq": offset + 1, "at": AT, "type": "heartbeat", "state": "playing", "state_ms": 1000}
        counts = {"received": 1, "accepted": 1, "duplicate": 0, "invalid": 0, "filtered": 0}
        record = {"property": "app", "received_at": AT, "counts": counts, "events": [told],
                  "session": {"session_id": key.decode(), "started_at": AT}}  # fmt: skip
        rows.append({"key": key, "value": msgspec.json.encode(record), "kafka_partition": 0, "kafka_offset": offset})
    return pa.Table.from_pylist(rows, RECORDS)


def sensitive(here: Settings, known: KnownIdentities, rows: pa.Table) -> StoredBatch:
    """What the stream does, with a fault in it: it cannot bear some records."""
    if POISON in rows["key"].to_pylist():
        raise OverflowError("int too big to convert")
    return storing.store_records(here, known, rows)


def stored(here: Settings, rows: pa.Table) -> StoredBatch:
    ensure_tables(here)
    shelves = EventTables(here)
    done = storing.store_isolating(here, shelves.known(), rows, sensitive)
    shelves.commit(done, "query", 0)
    return done


def test_a_record_that_breaks_its_batch_is_set_aside_with_its_bytes_and_the_others_are_stored(tmp_path: Path) -> None:
    here = Settings(var=tmp_path)
    rows = batch([b"a", b"b", POISON, b"c", b"d", POISON, b"e"])
    done = stored(here, rows)
    assert sorted(read_table(here, EVENTS)["session_id"].to_pylist()) == ["a", "b", "c", "d", "e"]
    kept = read_table(here, QUARANTINE).sort_by("kafka_offset").to_pylist()
    assert [(row["kafka_offset"], row["property"]) for row in kept] == [(2, "app"), (5, "app")]
    assert [row["record"].encode() for row in kept] == [rows["value"][n].as_py() for n in (2, 5)]
    assert {row["reason_kept"] for row in kept} == {"broken: OverflowError: int too big to convert"}
    books = {f.name: sum(row.get(f.name) or 0 for row in done.rows(storing.COUNTS)) for f in COUNTED}
    assert (books["received"], books["accepted"], books["lake"], books["quarantined"]) == (7, 7, 5, 2)
    assert sum(row["records"] for row in done.rows(storing.OFFSETS)) == 7


def test_what_was_set_aside_is_told_by_the_stream_s_health_where_it_lies_and_why(tmp_path: Path) -> None:
    here = Settings(var=tmp_path)
    board = HealthBoard(here, "stream", ["events"])
    events.report_set_aside(board["events"], stored(here, batch([b"a", b"b"])).rows(storing.SET_ASIDE))
    assert board["events"].health.set_aside_at is None
    done = stored(here, batch([b"c", POISON, b"d", POISON]))
    told = [messages.to_ipc(rows) for rows in done.tables[storing.SET_ASIDE]]  # as a task tells the driver
    events.report_set_aside(board["events"], storing.merge_results({storing.SET_ASIDE: told}).rows(storing.SET_ASIDE))
    health = board["events"].health
    assert health.set_aside == 2
    assert health.set_aside_why == "at beacons partition 0 offset 3, broken: OverflowError: int too big to convert"


def test_where_nothing_passes_it_is_the_program_that_is_broken(tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        stored(Settings(var=tmp_path), batch([POISON] * (MOST_BROKEN + 1)))


def test_no_record_is_to_blame_for_a_full_disk() -> None:
    def full(rows: pa.Table) -> int:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        list(isolate(full, batch([b"a", b"b"]), storing.ENVIRONMENT))


@settings(max_examples=50, deadline=None)
@given(poisons=st.lists(st.booleans(), min_size=1, max_size=64))
def test_whatever_breaks_is_found_and_all_else_is_done_in_its_order(poisons: list[bool]) -> None:
    def work(rows: pa.Table) -> list[int]:
        offsets: list[int] = rows["kafka_offset"].to_pylist()
        if any(poisons[offset] for offset in offsets):
            raise ValueError
        return offsets

    done = list(isolate(work, batch([b"k"] * len(poisons)), storing.ENVIRONMENT))
    culprits = [one.record["kafka_offset"][0].as_py() for one in done if isinstance(one, BrokenRecord)]
    assert culprits == [n for n, poison in enumerate(poisons) if poison]
    assert [n for one in done if not isinstance(one, BrokenRecord) for n in one] == [
        n for n, poison in enumerate(poisons) if not poison
    ]
