"""Imports from the command line: a verdict a file, and what cannot be read does not stop the others."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qoescope.catalog.data_set import COLUMNS
from qoescope.cli import app as commands

BAD_CSV = "session_id,user_id\nx,y\n"
CUT = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut"


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QOESCOPE_VAR", str(tmp_path / "var"))
    return tmp_path


@pytest.mark.parametrize("command", [("import", "csv"), ("batch", "import")])
def test_each_file_that_cannot_be_read_has_its_reason(var: Path, command: tuple[str, str]) -> None:
    (var / "other.csv").write_text(BAD_CSV)
    (var / "cut.csv.gz").write_bytes(CUT)
    (var / "archive.csv").write_bytes(b"PK\x03\x04 and so on")
    (var / "empty.csv").write_text("")
    names = ["other.csv", "cut.csv.gz", "archive.csv", "empty.csv", "missing.csv"]
    done = CliRunner().invoke(commands.app, [*command, *(str(var / name) for name in names), "--json"])
    assert done.exit_code == 2
    verdicts = {Path(verdict["file"]).name: verdict["error"] for verdict in json.loads(done.stdout)}
    assert list(verdicts) == names
    for name, word in zip(
        names, ("timestamp", "damaged or cut short", "zip archive", COLUMNS[0], "no file"), strict=True
    ):
        assert word in verdicts[name]
    assert done.stderr.count("qoescope: ") == len(names)


def test_standard_input_is_a_file_too(var: Path) -> None:
    done = CliRunner().invoke(commands.app, ["import", "csv", "-", "--json"], input=BAD_CSV)
    (verdict,) = json.loads(done.stdout)
    assert (done.exit_code, verdict["file"], "must name timestamp" in verdict["error"]) == (2, "-", True)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--format", "nginxx"), "did you mean 'nginx'"),
        (("--format", "fastly", "--layout", "$msec $request"), "no layout to choose"),
        (("--format", "nginx", "--layout", "$status"), "has no at"),
        ((), "no such file"),
    ],
)
def test_a_log_that_cannot_be_read_has_its_reason(var: Path, options: tuple[str, ...], why: str) -> None:
    done = CliRunner().invoke(commands.app, ["import", "cdn", str(var / "none.log"), *options])
    assert (done.exit_code, why in done.stderr, done.exception.__class__) == (2, True, SystemExit)
