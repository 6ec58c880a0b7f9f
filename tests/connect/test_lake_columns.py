"""A lake that an older version made gets the columns that are declared since, and its rows their defaults."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.compile.buckets import bucket_of
from qoescope.connect.lake.compaction import compact_table
from qoescope.connect.lake.reading import list_files, read_rows, read_session_rows, read_table
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import commit_files, write_files
from qoescope.settings import Settings

YOUNGER = ("dropped_frames", "next_cdn")
OLDER = replace(EVENTS, fields=tuple(f for f in EVENTS.fields if f.name not in YOUNGER))
SAMPLES = {"text": "x", "int": 7, "float": 1.0, "bool": False, "instant": datetime(2026, 1, 2, tzinfo=UTC),
           "day": date(2026, 1, 2)}  # fmt: skip
NAMES = ("seq", *YOUNGER)


def store(settings: Settings, table: Table, batch: int) -> None:
    ensure_tables(settings, [table])
    row = {f.name: SAMPLES[f.type] for f in table.fields} | {"seq": batch, "bucket": bucket_of("x", 8)}
    rows = pa.Table.from_pylist([row], schema=arrow.schema(table))
    commit_files(open_table(settings, table), table, write_files(settings, table, rows), "test", batch)


def test_a_column_that_is_declared_later_is_added_and_older_rows_hold_its_default(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    store(settings, OLDER, 1)
    store(settings, EVENTS, 2)
    files = list_files(open_table(settings, EVENTS))
    who = pa.table({"property": ["x"], "session_id": ["x"]})
    for rows in (read_rows(settings, EVENTS, files, NAMES), read_session_rows(settings, EVENTS, files, who, NAMES)):
        assert sorted(map(tuple, map(dict.values, rows.to_pylist()))) == [(1, 0, None), (2, 7, "x")]


def test_tables_as_declared_are_left_alone(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    store(settings, EVENTS, 1)
    before = open_table(settings, EVENTS).version()
    ensure_tables(settings, [EVENTS])
    assert open_table(settings, EVENTS).version() == before


def test_small_files_of_older_and_younger_versions_are_joined(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    for batch in range(1, 5):
        store(settings, OLDER if batch < 3 else EVENTS, batch)
    assert compact_table(settings, EVENTS, 1) > 0
    rows = read_table(settings, EVENTS, columns=NAMES)
    assert sorted(map(tuple, map(dict.values, rows.to_pylist())))[0] == (1, 0, None)
    assert len(rows) == 4
