"""Sessions on their way to Postgres: each in one part, by its last version, whatever a part may hold."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.compile import arrow, versions
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import File
from qoescope.connect.lake.writing import write_files
from qoescope.mart.jobs import quality
from qoescope.settings import Settings

AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
BUCKETS, SESSIONS = 5, 30


def placed(rows: pa.Table) -> pa.Table:
    """The rows in buckets by the length of their session's name: those of a session in one."""
    buckets = pa.array([len(name) % BUCKETS for name in rows["session_id"].to_pylist()], pa.int64())
    return rows.set_column(rows.column_names.index("bucket"), rows.schema.field("bucket"), buckets)


@pytest.fixture
def files(tmp_path: Path, events: Callable[..., pa.Table]) -> list[File]:
    """Two versions of each session."""
    settings = Settings(var=tmp_path)
    ensure_tables(settings, [SESSION_VERSIONS])
    begun = [("s" * n, 1, "playback_request", "idle", 0) for n in range(1, SESSIONS + 1)]
    ended = [("s" * n, 2, "playback_finish", "playing", 1000 * n) for n in range(1, SESSIONS + 1)]
    first = versions.versions(events(*begun), arrow.schema(SESSION_VERSIONS).empty_table(), AT)
    second = versions.versions(events(*begun, *ended), first, AT + timedelta(hours=1))
    return [f for rows in (first, second) for f in write_files(settings, SESSION_VERSIONS, placed(rows))]


@pytest.mark.parametrize(("most", "parts"), [(1000, 1), (24, 3), (12, 5), (5, 10)])
def test_each_session_comes_once_by_its_last_version(
    tmp_path: Path, files: list[File], monkeypatch: pytest.MonkeyPatch, most: int, parts: int
) -> None:
    """A bucket has 12 rows, two of each session; one that is more than a part may hold is read in pieces."""
    monkeypatch.setattr(quality, "ROWS_AT_ONCE", most)
    found = list(quality.read_latest(Settings(var=tmp_path), files))
    assert all(len(part) <= most for part in found)
    told = [(row["session_id"], row["version"], row["play_ms"]) for part in found for row in part.to_pylist()]
    assert sorted(told) == sorted(("s" * n, 2, 1000 * n) for n in range(1, SESSIONS + 1))
    assert len(found) == parts
