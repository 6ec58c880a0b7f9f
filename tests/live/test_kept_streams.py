"""A stream that is kept running, alone: how it stops, what it says of damage, how it goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from damages import DAMAGES, newest
from until import until

from qoescope.connect import checkpoints, health, readiness
from qoescope.connect.health import LoopHealth
from qoescope.settings import Settings, environment
from qoescope.stack import processes

pytestmark = pytest.mark.live
UP_S, SOON_S = 300, 180
DRIVER = """
import logging
from qoescope.cli.terminal import log_to_stderr
from qoescope.connect import spark, streams
from qoescope.connect.health import HealthBoard
from qoescope.settings import Settings
from qoescope.stack import signals

log_to_stderr()
settings, stopping = Settings(), signals.stop_event()

def write(batch, number):
    rows = batch.count()
    with (settings.var / "batches").open("a") as out:
        out.write(f"{number} {rows}\\n")

with HealthBoard(settings, "rate", ["rate"]) as board:
    session = spark.open_session(settings)

    def start():
        frame = session.readStream.format("rate").option("rowsPerSecond", 20).load()
        return streams.start_query(frame, settings, "rate", 0.2, write)

    spark.keep_running([spark.Stream("rate", start, warms_up=True)], stopping, board, settings)
    spark.stop(session)
"""


@contextmanager
def driver(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The stream in a process group of its own; killed at the end, if it still runs."""
    variables = {
        "QOESCOPE_VAR": str(settings.var),
        "QOESCOPE_CHECKPOINTS": settings.checkpoints,
        "QOESCOPE_LEAST_FREE_BYTES": "0",
        "QOESCOPE_SPARK_MEMORY": "512m",
    }
    settings.var.mkdir(parents=True, exist_ok=True)
    with (settings.var / "log").open("ab") as out:
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it inherits what `nohup make test` ignores
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER], env=environment(variables), stdout=out, stderr=out, start_new_session=True
        )
        signal.signal(signal.SIGHUP, before)
    try:
        yield process
    finally:
        processes.kill_group(process.pid)
        process.wait(SOON_S)


def said(settings: Settings) -> str:
    """Its log."""
    return (settings.var / "log").read_text()


def loop(settings: Settings) -> LoopHealth:
    """What it tells of its stream."""
    told = health.read_file(health.path(settings, "rate"))
    return told.loops[0] if told is not None else LoopHealth("rate")


def is_ready(settings: Settings) -> bool:
    """Whether it is ready now."""
    told = health.read_file(health.path(settings, "rate"))
    return told is not None and readiness.is_ready(told, time.time(), readiness.readiness_limits(settings))


def batches(settings: Settings) -> int:
    """How many batches it has written."""
    path = settings.var / "batches"
    return len(path.read_text().splitlines()) if path.exists() else 0


def goes_on(settings: Settings, beyond: int) -> None:
    """Waits until it is ready and writes batches again."""
    until(lambda: batches(settings) > beyond + 1 and is_ready(settings), UP_S, "it writes batches")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stop_of_the_whole_process_group_is_clean(tmp_path: Path, number: signal.Signals) -> None:
    """As systemd, `timeout` and a closed terminal do it: the JVM is signalled, too."""
    settings = Settings(var=tmp_path / "var")
    with driver(settings) as process:
        goes_on(settings, 0)
        os.killpg(process.pid, number)
        assert process.wait(SOON_S) == 0
        assert processes.descendants(process.pid) == []
    assert "Traceback" not in said(settings)
    assert "ERROR" not in said(settings)
    told = health.read_file(health.path(settings, "rate"))
    assert told is not None
    assert told.state == "stopped"


def test_a_frozen_process_goes_on_and_stops_cleanly(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path / "var")
    with driver(settings) as process:
        goes_on(settings, 0)
        os.killpg(process.pid, signal.SIGSTOP)
        until(lambda: not is_ready(settings), SOON_S, "its silence is noticed")
        before = batches(settings)
        os.killpg(process.pid, signal.SIGCONT)
        goes_on(settings, before)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(SOON_S) == 0
    assert "Traceback" not in said(settings)


def test_each_damage_of_a_checkpoint_is_named_with_its_file_and_passes_by_a_repair_while_it_runs(
    tmp_path: Path,
) -> None:
    """One checkpoint after the other is damaged, by a process that was killed; the next process is repaired."""
    settings = Settings(var=tmp_path / "var")
    folder = Path(checkpoints.location(settings, "rate"))
    with driver(settings) as process:
        goes_on(settings, 0)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(SOON_S)
    for kind in ("offsets", "commits"):
        for damage in DAMAGES.values():
            damaged = newest(folder / kind)
            damage(damaged)
            before, heard = batches(settings), len(said(settings))
            with driver(settings) as process:
                until(lambda: loop(settings).failures > 0, UP_S, "it says that it cannot start")
                assert loop(settings).cause.startswith(f"the checkpoint is damaged: {kind}/{damaged.name} ")
                assert loop(settings).cause.endswith("run `qoescope repair rate`")
                assert "Traceback" not in said(settings)[heard:]
                with checkpoints.own_soon(settings, "rate", SOON_S):
                    checkpoints.set_aside(settings, "rate")
                goes_on(settings, before)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(SOON_S)
    assert len((folder.parent / "repairs.jsonl").read_text().splitlines()) == 2 * len(DAMAGES)
