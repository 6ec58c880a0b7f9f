"""What keeps the streams from working is named, makes them not ready everywhere, and passes; one owner a state."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest
from damages import DAMAGES, newest
from operated import BACK_S, Operated, full
from receivers import http_receiver
from until import until

from qoescope.connect import checkpoints, health, locks, postgres
from qoescope.settings import Settings, environment
from qoescope.stack import assembly, children, demo, processes

pytestmark = pytest.mark.live
UP_S, TOLD_S = 600, 120
DISK = "96m"


class Running(Operated):
    """The stack of this module."""

    def said(self, name: str = "stream") -> str:
        """The log of a part."""
        return self.children.log_path(name).read_text()

    def back(self) -> None:
        """Waits until the streams are ready again."""
        until(lambda: self.ready() == 200 and self.children["stream"].state == "ready", BACK_S, "streams are ready")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Postgres, Kafka, door, streams and monitor; the lake and the checkpoints on a small disk of their own."""
    folder = tmp_path_factory.mktemp("health")
    disk = folder / "disk"
    disk.mkdir()
    if processes.is_root():
        subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)], check=True)
    hook = ExitStack()
    channel = hook.enter_context(http_receiver())
    settings = Settings(
        webhook_url=channel.url,
        var=folder / "var",
        postgres_port=0,
        broker_port=0,
        airflow_port=0,
        door_port=0,
        console_port=0,
        stream_port=0,
        monitor_port=0,
        lake=str(disk / "lake"),
        checkpoints=str(disk / "checkpoints"),
        session_gap_s=5,
        sessions_every_s=1,
        quality_every_s=1,
        give_way_s=0,
        budget_events=100_000,
        budget_bytes=1e9,
        least_free_bytes=0,
    )
    key = demo.door_key(settings)
    try:
        with pytest.MonkeyPatch.context() as changed:
            changed.setattr(children, "STEADY_S", 0.0)
            with assembly.run_parts(settings, ["collect", "stream", "monitor"]) as (placed, parts):
                parts.wait(["collect", "stream", "monitor"], UP_S)
                stack = Running(placed, parts, key, folder)
                stack.channel = channel
                yield stack
    finally:
        hook.close()
        if processes.is_root():
            subprocess.run(["/bin/umount", str(disk)], check=True)


def command(running: Running, name: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The part's own command, started once more beside the one that runs."""
    variables = {
        **running.children["stream"].part.environment,
        "QOESCOPE_STREAM_PORT": "0",
        "QOESCOPE_MONITOR_PORT": "0",
        **more,
    }
    return subprocess.run(
        [sys.executable, "-m", "qoescope.cli.app", name],
        env=environment(variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=UP_S,
    )


@pytest.mark.parametrize("name", ["stream", "monitor"])
def test_a_second_process_on_the_same_state_stops_at_once_and_names_the_owner(running: Running, name: str) -> None:
    process, restarts = running.children[name].process, running.children[name].restarts
    assert process is not None
    second = command(running, name)
    assert second.returncode == 2
    assert f"is owned by process {process.pid} since" in second.stderr.splitlines()[-1]
    assert "Traceback" not in second.stderr
    assert (running.children[name].restarts, running.children[name].state) == (restarts, "ready")


@pytest.mark.parametrize("name", ["stream", "monitor"])
def test_also_where_they_share_no_folder(running: Running, name: str, tmp_path: Path) -> None:
    process = running.children[name].process
    assert process is not None
    dsn = postgres.dsn(running.settings, "writer")
    second = command(running, name, QOESCOPE_VAR=str(tmp_path), QOESCOPE_WRITER_DSN=dsn)
    assert second.returncode == 2
    assert f"is owned by process {process.pid} since" in second.stderr.splitlines()[-1]


def test_a_restatement_beside_one_of_the_same_day_stops_at_once(running: Running) -> None:
    with locks.Lease(running.settings, "the restatement of 2099-01-02"):
        second = running.command("batch", "restate", "2099-01-02")
    assert second.returncode == 2
    assert f"the restatement of 2099-01-02 is owned by process {os.getpid()} since" in second.stderr


@pytest.mark.skipif(not processes.is_root(), reason="only root can make a small disk")
def test_a_full_disk_is_named_makes_not_ready_and_goes_on_by_itself_once_there_is_room(running: Running) -> None:
    running.back()
    restarts = running.children["stream"].restarts
    with full(running.folder / "disk"):
        traffic = running.traffic(rate=200, seconds=4)
        until(lambda: running.ready() == 503, TOLD_S, "/readyz says that it is not ready")
        until(lambda: running.children["stream"].state == "failing", TOLD_S, "its supervisor knows")
        (code, words) = running.status()
        assert code == 1
        named = [line for line in words.splitlines() if line.startswith("stream: ") and "the disk is full: " in line]
        assert named, words
        until(lambda: running.heard("confirmed", "the disk is full"), TOLD_S, "the operators' channel is told")
        lines = [line for line in running.said().splitlines() if " stopped: " in line]
        assert lines
        assert all("Python Proxy" not in line for line in lines)
        assert any("the disk is full" in line and "docs/operators.md#disk-full" in line for line in lines)
    running.back()
    running.holds(traffic)
    assert running.children["stream"].restarts == restarts
    code, words = running.status()
    assert code == 0, words
    until(lambda: running.heard("closed", "the disk is full"), 2 * TOLD_S, "and that it is over")


@pytest.mark.parametrize(
    ("damage", "kind", "committed"),
    [("empty", "offsets", True), ("cut", "offsets", False), ("last line gone", "commits", True)],
)
def test_a_damaged_checkpoint_is_named_and_repaired_without_loss_or_repeat(
    running: Running, kind: str, damage: str, committed: bool
) -> None:
    running.back()
    traffic = running.traffic(rate=300, seconds=2)
    until(lambda: traffic.sent.acknowledged > 200, BACK_S, "traffic flows")
    child = running.children["stream"]
    restarts, process = child.restarts, child.process
    assert process is not None
    os.killpg(process.pid, signal.SIGSTOP)
    folder = Path(checkpoints.location(running.settings, "events"))
    damaged = newest(folder / kind)
    if not committed and kind == "offsets":
        newest(folder / "commits").unlink()
    DAMAGES[damage](damaged)
    said = len(running.said())
    os.killpg(process.pid, signal.SIGKILL)
    until(lambda: child.restarts > restarts, BACK_S, "it is started again")
    lines = until(
        lambda: [line for line in running.said()[said:].splitlines() if "the checkpoint is damaged" in line], BACK_S
    )
    assert f"{kind}/{damaged.name}" in lines[0]
    assert "run `qoescope repair events`" in lines[0]
    until(lambda: running.ready() == 503, TOLD_S, "it is not ready")
    assert running.command("repair", "events").returncode == 1  # asks first, and nobody answers
    repaired = running.command("repair", "events", "--yes")
    assert repaired.returncode == 0, repaired.stderr
    assert f"{kind}/{damaged.name}" in repaired.stdout
    running.back()
    running.holds(traffic)
    books = [json.loads(line) for line in (folder.parent / "repairs.jsonl").read_text().splitlines()]
    assert f"{kind}/{damaged.name}" in books[-1]["damages"][0]
    assert Path(books[-1]["set_aside"]).is_dir()


def test_a_process_that_ends_again_and_again_is_not_ready_and_named(running: Running) -> None:
    running.back()
    child = running.children["stream"]

    def told() -> bool:
        process = child.process
        if process is not None and process.poll() is None and child.state != "restarting":
            os.killpg(process.pid, signal.SIGKILL)
        return "times within 5 minutes" in running.status()[1]

    until(told, BACK_S, "the restarts are named", every_s=1)
    assert running.status()[0] == 1
    running.back()


def test_a_frozen_process_is_told_by_its_silence_and_loses_nothing(running: Running) -> None:
    running.back()
    process = running.children["stream"].process
    assert process is not None
    traffic = running.traffic(rate=200, seconds=4)
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        until(lambda: "is frozen or gone" in running.status()[1], TOLD_S, "status says so")
        assert running.status()[0] == 1
        until(lambda: running.children["stream"].state == "failing", TOLD_S, "its supervisor knows")
        traffic.finished()
    finally:
        os.killpg(process.pid, signal.SIGCONT)
    running.back()
    running.holds(traffic)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_of_the_whole_process_group_is_clean(running: Running, number: signal.Signals) -> None:
    """As systemd and `timeout` do it: Spark's own processes are signalled, too."""
    running.back()
    traffic = running.traffic(rate=300, seconds=3)
    until(lambda: traffic.sent.acknowledged > 200, BACK_S, "traffic flows")
    child = running.children["stream"]
    process, restarts, said = child.process, child.restarts, len(running.said())
    assert process is not None
    os.killpg(process.pid, number)
    until(lambda: child.restarts > restarts, BACK_S, "it stops, and its supervisor starts it again")
    assert process.returncode == 0
    assert "Traceback" not in running.said()[said:]
    running.back()
    assert cast("health.PartHealth", health.read_file(health.path(running.settings, "stream"))).state == "running"
    running.holds(traffic)
