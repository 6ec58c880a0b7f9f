import json
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qoescope.catalog.errors import Mistake
from qoescope.cli import app as commands
from qoescope.cli.questions import parse_between, parse_where

NOW = datetime(2026, 1, 2, 20, 14, tzinfo=UTC)
HEAVY = ("pyspark", "pyarrow", "psycopg", "confluent_kafka", "airflow", "pydantic_settings", "numpy", "dash", "httpx")


def run(*arguments: str, given: str = "", var: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "QOESCOPE_VAR": str(var or "/nonexistent")}
    command = [sys.executable, "-m", "qoescope.cli.app", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=environment)


def test_help_loads_nothing_heavy() -> None:
    script = f"import sys; from qoescope.cli import app; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_lists_every_command_with_a_line() -> None:
    text = CliRunner().invoke(commands.app, ["--help"]).stdout
    names = "demo up status generate collect stream batch monitor console ask ledger explain keys bench fold cmcd"
    for name in names.split():
        (said,) = [line for line in text.splitlines() if line.startswith(f"  {name} ")]
        assert len(said.split()) > 2


def test_the_version_is_said() -> None:
    assert run("--version").stdout == f"qoescope {metadata.version('qoescope')}\n"


def test_a_shell_completes_commands() -> None:
    asked = {"_QOESCOPE_COMPLETE": "complete_bash", "COMP_WORDS": "qoescope le", "COMP_CWORD": "1"}
    program = "import sys; sys.argv[0] = 'qoescope'; from qoescope.cli.app import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=asked)
    assert done.stdout.split() == ["ledger"]


def test_a_mistake_is_one_line_and_exit_code_2() -> None:
    done = run("ask", "rebufer_ratio")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "qoescope: unknown metric 'rebufer_ratio': did you mean 'rebuffer_ratio'?\n"


def test_a_measurement_takes_its_own_options() -> None:
    done = run("bench", "incidnts", "--seeds", "1")
    assert done.stderr == "qoescope: unknown measurement 'incidnts': did you mean 'incidents'?\n"


def test_a_stack_that_does_not_run_is_said_so(tmp_path: Path) -> None:
    done = run("ask", "rebuffer_ratio", var=tmp_path)
    assert done.returncode == 2
    assert "`qoescope up`" in done.stderr
    assert json.loads(run("status", "--json", var=tmp_path).stdout)["running"] is False


def test_fold_gives_a_row_a_session_and_counts_what_it_did_not_understand() -> None:
    context = {"session_id": "s1", "viewer_id": "v9", "device_type": "smart_tv", "said_by_a_newer_player": 1}
    first = [{"seq": 1, "at": 1762000000000, "type": "playback_request", "state": "idle", "state_ms": 0},
             {"seq": 2, "at": 1762000000900, "type": "playback_start", "state": "starting", "state_ms": 900},
             {"seq": 3, "at": 1762000008900, "type": "playback_stall", "state": "playing", "state_ms": 8000},
             {"seq": 4, "at": 1762000009400, "type": "playback_start", "state": "stalled", "state_ms": 500},
             ]  # fmt: skip
    rest = [{"seq": 5, "at": 1762000013400, "type": "playback_finish", "state": "playing", "state_ms": 4000},
            {"seq": 6, "at": -1}]  # fmt: skip
    lines = [json.dumps({"session": context, "events": events}) for events in (rest, first)]
    done = run("fold", "-", given="\n".join([*lines, "nonsense", ""]))
    (row,) = [json.loads(text) for text in done.stdout.splitlines()]
    assert done.returncode == 0
    assert (row["session_id"], row["viewer_id"], row["device_type"]) == ("s1", "v9", "smart_tv")
    assert (row["is_play"], row["startup_ms"], row["stall_ms"], row["play_ms"]) == (True, 900, 500, 12_000)
    assert "line 1, event 1" in done.stderr
    assert "line 3: " in done.stderr
    assert "3 lines, 5 events, 2 not understood, 1 sessions" in done.stderr


def test_cmcd_travels_there_and_back() -> None:
    decoded = run("cmcd", "decode", "--version", "1", given='br=3200,bs,sid="a-b"\n')
    assert json.loads(decoded.stdout) == {"br": 3200, "bs": True, "sid": "a-b"}
    assert run("cmcd", "encode", "--version", "1", given=decoded.stdout).stdout == 'br=3200,bs,sid="a-b"\n'


def test_a_record_that_is_none_makes_the_exit_code_1() -> None:
    assert run("cmcd", "decode", "br=,,").returncode == 1


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1h", "2026-01-02T19:00:00+00:00", "2026-01-02T21:00:00+00:00"),
        ("24h", "2026-01-01T20:00:00+00:00", "2026-01-02T21:00:00+00:00"),
        ("7d", "2025-12-26T20:00:00+00:00", "2026-01-02T21:00:00+00:00"),
        ("2026-01-01", "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
        ("2026-01-01..2026-01-02T12:00+02:00", "2026-01-01T00:00:00+00:00", "2026-01-02T12:00:00+02:00"),
        ("2026-01-01..", "2026-01-01T00:00:00+00:00", "2026-01-02T20:14:00+00:00"),
    ],
)
def test_times_are_said_as_spans_or_from_to(text: str, first: str, last: str) -> None:
    assert parse_between(text, NOW) == (datetime.fromisoformat(first), datetime.fromisoformat(last))


@pytest.mark.parametrize("text", ["", "h", "0d", "yesterday", "..", "2026-13-01"])
def test_a_time_that_is_none_says_how_to_say_it(text: str) -> None:
    with pytest.raises(Mistake, match=r"invalid time .*; use 24h"):
        parse_between(text, NOW)


def test_filters_name_a_dimension_and_values_or_exclude_them() -> None:
    assert parse_where(["device_type:tv,web", "!country_code:US"]) == {
        "device_type": ["tv", "web"],
        "!country_code": ["US"],
    }
    with pytest.raises(Mistake, match="device_type=tv"):
        parse_where(["device_type=tv"])
