import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from qoescope.catalog.errors import UnknownName
from qoescope.settings import Settings
from qoescope.stack import assembly, private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_an_older_version_left_open_is_closed_at_the_next_start(tmp_path: Path) -> None:
    var = tmp_path / "var"
    (var / "lake" / "events").mkdir(parents=True, mode=0o755)
    part = var / "lake" / "events" / "part.parquet"
    script = var / "run.sh"
    for path, open_mode in ((part, 0o664), (script, 0o755)):
        path.touch()
        path.chmod(open_mode)
    assert private.secure(var) == 4
    assert (mode(part), mode(script), mode(part.parent), mode(var / "lake")) == (0o600, 0o700, 0o700, 0o700)
    assert mode(var) == (0o711 if os.geteuid() == 0 else 0o700)
    assert private.secure(var) == 0


def test_what_a_link_leads_to_is_left_alone(tmp_path: Path) -> None:
    outside, var = tmp_path / "outside", tmp_path / "var"
    outside.mkdir()
    (outside / "shared").touch(0o644)
    outside.chmod(0o755)
    var.mkdir()
    (var / "link").symlink_to(outside)
    (var / "file").symlink_to(outside / "shared")
    private.secure(var)
    assert (mode(outside), mode(outside / "shared")) == (0o755, 0o644)


def test_what_a_command_writes_is_for_who_runs_it_whatever_the_shell_says(tmp_path: Path) -> None:
    command = ["generate", "csv", "--sessions", "20", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "qoescope.cli.app", *command], umask=0o000, check=False, capture_output=True, text=True,
        cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {mode(path) & private.OTHERS for path in tmp_path.rglob("*")} == {0}


def test_a_part_that_is_none_is_said_with_those_that_are(tmp_path: Path) -> None:
    jars = tmp_path / "jars" / "broker"
    jars.mkdir(parents=True)
    (jars / "kafka_2.13-0.jar").touch()
    settings = Settings(var=tmp_path / "var", jars=tmp_path / "jars")
    with pytest.raises(UnknownName, match=r"unknown part 'collector': did you mean 'collect'\?"):
        assembly.parts(settings, ["collector"])
    with pytest.raises(UnknownName, match="known: airflow, collect, console, kafka, monitor, postgres, stream"):
        assembly.parts(settings, ["x"])
