"""What becomes of an event that comes again, comes with another body, or comes late."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.connect.lake.reading import read_rows
from qoescope.connect.lake.writing import write_files
from qoescope.lake import deduplication
from qoescope.settings import Settings

AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
Row = tuple[str, int, int, int, int]


def rows(*given: Row) -> pa.Table:
    """(session, seq, offset in the log, body, seconds after AT when it was received)."""
    return arrow.conform(
        pa.Table.from_pylist(
            [
                {"property": "app", "session_id": session, "seq": seq, "at": AT, "type": "heartbeat",
                 "state": "playing", "state_ms": body,
                 "received_at": AT + timedelta(seconds=after), "kafka_partition": 0,
                 "kafka_offset": offset, "position": 0, "session_day": AT.date(), "bucket": 1}
                for session, seq, offset, body, after in given
            ]
        ),
        EVENTS,
    )  # fmt: skip


NONE = arrow.schema(EVENTS).empty_table()


def fate_of(batch: pa.Table, known: pa.Table) -> deduplication.JudgedBatch:
    return deduplication.judge_events(batch, deduplication.identity_hashes(batch), known, 7)


def counted(fate: deduplication.JudgedBatch) -> dict[str, int]:
    names = ("lake", "late", "quarantined", "accepted", "duplicate")
    return {name: sum(fate.counts[name].to_pylist()) for name in names}


def test_a_new_event_goes_to_the_lake() -> None:
    fate = fate_of(rows(("s1", 1, 10, 7, 0)), NONE)
    assert (len(fate.fresh), counted(fate)["lake"]) == (1, 1)


def test_a_repeat_in_one_batch_is_written_once_and_booked_as_duplicate() -> None:
    fate = fate_of(rows(("s1", 1, 11, 7, 5), ("s1", 1, 10, 7, 0)), NONE)
    assert fate.fresh["kafka_offset"].to_pylist() == [10]
    assert counted(fate) == {"lake": 1, "late": 0, "quarantined": 0, "accepted": -1, "duplicate": 1}


def test_a_repeat_of_what_the_lake_holds_is_not_written() -> None:
    stored = rows(("s1", 1, 10, 7, 0))
    fate = fate_of(rows(("s1", 1, 99, 7, 60)), stored)
    assert (len(fate.fresh), counted(fate)["duplicate"]) == (0, 1)


def test_a_batch_that_comes_again_after_a_kill_finds_its_own_rows_and_counts_the_same() -> None:
    batch = rows(("s1", 1, 10, 7, 0), ("s1", 2, 11, 8, 1), ("s1", 2, 12, 8, 2))
    first = fate_of(batch, NONE)
    again = fate_of(batch, first.fresh)
    assert len(again.fresh) == 0
    assert counted(again) == counted(first)


def test_the_same_identity_with_another_body_is_kept_aside_and_the_first_one_stays() -> None:
    fate = fate_of(rows(("s1", 1, 11, 8, 5)), rows(("s1", 1, 10, 7, 0)))
    assert (len(fate.fresh), fate.conflicts["reason_kept"].to_pylist()) == (0, ["conflict"])
    assert counted(fate)["quarantined"] == 1


def test_only_the_time_of_an_event_may_differ_between_repeats() -> None:
    """The door adjusts the time of a clock that is ahead."""
    stored, again = rows(("s1", 1, 10, 7, 0)), rows(("s1", 1, 99, 7, 60))
    place = again.column_names.index("at")
    adjusted = again.set_column(place, again.schema.field("at"), again["received_at"])
    for known, batch in ((stored, adjusted), (NONE, pa.concat_tables([stored, adjusted]))):
        assert counted(fate_of(batch, known))["duplicate"] == 1


def test_an_event_older_than_what_is_restated_is_late() -> None:
    fate = fate_of(rows(("s1", 1, 10, 7, 8 * 86_400)), NONE)
    assert (len(fate.fresh), len(fate.late), counted(fate)["late"]) == (0, 1, 1)


def test_files_without_any_of_the_identities_are_not_suspected() -> None:
    batch = rows(("s1", 1, 10, 7, 0), ("s2", 1, 11, 7, 0))
    files = [rows(("s9", 4, 1, 7, 0), ("s8", 2, 5, 7, 0)), rows(("s2", 1, 2, 7, 0), ("s3", 1, 2, 7, 0)), NONE]
    suspected, stored = deduplication.find_suspects(
        batch,
        deduplication.identity_hashes(batch),
        [1, 1, 1],
        [np.sort(deduplication.identity_hashes(file)) for file in files],
    )
    assert suspected == [False, True, False]
    assert stored["session_id"].to_pylist() == ["s2"]


def test_texts_that_are_numbered_here_are_texts_to_who_reads_the_file(tmp_path: Path) -> None:
    settings, given = Settings(var=tmp_path), rows(*((f"s{n % 7}", n + 1, n, n, 0) for n in range(50)))
    numbered = given.set_column(1, "session_id", given["session_id"].dictionary_encode())
    files = write_files(settings, EVENTS, numbered)
    assert read_rows(settings, EVENTS, files).equals(given)
    assert pq.read_schema(tmp_path / "lake" / "events" / files[0].path).field("session_id").type == pa.string()


def test_a_file_holds_one_part_of_a_day_and_rows_keep_their_order(tmp_path: Path) -> None:
    given = rows(*((f"s{n}", 1, n, n, 0) for n in range(20)))
    place = given.column_names.index("bucket")
    given = given.set_column(place, "bucket", pa.array([n % 3 for n in range(20)]))
    files = write_files(Settings(var=tmp_path), EVENTS, given)
    told = {f.bucket: read_rows(Settings(var=tmp_path), EVENTS, [f])["kafka_offset"].to_pylist() for f in files}
    assert told == {bucket: list(range(bucket, 20, 3)) for bucket in range(3)}
