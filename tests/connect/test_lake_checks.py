"""A question makes no lake, and a lake keeps its number of buckets."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from qoescope.catalog.errors import Mistake
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.compile.buckets import bucket_of
from qoescope.connect.lake.checks import check_buckets, require_lake
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import commit_files, write_files
from qoescope.settings import Settings

AT = {"text": "x", "int": 7, "float": 1.0, "bool": False, "instant": datetime(2026, 1, 2, tzinfo=UTC),
      "day": date(2026, 1, 2)}  # fmt: skip


def stored(settings: Settings, sessions: int) -> None:
    ensure_tables(settings, [EVENTS])
    rows = [
        {f.name: AT[f.type] for f in EVENTS.fields}
        | {"session_id": f"s{n}", "bucket": bucket_of(f"s{n}", settings.lake_buckets)}
        for n in range(sessions)
    ]
    files = write_files(settings, EVENTS, pa.Table.from_pylist(rows, schema=arrow.schema(EVENTS)))
    commit_files(open_table(settings, EVENTS), EVENTS, files, "test", 1)


def test_where_there_is_no_lake_nothing_is_made(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path / "var", lake=str(tmp_path / "none"))
    with pytest.raises(Mistake, match=rf"there is no lake at {tmp_path}/none: .*QOESCOPE_LAKE"):
        require_lake(settings, EVENTS)
    assert list(tmp_path.iterdir()) == []
    ensure_tables(settings, [EVENTS])
    require_lake(settings, EVENTS)


@pytest.mark.parametrize("made", [1, 4, 8, 12])
@pytest.mark.parametrize("asked", [1, 4, 8, 16, 256])
def test_another_number_of_buckets_is_named(tmp_path: Path, made: int, asked: int) -> None:
    stored(Settings(var=tmp_path, lake_buckets=made), 60)
    settings = Settings(var=tmp_path, lake_buckets=asked)
    if made == asked:
        ensure_tables(settings, [EVENTS])
        return
    with pytest.raises(Mistake, match=rf"QOESCOPE_LAKE_BUCKETS={asked} is not .* with, which is {made}: "):
        ensure_tables(settings, [EVENTS])


def test_a_file_that_cannot_be_read_is_the_ledgers_to_name(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    stored(settings, 20)
    for path in Path(tmp_path, "lake", EVENTS.name).rglob("*.parquet"):
        path.write_bytes(b"")
    check_buckets(settings.model_copy(update={"lake_buckets": 16}), EVENTS, open_table(settings, EVENTS))
