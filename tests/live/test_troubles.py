"""Full disks of Postgres, Kafka and the logs, and a record that nobody can bear: named, told, and nothing is lost."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

import faulty
import httpx
import pytest
from operated import BACK_S, Operated, full
from receivers import Receiver, http_receiver
from until import until

from qoescope.catalog.operations import QUARANTINE
from qoescope.connect.lake.reading import read_table
from qoescope.mart.jobs.ledger import check_books
from qoescope.settings import Settings
from qoescope.stack import assembly, children, demo, kafka, processes
from qoescope.stack import postgres as server

pytestmark = [pytest.mark.live, pytest.mark.skipif(not processes.is_root(), reason="only root can make a small disk")]
UP_S, TOLD_S = 600, 120
DISKS = {"postgres": "256m", "kafka": "64m", "log": "8m"}
PARTS = ("collect", "stream", "monitor")


class Running(Operated):
    """The stack of this module."""

    def back(self) -> None:
        """Waits until every part is ready again."""
        until(lambda: self.ready() == 200, BACK_S, "the streams are ready")
        until(lambda: {child.state for child in self.children} == {"ready"}, BACK_S, "every part is ready")

    def full(self, name: str) -> AbstractContextManager[None]:
        """The part's disk has no room left while the block runs."""
        return full(self.settings.var / name)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Postgres, Kafka, door, streams and monitor; Postgres, Kafka and the logs each on a small disk of their own.

    The streams cannot bear the events of one session.
    """
    folder = tmp_path_factory.mktemp("full_disks")
    with ExitStack() as opened:
        channel = opened.enter_context(http_receiver())
        yield from started(folder, channel, opened)


def started(folder: Path, channel: Receiver, opened: ExitStack) -> Iterator[Running]:
    """The stack, on disks that `opened` takes away."""
    settings = Settings(
        webhook_url=channel.url, var=folder / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0,
        console_port=0, stream_port=0, monitor_port=0, session_gap_s=5, sessions_every_s=1, quality_every_s=1,
        give_way_s=0, budget_events=100_000, budget_bytes=1e9, least_free_bytes=1_000_000, kafka_delivery_ms=3_000,
    )  # fmt: skip
    key = demo.door_key(settings)
    for name, size in DISKS.items():
        disk = settings.var / name
        disk.mkdir(parents=True)
        subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=True)
        opened.callback(subprocess.run, ["/bin/umount", "--lazy", str(disk)], check=True)
    changed = opened.enter_context(pytest.MonkeyPatch.context())
    changed.setattr(children, "STEADY_S", 0.0)  # parts end more than once: nobody waits longer for that
    placed, parts = opened.enter_context(assembly.run_parts(settings, PARTS, ["stream"]))
    command = [sys.executable, faulty.__file__, "stream"]
    parts["stream"].part = replace(parts["stream"].part, command=command)
    parts.start()
    parts.wait(PARTS, UP_S)
    running = Running(placed, parts, key, folder)
    running.channel = channel
    yield running


def named(running: Running, *words: str) -> Callable[[], bool]:
    """Whether `status` says each of these in a line, and that not all is well."""

    def said() -> bool:
        code, text = running.status()
        return code == 1 and all(any(word in line for line in text.splitlines()) for word in words)

    return said


def test_a_record_that_breaks_its_batch_is_told_and_the_stream_goes_on(running: Running) -> None:
    running.back()
    restarts, at = running.children["stream"].restarts, time.time_ns() // 1_000_000
    event = {"seq": 1, "at": at, "type": "heartbeat", "state": "playing", "state_ms": 10}
    for name in ("before", faulty.UNBEARABLE, "behind"):
        body = {"session": {"session_id": name, "started_at": at}, "events": [event]}
        key = {"authorization": f"Bearer {running.key}"}
        answer = httpx.post(f"{running.door}/v1/beacons", json=body, headers=key, timeout=60, trust_env=False)
        assert answer.json()["accepted"] == 1
    words = "has set 1 record that broke a batch aside, the last one at beacons partition"
    until(lambda: words in running.status()[1], TOLD_S, "status says so")
    assert (running.ready(), running.status()[0]) == (200, 0)
    metrics = httpx.get(f"http://127.0.0.1:{running.settings.stream_port}/metrics", trust_env=False).text
    assert 'qoescope_stream_set_aside{stream="events"} 1' in metrics
    until(lambda: running.heard("confirmed", words), TOLD_S, "the operators' channel is told")
    kept = read_table(running.settings, QUARANTINE, columns=["reason_kept", "record"]).to_pylist()[0]
    assert kept["reason_kept"] == "broken: OverflowError: int too big to convert"
    assert faulty.UNBEARABLE in kept["record"]
    sql = "select session_id from sessions where session_id in ('before', 'behind', %s) order by 1"
    until(lambda: running.rows(sql, faulty.UNBEARABLE) == [("before",), ("behind",)], BACK_S, "the others are measured")
    until(lambda: check_books(running.settings).ok, BACK_S, "the books agree", every_s=0.5)
    assert (running.children["stream"].restarts, running.children["stream"].state) == (restarts, "ready")


def test_a_full_disk_of_the_logs_is_named_and_stops_nobody(running: Running) -> None:
    running.back()
    restarts = {child.name: child.restarts for child in running.children}
    with running.full("log"):
        traffic = running.traffic(rate=200, seconds=3)
        until(lambda: running.ready() == 503, TOLD_S, "/readyz says that it is not ready")
        until(
            named(running, f"of disk left under {running.settings.var / 'log'} (disk-full)"), TOLD_S, "status names it"
        )
        running.holds(traffic)
    running.back()
    assert {child.name: child.restarts for child in running.children} == restarts
    assert running.status()[0] == 0


def test_a_full_disk_of_kafka_is_named_and_passes_by_itself(running: Running) -> None:
    running.back()
    streams = running.children["stream"].restarts
    with running.full("kafka"):
        traffic = running.traffic(rate=200, seconds=3)
        until(lambda: running.ready() == 503, TOLD_S, "/readyz says that it is not ready")
        until(
            named(running, f"of disk left under {kafka.folder(running.settings)} (disk-full)"),
            TOLD_S,
            "status names it",
        )
        until(lambda: running.children["kafka"].restarts > 0, TOLD_S, "the broker ends")
        until(lambda: "the disk is full" in running.children["kafka"].reason, TOLD_S, "its supervisor says why")
        until(named(running, "the disk is full"), TOLD_S, "and so does status")
    running.back()
    running.holds(traffic)
    assert running.children["stream"].restarts == streams
    assert running.status()[0] == 0


def test_a_full_disk_of_postgres_is_named_and_passes_by_itself(running: Running) -> None:
    running.back()
    streams = running.children["stream"].restarts
    with running.full("postgres"):
        traffic = running.traffic(rate=400, seconds=3)
        until(lambda: running.ready() == 503, TOLD_S, "/readyz says that it is not ready")
        disk = server.data_folder(running.settings).parent
        until(named(running, f"of disk left under {disk} (disk-full)", "disk of Postgres is full"), TOLD_S, "named")
    running.back()
    running.holds(traffic)
    assert running.children["stream"].restarts == streams
    assert running.status()[0] == 0
