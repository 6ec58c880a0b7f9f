"""bin/beside: a command beside busy loops that end with it."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from until import until

BESIDE = str(Path(__file__).parents[2] / "bin" / "beside")
SOON_S = 60


def loops(beside: subprocess.Popen[str], command: int) -> list[psutil.Process]:
    """The busy loops of this run."""
    return [child for child in psutil.Process(beside.pid).children() if child.pid != command]


@pytest.mark.parametrize("code", [0, 3])
def test_it_ends_as_its_command_does(code: int) -> None:
    assert subprocess.run([BESIDE, "1", "sh", "-c", f"exit {code}"], timeout=SOON_S, check=False).returncode == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_its_loops_are_busy_while_the_command_runs_and_end_with_it_however_it_ends(number: signal.Signals) -> None:
    with subprocess.Popen(
        [BESIDE, "2", "sh", "-c", "echo $$; exec sleep 600"], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        command = int(run.stdout.readline())
        busy = until(lambda: found if len(found := loops(run, command)) == 2 else None, SOON_S)
        until(lambda: all(sum(loop.cpu_times()[:2]) > 0.1 for loop in busy), SOON_S, "they take the processor")
        run.send_signal(number)
        if number == signal.SIGTERM:
            assert run.wait(SOON_S) == 128 + signal.SIGTERM
            assert not psutil.pid_exists(command)
        else:
            assert run.wait(SOON_S) == -signal.SIGKILL
            os.kill(command, signal.SIGKILL)
        until(lambda: not any(psutil.pid_exists(loop.pid) for loop in busy), SOON_S, "they end with it")
