"""A task that reads its records a part at a time: the same outcome, and no more memory for more records."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa

from qoescope.catalog.operations import COUNTED, QUARANTINE
from qoescope.catalog.tables import EVENTS
from qoescope.compile.adding import add_cubes
from qoescope.compile.live import LIVE_TABLES
from qoescope.compile.records.parsing import RECORDS
from qoescope.connect.lake.reading import read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.ingest import reports
from qoescope.ingest.context import Arrival
from qoescope.lake.jobs import storing
from qoescope.lake.jobs.events import unknown_field_rows
from qoescope.lake.jobs.identities import SharedIndex
from qoescope.lake.jobs.storing import StoredBatch
from qoescope.settings import Settings

AT = int(datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp() * 1000)
MB = 1 << 20


def record(session: str, bodies: Iterable[tuple[int, int]], after_s: int = 0) -> bytes:
    """A record of the log: events by (seq, state_ms), so many seconds after AT."""
    told = [{"seq": seq, "at": AT, "type": "heartbeat", "state": "playing", "state_ms": ms} for seq, ms in bodies]
    return msgspec.json.encode(
        {"property": "app", "received_at": AT + after_s * 1000,
         "counts": {"received": len(told), "accepted": len(told)},
         "session": {"session_id": session, "started_at": AT}, "events": told}
    )  # fmt: skip


def batch(records: Iterable[tuple[str, bytes]], first: int) -> pa.RecordBatch:
    """Spark's batch of these records, (session, record), from the offset `first` on."""
    keys, values = zip(*records, strict=True)
    offsets = range(first, first + len(keys))
    return pa.record_batch([[key.encode() for key in keys], values, [0] * len(keys), offsets], schema=RECORDS)


def told(settings: Settings, batches: Iterator[pa.RecordBatch], part_bytes: int) -> StoredBatch:
    """What a task answers."""
    found: dict[str, list[bytes]] = {}
    for answer in storing.storing_task(settings, [], SharedIndex(()), part_bytes)(batches):
        for row in answer.to_pylist():
            found.setdefault(row["kind"], []).append(row["body"])
    return storing.merge_results(found)


def test_in_how_many_parts_a_task_reads_changes_nothing(tmp_path: Path) -> None:
    """A repeat or a conflict of what an earlier part has written is one, whichever of them was received first."""
    given = [("a", 1, 10, 9), ("b", 1, 20, 1), ("a", 1, 11, 2), ("b", 1, 20, 3), ("a", 2, 30, 4), ("a", 2, 30, 0)]
    outcomes = []
    for part_bytes in (1, MB):
        here = Settings(var=tmp_path / str(part_bytes))
        ensure_tables(here)
        records = ((session, record(session, [(seq, ms)], after)) for session, seq, ms, after in given)
        found = told(here, (batch([one], n) for n, one in enumerate(records)), part_bytes)
        written = {
            table.name: read_rows(here, table, found.files[table.name]).sort_by("kafka_offset")
            for table in (EVENTS, QUARANTINE)
        }
        for name, table in LIVE_TABLES.items():
            written[name] = add_cubes(found.tables[name], table).sort_by([(key, "ascending") for key in table.key])
        counts = list(found.rows(storing.COUNTS))
        books = {f.name: sum(count.get(f.name, 0) for count in counts) for f in COUNTED}
        outcomes.append({name: rows.to_pylist() for name, rows in written.items()} | {"books": [books]})
    assert outcomes[0] == outcomes[1]
    assert [row["kafka_offset"] for row in outcomes[0][EVENTS.name]] == [0, 1, 4]
    assert [row["kafka_offset"] for row in outcomes[0][QUARANTINE.name]] == [2]


def peak_bytes() -> int:
    """The most memory that this process has had since the last call."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    Path("/proc/self/clear_refs").write_text("5")  # it begins anew
    return int(found[1]) * 1024


def test_a_task_needs_no_more_memory_for_more_records(tmp_path: Path) -> None:
    """The records that grow most when they are read: as many events as the door takes, of few bytes each."""
    settings = Settings(var=tmp_path)
    ensure_tables(settings)
    events = [(n + 1, 1_000) for n in range(settings.beacon_events)]

    def batches(count: int) -> Iterator[pa.RecordBatch]:
        for n in range(count):
            yield batch([(f"s{n}-{k}", record(f"s{n}-{k}", events)) for k in range(12)], n * 12)

    size = next(batches(1)).nbytes
    peak_bytes()
    told(settings, batches(4), 4 * size)
    once = peak_bytes()
    found = told(settings, batches(16), 4 * size)
    assert sum(count.get("lake", 0) for count in found.rows(storing.COUNTS)) == 16 * 12 * len(events)
    assert peak_bytes() - once < 100 * size  # a part needs 200 times it, and all at once another 200


def test_what_could_not_be_meant_is_counted_by_field_in_all_parts_together(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    ensure_tables(settings)
    records = [
        msgspec.json.encode(msgspec.json.decode(record("a", [(n, 1)])) | {"unknown": {"width": n}}) for n in (1, 2)
    ]
    found = told(settings, (batch([("a", one)], n) for n, one in enumerate(records)), 1)
    (row,) = unknown_field_rows(found.rows(storing.UNKNOWN)).to_pylist()
    assert (row["property"], row["field"], row["count"]) == ("app", "width", 3)


def test_what_reports_said_and_could_not_be_meant_is_counted_by_key(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    ensure_tables(settings)
    arrival = Arrival("app", AT, b"k" * 32, {})
    far = 'br=(99999999),e=t,msd=-1,sid="x",v=2'
    sent = [
        one
        for n in (1, 2)
        for one in reports.report_records(reports.parse_body(f"{far}\nv=9".encode(), None), arrival, str(n))
    ]
    keyed = [((one.key or b"").decode(), one.value) for one in sent]
    found = told(settings, (batch([one], n) for n, one in enumerate(keyed)), 1)
    rows = unknown_field_rows(found.rows(storing.UNKNOWN)).to_pylist()
    assert {row["field"]: (row["property"], row["count"]) for row in rows} == {
        "cmcd:br": ("app", 2), "cmcd:msd": ("app", 2), "cmcd:v": ("app", 2),
    }  # fmt: skip
    assert sum(row["reports"] for row in found.rows(storing.COUNTS) if row.get("reports")) == 2
