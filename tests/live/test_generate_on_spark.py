"""The data set as a Spark job: the same sessions straight in the lake, however often it runs."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qoescope.catalog.tables import EVENTS
from qoescope.compile import fold
from qoescope.connect.lake.reading import read_table
from qoescope.settings import Settings

pytestmark = pytest.mark.live
SESSIONS = "200"


def generated(folder: Path, *more: str) -> None:
    command = [sys.executable, "-m", "qoescope.cli.app", "generate", "events", "--sessions", SESSIONS, "--days", "1"]
    ended = subprocess.run(
        [*command, *more], capture_output=True, text=True, check=False, timeout=600,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "QOESCOPE_VAR": str(folder)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def told(rows: pa.Table) -> list[tuple[object, ...]]:
    """The folded sessions in an order of their own."""
    sessions = fold.sessions(rows)
    with duckdb.connect() as engine:
        return engine.from_arrow(sessions).order("session_id").fetchall()


def test_a_spark_job_puts_the_same_sessions_into_the_lake_and_again_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    generated(tmp_path, "--master", "local[2]")
    generated(tmp_path, "--format", "parquet", "--out", str(tmp_path / "files"))
    first, files = read_table(settings, EVENTS), pq.read_table(tmp_path / "files" / "events.parquet")
    assert told(first) == told(files)
    assert first.group_by(list(EVENTS.key)).aggregate([]).num_rows == len(first)
    generated(tmp_path, "--master", "local[2]")
    assert len(read_table(settings, EVENTS)) == len(first)
