"""A table that is followed: every row that came, once, and none that was only written again."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.connect.changes import Changes
from qoescope.connect.lake.compaction import compact_table
from qoescope.connect.lake.deletion import erase_viewer
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.settings import Settings

AT = datetime(2026, 1, 2, 8, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    here = Settings(var=tmp_path)
    ensure_tables(here, [EVENTS])
    return here


def appended(settings: Settings, *sessions: str) -> None:
    """A commit of one event a session, each session in a bucket and so in a file of its own."""
    values = {"property": "app", "seq": 1, "at": AT, "type": "heartbeat", "state": "playing", "state_ms": 1,
              "session_day": date(2026, 1, 2), "received_at": AT, "session_started_at": AT, "viewer_id": "v1",
              "kafka_offset": 0, "position": 0}  # fmt: skip
    rows = [values | {"session_id": name, "bucket": number} for number, name in enumerate(sessions)]
    names = [f for f in arrow.schema(EVENTS) if f.name in rows[0]]
    table = arrow.conform(pa.Table.from_pylist(rows, pa.schema(names)), EVENTS)
    append_files(open_table(settings, EVENTS), EVENTS, write_files(settings, EVENTS, table), {})


def followed(settings: Settings, version: int | None) -> tuple[list[str], int | None]:
    """Sessions of the rows that came after a version, by one who begins there; and the version where that ends."""
    names: list[str] = []
    for change in Changes(settings, EVENTS).after(version):
        names += read_rows(settings, EVENTS, list(change.files))["session_id"].to_pylist()
        version = change.version
    return sorted(names), version


def test_it_begins_with_what_is_there_and_goes_on_with_what_comes(settings: Settings) -> None:
    appended(settings, "a", "b")
    appended(settings, "c")
    first, version = followed(settings, None)
    assert first == ["a", "b", "c"]
    appended(settings, "d")
    appended(settings, "e")
    assert followed(settings, version) == (["d", "e"], 4)
    assert followed(settings, 4) == ([], 4)


def test_one_who_follows_on_sees_each_row_once(settings: Settings) -> None:
    changes, version, seen = Changes(settings, EVENTS), None, Counter[str]()
    for number in range(12):
        appended(settings, f"s{number}", f"t{number}")
        if number % 4 == 3:
            compact_table(settings, EVENTS, files_a_part=1)
        if number % 3 == 2:
            for change in changes.after(version):
                seen.update(read_rows(settings, EVENTS, list(change.files))["session_id"].to_pylist())
                version = change.version
    assert set(seen.values()) == {1}
    assert len(seen) == 24


def test_rows_that_are_only_written_again_do_not_come_again(settings: Settings) -> None:
    appended(settings, "a", "b")
    appended(settings, "c")
    _, version = followed(settings, None)
    compact_table(settings, EVENTS, files_a_part=1)
    erase_viewer(settings, EVENTS, "app", "v1")
    appended(settings, "d")
    compact_table(settings, EVENTS, files_a_part=0)
    assert followed(settings, version)[0] == ["d"]


def test_where_the_log_does_not_know_the_version_all_that_is_there_comes_again(settings: Settings) -> None:
    """A lake that was put back from a copy is behind what was published of it."""
    appended(settings, "a")
    assert followed(settings, 7) == (["a"], 1)


def test_small_files_are_joined_where_there_are_most_of_them_and_large_ones_left_alone(settings: Settings) -> None:
    for number in range(40):
        appended(settings, f"s{number % 10}")
    before = Counter(file.bucket for file in list_files(open_table(settings, EVENTS)))
    fullest = max(before, key=lambda bucket: before[bucket])
    assert compact_table(settings, EVENTS, 1, most_parts=1) == before[fullest]
    after = list_files(open_table(settings, EVENTS))
    assert Counter(file.bucket for file in after) == before - Counter({fullest: before[fullest] - 1})
    (whole,) = (file for file in after if file.bucket == fullest)
    assert compact_table(settings, EVENTS, 0, most_bytes=2 * min(file.size for file in after)) == 0
    assert whole.rows == before[fullest]


def test_a_commit_between_two_looks_at_the_log_hides_no_row(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files are joined just after the newest version was asked for, and before its log is read."""
    appended(settings, "a")
    for name in ("b", "c", "d"):
        appended(settings, name)
    changes, history, raced = Changes(settings, EVENTS), DeltaTable.history, list[int]()

    def history_after_a_commit(delta: DeltaTable, limit: int | None = None) -> list[dict[str, Any]]:
        if not raced:
            raced.append(compact_table(settings, EVENTS, 1))
        return history(delta, limit)

    monkeypatch.setattr(DeltaTable, "history", history_after_a_commit)
    names: list[str] = []
    for change in changes.after(1):
        names += read_rows(settings, EVENTS, list(change.files))["session_id"].to_pylist()
    assert raced == [4]
    assert sorted(names) == ["b", "c", "d"]
