"""Files: the same bytes for the same seed, whole or not at all, and one clear line for a mistake."""

import csv
import json
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from until import until

from qoescope.catalog.data_set import COLUMNS
from qoescope.catalog.errors import Mistake
from qoescope.compile import fold
from qoescope.compile.wire import Beacon
from qoescope.emit.jobs.answer_key import KEY_NAME
from qoescope.emit.jobs.csv import CSV_NAME, write_csv
from qoescope.emit.jobs.events import write_events

ROOT = Path(__file__).parents[2]


def written(folder: Path, **given: object) -> bytes:
    write_csv(folder, progress=False, **given)  # type: ignore[arg-type]
    return (folder / CSV_NAME).read_bytes() + (folder / KEY_NAME).read_bytes()


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(
    tmp_path: Path,
) -> None:
    one = written(tmp_path / "one", sessions=26_000, workers=1)
    two = written(tmp_path / "two", sessions=26_000, workers=2)
    assert one == two


def test_another_seed_gives_other_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a", sessions=300, seed=1) != written(tmp_path / "b", sessions=300, seed=2)


def test_the_csv_has_the_declared_columns_unique_ids_and_is_sorted_by_time(tmp_path: Path) -> None:
    written(tmp_path, sessions=5_000)
    with (tmp_path / CSV_NAME).open() as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    assert len({line["session_id"] for line in lines}) == len(lines) == 5_000
    times = [line["timestamp"] for line in lines]
    assert times == sorted(times)
    assert times[0] >= "2025-10-12"
    assert times[-1] < "2025-11-11"


def test_the_end_of_the_period_can_be_given(tmp_path: Path) -> None:
    made = write_csv(tmp_path, sessions=50, days=2, end=date(2026, 3, 1), progress=False)
    assert made.key["scenario"]["begin_at"] == "2026-02-27T00:00:00+00:00"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"sessions": -1}, "--sessions"),
        ({"days": 9_999}, "--days"),
        ({"seed": -1}, "--seed"),
        ({"workers": 0}, "--workers"),
        ({"random_faults": -2}, "--random-faults"),
        ({"faults": ["bad-encod"]}, "did you mean 'bad-encode'"),
    ],
)
def test_a_bad_argument_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path, given: dict[str, object], line: str
) -> None:
    with pytest.raises(Mistake, match=line):
        write_csv(tmp_path / "out", progress=False, **given)  # type: ignore[arg-type]
    assert not list(tmp_path.rglob("*.*"))


def test_a_folder_that_cannot_be_made_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Mistake, match="cannot make the folder"):
        write_csv(tmp_path / "file" / "out", sessions=10, progress=False)


def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path: Path) -> None:
    small = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "sys.argv = ['generate_telemetry.py', *sys.argv[1:]];"
        "import runpy; runpy.run_path('generate_telemetry.py', run_name='__main__')"
    )
    command = [sys.executable, "-c", small, "--sessions", "3000", "--out", str(tmp_path), "--workers", "1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "cannot write" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_told_to_end_leaves_no_half_file(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "generate_telemetry.py",
        "--sessions",
        "2000000",
        "--out",
        str(tmp_path),
        "--workers",
        "2",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        until(lambda: any(part.stat().st_size for part in tmp_path.glob("*.part")), 60, "rows are written")
        run.terminate()
        assert run.wait(60) == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


def test_the_seeds_own_door_prints_a_sample_and_what_was_injected(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "generate_telemetry.py",
        "--sessions",
        "200",
        "--out",
        str(tmp_path),
        "--fault",
        "bad-encode",
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Sample (first 5 rows)" in ended.stdout
    assert "device_type: smart_tv" in ended.stdout
    assert "bad-encode: content_id=content_42 & device_type=smart_tv" in ended.stdout
    assert "ios-slow-start" not in ended.stdout


def test_ndjson_holds_beacons_that_the_door_understands(tmp_path: Path) -> None:
    made = write_events(tmp_path, sessions=300, progress=False)
    lines = (tmp_path / "events.ndjson").read_bytes().splitlines()
    beacons = [msgspec.json.decode(line, type=Beacon) for line in lines]
    assert sum(len(beacon.events) for beacon in beacons) == made.events
    assert len({beacon.session.session_id for beacon in beacons}) == 300


def test_parquet_holds_the_events_in_the_lakes_shape(tmp_path: Path) -> None:
    made = write_events(tmp_path, format="parquet", sessions=300, progress=False)
    told = pq.read_table(tmp_path / "events.parquet")
    assert told.num_rows == made.events
    assert fold.sessions(told).num_rows == 300
    assert json.loads((tmp_path / KEY_NAME).read_text())["scenario"]["sessions"] == 300
