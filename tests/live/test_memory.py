"""Memory: very many sessions that fall silent at once are closed within a bound of each process."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
import psutil
import pytest
from until import until

from qoescope.catalog.topics import BEACONS_TOPIC, TICK_PROPERTY
from qoescope.connect import kafka, postgres
from qoescope.mart.jobs.ledger import check_books
from qoescope.settings import Settings
from qoescope.stack import assembly
from qoescope.stack.children import Children

pytestmark = pytest.mark.live
UP_S, SETTLED_S = 900, 1800
SESSIONS = 200_000
PYTHON_MB, TREE_MB = 700, 2_600
"""Of each Python process; of all that the stream starts, with the JVM's heap of 2 GB."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Children]]:
    """Postgres, Kafka and the streams."""
    settings = Settings(
        var=tmp_path_factory.mktemp("memory") / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0,
        console_port=0, give_way_s=0,
    )  # fmt: skip
    with assembly.run_parts(settings, ["stream"]) as (placed, children):
        children.wait([child.name for child in children], UP_S)
        yield placed, children


class Watch:
    """The most memory of each Python process below one, and of the whole tree, in MB."""

    def __init__(self, pid: int) -> None:
        self.root, self.python, self.tree = psutil.Process(pid), 0, 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.2):
            whole = 0
            for one in (self.root, *self.root.children(recursive=True)):
                with suppress(psutil.Error):
                    size = one.memory_full_info().uss >> 20
                    whole += size
                    self.python = max(self.python, size if "java" not in one.name() else 0)
            self.tree = max(self.tree, whole)


def record(number: int, at: int) -> tuple[bytes, bytes]:
    """(key, value): a session of two events in one beacon."""
    name = f"m{number:031x}"
    context = {"session_id": name, "viewer_id": f"v1:{number:032x}", "started_at": at - 2000, "device_type": "web",
               "isp": ("kt", "cox")[number % 2], "cdn": "a", "content_id": f"t{number % 300}"}  # fmt: skip
    events = [{"seq": 1, "at": at - 2000, "type": "playback_request", "state": "idle", "state_ms": 0},
              {"seq": 2, "at": at - 1000, "type": "playback_start", "state": "starting", "state_ms": 900}]  # fmt: skip
    counts = {"received": 2, "accepted": 2, "duplicate": 0, "invalid": 0, "filtered": 0}
    return name.encode(), msgspec.json.encode(
        {"property": "app", "received_at": at, "sent_at": at, "counts": counts, "session": context, "events": events}
    )


def tick(settings: Settings, at: int) -> None:
    log = kafka.RecordProducer(settings)
    told = msgspec.json.encode({"tick": True, "property": TICK_PROPERTY, "received_at": at, "rate_limited": []})
    for partition in log.partitions(BEACONS_TOPIC.name, 10):
        log.send(BEACONS_TOPIC.name, told, lambda *_: None, partition=partition)
    log.flush(30)


def count(settings: Settings, question: str) -> int:
    with postgres.connect(settings, "writer") as connection:
        row = connection.execute(question.encode()).fetchone()
    return int(row[0]) if row else 0


def test_very_many_sessions_that_fall_silent_at_once_are_closed_within_their_memory(
    running: tuple[Settings, Children],
) -> None:
    settings, children = running
    process = children["stream"].process
    assert process is not None
    at = int((datetime.now(UTC) - timedelta(hours=2)).timestamp() * 1000)
    log = kafka.RecordProducer(settings)
    for number in range(SESSIONS):
        key, value = record(number, at)
        while not log.send(BEACONS_TOPIC.name, value, lambda *_: None, key):
            log.poll(0.1)
        log.poll()
    assert log.flush(120) == 0
    stored = "select coalesce(sum(lake), 0) from outcomes"
    until(lambda: count(settings, stored) == 2 * SESSIONS, SETTLED_S, "all is in the lake", every_s=1)
    assert count(settings, "select count(*) from sessions") == 0
    with Watch(process.pid) as memory:
        tick(settings, at + 10 * 60_000)
        until(lambda: count(settings, "select count(*) from sessions") == SESSIONS, SETTLED_S, "all close", every_s=1)
    assert memory.python <= PYTHON_MB
    assert memory.tree <= TREE_MB
    assert count(settings, "select sum(event_count) from sessions") == 2 * SESSIONS
    until(lambda: check_books(settings).ok, SETTLED_S, "the books agree", every_s=2)
    print(f"a Python process {memory.python} MB at most, the tree {memory.tree} MB")  # noqa: T201
