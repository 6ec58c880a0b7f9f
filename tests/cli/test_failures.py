"""An operator's mistake is one line that names the variable or the path, and never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from qoescope.cli.failures import explain_failure
from qoescope.settings import Settings

PORTS = [name for name in Settings.model_fields if name.endswith("_port")]


def run(*arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qoescope.cli.app", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    return subprocess.run(
        command, input=given, capture_output=True, text=True, check=False, env=environment, timeout=120
    )


@pytest.mark.parametrize(
    ("arguments", "name", "value", "says"),
    [
        ("status", "DOOR_PORT", "abc", "=abc; use a whole number from 0 to 65535"),
        ("console", "CONSOLE_PORT", "70000", "=70000; use a whole number from 0 to 65535"),
        ("collect", "DOOR_PORT", "70000", "=70000; use a whole number from 0 to 65535"),
        ("status", "KAFKA_OPTIONS", "{bad-secret", "; use a JSON object of texts"),
        ("status", "LAKE_OPTIONS", '{"key": ["bad-secret"]}', "; use a JSON object of texts"),
        ("status", "LAKE_BUCKETS", "0", "=0; use a whole number from 1 to 256"),
        ("status", "SMTP_TLS", "perhaps", "=perhaps; use true or false"),
        ("status", "SILENT_S", "soon", "=soon; use a number"),
    ],
)
def test_an_invalid_setting_is_named_with_what_it_may_be(
    arguments: str, name: str, value: str, says: str, tmp_path: Path
) -> None:
    done = run(arguments, QOESCOPE_VAR=str(tmp_path), **{f"QOESCOPE_{name}": value})
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"qoescope: invalid QOESCOPE_{name}{says}")
    assert "secret" not in line


def test_each_invalid_setting_has_its_line(tmp_path: Path) -> None:
    done = run("status", QOESCOPE_VAR=str(tmp_path), QOESCOPE_DOOR_PORT="-1", QOESCOPE_CONSOLE_PORT="x")
    assert [line.split("=")[0] for line in done.stderr.splitlines()] == [
        "qoescope: invalid QOESCOPE_DOOR_PORT",
        "qoescope: invalid QOESCOPE_CONSOLE_PORT",
    ]


@pytest.mark.parametrize("name", PORTS)
@pytest.mark.parametrize("value", [-1, 65_536])
def test_every_port_is_a_port(name: str, value: int) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({name: value})


@pytest.mark.parametrize("arguments", [("status",), ("up",), ("keys", "new", "z"), ("ledger",)])
def test_a_file_in_place_of_the_folder_of_all_state_is_named(arguments: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = run(*arguments, QOESCOPE_VAR=str(file))
    assert done.returncode == 2
    assert done.stderr == f"qoescope: {file} is not a folder: QOESCOPE_VAR names the folder of all state\n"


def test_a_folder_that_cannot_be_made_is_named() -> None:
    done = run("keys", "new", "z", QOESCOPE_VAR="/proc/x")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("qoescope: /proc/x")
    assert "QOESCOPE_VAR" in line


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError("Generic S3 error: error sending request for url"), "the lake's store does not answer"),
        (ConnectionRefusedError(111, "Connection refused"), "does not answer"),
        (OSError(28, "No space left on device", "/data/lake"), "/data/lake: No space left on device; make room"),
        (PermissionError(13, "Permission denied", "/data"), "/data: Permission denied"),
    ],
)
def test_what_a_machine_or_a_service_refuses_has_its_cause_and_a_next_step(error: Exception, says: str) -> None:
    line = explain_failure(error)
    assert line is not None
    assert says in line


def test_an_error_of_the_program_itself_stays_one() -> None:
    assert explain_failure(KeyError("x")) is None


@pytest.mark.parametrize("given", ["", "nonsense\n", '{"session": {}, "events": []}\n'])
def test_fold_of_nothing_readable_is_a_mistake(given: str, tmp_path: Path) -> None:
    done = run("fold", "-", given=given, QOESCOPE_VAR=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "qoescope: nothing in stdin could be read as a beacon"
