"""The log is made again under the stream: refused by name; with a flag read on, and what is gone is booked as lost."""

import os
import re
import signal
import time
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic
from until import until
from whole_stack import Stack

from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect import kafka, postgres
from qoescope.connect.lake.reading import read_table
from qoescope.connect.topic_history import read_history
from qoescope.mart.jobs.ledger import check_books
from qoescope.settings import Settings
from qoescope.stack import assembly, children, demo, progress

pytestmark = pytest.mark.live
UP_S, BACK_S = 600, 600


class Log(Stack):
    """The stack, and its log in the hands of somebody careless."""

    def made_again(self, partitions: int) -> None:
        """Deletes the topic, and makes it with so many partitions, before the door can make it itself."""
        before, admin = kafka.topic_ids(self.settings, BEACONS_TOPIC.name), self.admin()
        self.signalled("collect", signal.SIGSTOP)
        admin.delete_topics([BEACONS_TOPIC.name])[BEACONS_TOPIC.name].result()

        def made() -> bool:
            made = admin.create_topics([NewTopic(BEACONS_TOPIC.name, num_partitions=partitions)])[BEACONS_TOPIC.name]
            return made.exception() is None

        until(made, BACK_S, "the topic is made again")

        def known() -> bool:
            try:
                return kafka.topic_ids(self.settings, BEACONS_TOPIC.name) != before
            except kafka.AWAY:  # not yet
                return False

        until(known, BACK_S, "it is another one")
        self.signalled("collect", signal.SIGCONT)

    def admin(self) -> AdminClient:
        """Who makes and deletes topics."""
        return AdminClient({"bootstrap.servers": self.settings.brokers})

    def post(self, session_id: str, events: int = 1) -> None:
        """A beacon that is answered, perhaps not at once."""
        at = time.time_ns() // 1_000_000
        told = [{"seq": seq, "at": at, "type": "heartbeat", "state": "playing", "state_ms": 10} for seq in
                range(1, events + 1)]  # fmt: skip
        body = {"session": {"session_id": session_id, "device_type": "web"}, "events": told}
        headers = {"authorization": f"Bearer {self.key}"}

        def answered() -> bool:
            answer = httpx.post(f"{self.door}/v1/beacons", json=body, headers=headers, timeout=60, trust_env=False)
            return answer.status_code == 200

        until(answered, BACK_S, "the door answers")

    def sessions(self) -> set[str]:
        """Sessions of which the lake has an event."""
        return set(read_table(self.settings, EVENTS, columns=["session_id"])["session_id"].to_pylist())

    def signalled(self, name: str, number: signal.Signals) -> None:
        """Sends a part a signal, and all that it started."""
        process = self.children[name].process
        assert process is not None
        os.killpg(process.pid, number)

    def said(self) -> list[str]:
        """The stream's log."""
        return self.children.log_path("stream").read_text().splitlines()

    def tell(self, **variables: str) -> None:
        """What the stream is told at its next start."""
        environment = cast("dict[str, str]", self.children["stream"].part.environment)
        for name in ("QOESCOPE_SKIP_LOST_RECORDS", "QOESCOPE_NEW_CHECKPOINT"):
            environment.pop(name, None)
        environment.update(variables)

    def read(self) -> None:
        """Waits until the lake holds the log to its present end."""
        ends = progress.log_ends(self.settings)

        def there() -> bool:
            with postgres.connect(self.settings, "writer") as connection:
                return not progress.lag(ends, progress.lake_offsets(connection))

        until(there, BACK_S, "the lake reads the log to its end")

    def unread(self) -> int:
        """Records that collectors answered for, by their own word, and that the lake does not have."""
        with postgres.connect(self.settings, "writer") as connection:
            known = read_history(connection, BEACONS_TOPIC.name)
        return sum(map(known.unread, known.shifts))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """Postgres, Kafka, door and streams; nothing is in the log yet."""
    folder = tmp_path_factory.mktemp("another_topic")
    settings = Settings(
        var=folder / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0, console_port=0,
        session_gap_s=5, sessions_every_s=1, quality_every_s=1, give_way_s=0, door_refresh_s=0.5,
    )  # fmt: skip
    key = demo.door_key(settings)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(children, "STEADY_S", 0.0)  # the stream ends more than once: it waits no longer for that
        with assembly.run_parts(settings, ["collect", "stream"]) as (placed, parts):
            parts.wait(["postgres", "kafka", "collect", "stream"], UP_S)
            yield Log(placed, parts, key, folder)


def lost(log: Log) -> dict[str, Any]:
    rows = log.rows(
        "select kafka_partition, lost from stream_offsets where topic = %s and lost > 0", BEACONS_TOPIC.name
    )
    return {f"partition {partition}": n for partition, n in rows}


def gone_unread(line: str) -> int:
    """How many records the stream says are gone: the door goes on to note what it answered before that."""
    found = re.search(r"(\d+) records that were answered are gone unread", line)
    assert found is not None, line
    return int(found[1])


@pytest.mark.parametrize(
    ("partitions", "flag"),
    [(2, "QOESCOPE_SKIP_LOST_RECORDS"), (3, "QOESCOPE_NEW_CHECKPOINT"), (3, "QOESCOPE_SKIP_LOST_RECORDS")],
)
def test_a_topic_that_is_made_again_is_refused_until_its_loss_is_allowed(log: Log, partitions: int, flag: str) -> None:
    log.post(f"before {partitions} {flag}", 3)
    log.read()
    log.signalled("stream", signal.SIGSTOP)
    gone = [f"gone {n} {partitions} {flag}" for n in range(6)]
    for session_id in gone:
        log.post(session_id, 2)
    before, restarts = sum(lost(log).values()), log.children["stream"].restarts
    until(lambda: log.unread() >= len(gone), BACK_S, "the door has noted what it answered")
    told = len(log.said())
    log.made_again(partitions)
    log.tell()
    log.signalled("stream", signal.SIGKILL)
    line = until(lambda: [one for one in log.said()[told:] if "was deleted and made again" in one], BACK_S)[0]
    assert f"topic '{BEACONS_TOPIC.name}'" in line
    assert gone_unread(line) >= len(gone)
    assert "QOESCOPE_SKIP_LOST_RECORDS=true" in line

    log.tell(**{flag: "true"})
    log.post(f"after {partitions} {flag}", 3)
    until(lambda: log.children["stream"].restarts > restarts and f"after {partitions} {flag}" in log.sessions(), BACK_S,
          "what comes after it is read")  # fmt: skip
    log.tell()
    log.read()
    assert not set(gone) & log.sessions()
    (line,) = [one for one in log.said()[told:] if "it goes on without them, and they are booked as lost" in one]
    unread = gone_unread(line)
    assert unread >= len(gone)
    assert sum(lost(log).values()) == before + unread
    named = {d.where: d.found for d in check_books(log.settings).differences}
    assert {where: n for where, n in named.items() if "records lost" not in where} == {}
    assert sum(int(n) for n in named.values()) == before + unread


def test_what_a_topic_held_that_no_stream_ever_saw_is_booked_as_lost(log: Log) -> None:
    """The door is not started again and is quiet for a while; both topics have as many partitions as the one before."""
    for n in range(40):
        log.post(f"much {n}")
    log.read()
    partitions, before = len(kafka.offsets(log.settings, BEACONS_TOPIC.name)), sum(lost(log).values())
    log.signalled("stream", signal.SIGSTOP)
    log.made_again(partitions)
    quiet = "select max(written_at) < now() - interval '2 seconds' from log_answered"
    until(lambda: log.rows(quiet) == [(True,)], BACK_S, "the door has nothing left to note")
    sent = [f"between {n}" for n in range(20)]
    for session_id in sent:
        log.post(session_id, 5)
    between = kafka.topic_ids(log.settings, BEACONS_TOPIC.name)[1]
    noted = f"select coalesce(sum(next_offset), 0) from log_answered where topic_id = '{between}'"
    until(lambda: log.rows(noted)[0][0] >= len(sent), BACK_S, "the door notes them under the topic's own id")
    told = len(log.said())
    log.made_again(partitions)
    log.tell(QOESCOPE_SKIP_LOST_RECORDS="true")
    log.signalled("stream", signal.SIGKILL)
    line = until(lambda: [one for one in log.said()[told:] if "they are booked as lost" in one], BACK_S)[0]
    assert gone_unread(line) >= len(sent)
    log.tell()
    log.post("after both")
    until(lambda: "after both" in log.sessions(), BACK_S, "what comes after is read")
    log.read()
    assert sum(lost(log).values()) == before + gone_unread(line)
    assert all("records lost" in d.where for d in check_books(log.settings).differences)


def test_partitions_that_are_added_are_read_by_themselves(log: Log) -> None:
    there = kafka.describe(log.settings, BEACONS_TOPIC.name)
    more = len(there.bounds) + 3
    admin = log.admin()
    admin.create_partitions([NewPartitions(BEACONS_TOPIC.name, more)])[BEACONS_TOPIC.name].result()
    numbers = iter(range(10_000))

    def spread() -> bool:
        log.post(f"spread {next(numbers)}")
        return all(end > 0 for _, end in kafka.offsets(log.settings, BEACONS_TOPIC.name).values())

    restarts = log.children["stream"].restarts
    until(spread, BACK_S, "the door writes to each partition")
    log.post("the last one")
    log.read()
    until(lambda: "the last one" in log.sessions(), BACK_S, "they are read")
    assert log.children["stream"].restarts == restarts
    with postgres.connect(log.settings, "writer") as connection:
        assert read_history(connection, BEACONS_TOPIC.name).shifts.keys() == set(range(more))
    log.signalled("stream", signal.SIGKILL)
    log.post("after a start")
    until(lambda: "after a start" in log.sessions(), BACK_S, "a start goes on with them")
