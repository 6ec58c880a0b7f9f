"""What the streams and the door must survive, one test a row; the sender's book and the ledger close each of them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, cast

import httpx
import msgspec
import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from proxy import Proxy
from until import until
from whole_stack import Stack, Traffic

from qoescope.catalog.operations import QUARANTINE
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect import kafka, postgres
from qoescope.connect.lake.reading import read_table
from qoescope.mart.jobs.ledger import check_books
from qoescope.settings import Settings, environment
from qoescope.stack import assembly, children, demo, processes, progress
from qoescope.stack import postgres as server

pytestmark = pytest.mark.live
UP_S, BACK_S = 600, 600
CRASHES = ("lake.after_delta", "lake.before_commit")
CLOSING = ("lake.before_sessions", "lake.after_sessions", "mart.before_commit")
CONNECTIONS, KIB = "24", 1024
ROLES: tuple[postgres.Role, ...] = ("writer", "reader")


class Running(Stack):
    """The stack of this module: what it has beside parts."""

    proxy: Proxy
    marks: list[Path]
    """Files without which the stream ends at its crash points, once each."""

    def tell(self, **variables: str) -> None:
        """What our own parts are told at their next start."""
        cast("dict[str, str]", self.children["stream"].part.environment).update(variables)

    def said(self, name: str) -> str:
        """The log of a part."""
        return self.children.log_path(name).read_text()

    def signalled(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a part and all that it started."""
        process = self.children[name].process
        assert process is not None
        os.killpg(process.pid, number)

    def back(self, name: str, restarts: int) -> None:
        """Waits until the part has been started again so many times, and is ready."""
        child = self.children[name]
        until(lambda: child.restarts >= restarts and child.state == "ready", BACK_S, f"{name} is back")

    def read_until(self) -> dict[int, int]:
        """The first record of each partition that the lake does not have."""
        with postgres.connect(self.settings, "writer") as connection:
            return progress.lake_offsets(connection)

    def read(self) -> None:
        """Waits until the lake holds the log to its present end."""
        ends = progress.log_ends(self.settings)
        until(lambda: not progress.lag(ends, self.read_until()), BACK_S, "the lake reads the log to its end")

    def holds(self, traffic: Traffic) -> None:
        """All was answered, and what was answered is in the lake, once; every book agrees."""
        sent = traffic.finished().sent
        assert sent.acknowledged == sent.events
        self.read()
        until(lambda: self.missing(traffic.book) == [], BACK_S, "what was answered is in the lake, once")
        until(lambda: check_books(self.settings).ok, BACK_S, "the books agree", every_s=0.5)

    def post(self, *events: dict[str, Any], session_id: str, port: int = 0) -> dict[str, Any]:
        """What the door says to a beacon."""
        body = {"session": {"session_id": session_id, "device_type": "web"}, "events": events}
        answer = httpx.post(
            f"http://127.0.0.1:{port or self.settings.door_port}/v1/beacons", json=body, timeout=60, trust_env=False,
            headers={"authorization": f"Bearer {self.key}"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        return cast("dict[str, Any]", answer.json())

    def seqs(self, session_id: str, table: Any = EVENTS) -> list[int]:
        """The session's events in a table of the lake."""
        rows = read_table(self.settings, table, columns=["session_id", "seq"]).to_pylist()
        return sorted(row["seq"] for row in rows if row["session_id"] == session_id)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Postgres with few connections, behind a proxy; Kafka, door, streams and console."""
    folder = tmp_path_factory.mktemp("survival")
    settings = Settings(
        var=folder / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0, console_port=0,
        session_gap_s=5, sessions_every_s=1, quality_every_s=1, give_way_s=0, crash_at=",".join((*CRASHES, *CLOSING)),
        budget_events=100_000, budget_bytes=1e9,
    )  # fmt: skip
    key = demo.door_key(settings)
    marks = [settings.var / f"crashed-{point}" for point in (*CRASHES, *CLOSING)]
    for mark in marks:
        mark.touch()
    own = ("stream", "console")
    with pytest.MonkeyPatch.context() as changed:
        changed.setitem(server.OPTIONS, "max_connections", CONNECTIONS)
        changed.setattr(children, "STEADY_S", 0.0)  # each part dies more than once: no part waits longer for that
        with assembly.run_parts(settings, ["collect", *own], later=own) as (placed, parts):
            parts.wait(["postgres", "kafka"], UP_S)
            stack = Running(placed, parts, key, folder)
            stack.proxy, stack.marks = Proxy(placed.postgres_port), marks
            for role in ROLES:
                dsn = postgres.dsn(placed, role)
                moved = dsn.replace(f"port={placed.postgres_port}", f"port={stack.proxy.port}")
                stack.tell(**{f"QOESCOPE_{role.upper()}_DSN": moved})
            parts.start()
            parts.wait(["collect", *own], UP_S)
            yield stack
            stack.proxy.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def event(seq: int, **more: Any) -> dict[str, Any]:
    return {"seq": seq, "at": now_ms(), "type": "heartbeat", "state": "playing", "state_ms": 1000, **more}


def test_a_connection_cut_inside_copy_leaves_no_part_of_its_batch(running: Running) -> None:
    running.proxy.cut_in_copy(64 * KIB)
    traffic = running.traffic(rate=1500, seconds=5)
    until(lambda: running.proxy.cuts == 1, BACK_S, "a COPY is cut")
    running.holds(traffic)
    assert "Postgres is away" in running.said("stream")


def test_without_a_connection_left_streams_wait_and_the_console_says_so(running: Running) -> None:
    held: list[psycopg.Connection[Any]] = []

    def full() -> bool:
        """Takes every connection that there is, again and again: others give theirs back late."""
        running.proxy.cut()
        try:
            while True:
                held.append(postgres.connect(running.settings, "reader"))
        except psycopg.OperationalError:
            return asked() == 503 and "connection slots are reserved" in running.said("stream")

    def asked() -> int:
        url = f"{running.console}/api/v1/health"
        return httpx.get(url, headers={"authorization": "Bearer qt_nobody"}, timeout=120, trust_env=False).status_code

    assert asked() == 401
    traffic = running.traffic(rate=300, seconds=4)
    try:
        until(full, BACK_S, "streams and console have no connection")
        assert traffic.finished().sent.unanswered == 0
    finally:
        for one in held:
            one.close()
    until(lambda: asked() == 401, BACK_S, "the console asks again")
    running.holds(traffic)


def test_nul_in_the_log_stops_nothing_and_comes_out_clean(running: Running) -> None:
    log, at = kafka.RecordProducer(running.settings), now_ms()
    session = {"session_id": "nul\0session", "content_id": "mo\0vie", "device_type": "web", "started_at": at}
    told = {"property": demo.PROPERTY, "received_at": at, "session": session,
            "events": [event(1, state="idle", state_ms=0, type="playback_request"), event(2, cdn="a\0")],
            "counts": {"received": 2, "accepted": 2, "duplicate": 0, "invalid": 0, "filtered": 0}}  # fmt: skip
    log.send(BEACONS_TOPIC.name, msgspec.json.encode(told), lambda *_: None, b"nul\0session")
    assert log.flush(10) == 0
    sql = "select content_id from sessions where session_id = %s"
    assert until(lambda: running.rows(sql, "nulsession"), BACK_S, "its session closes") == [("movie",)]
    running.post(event(1), session_id="after nul")
    until(lambda: running.seqs("after nul") == [1], BACK_S, "what comes after it is read")
    until(lambda: check_books(running.settings).ok, BACK_S, "the books agree")


def test_repeats_through_two_collectors_count_once_and_another_body_is_kept_aside(running: Running) -> None:
    with processes.reserve_ports(0) as (port,):
        more = {**running.children["collect"].part.environment, "QOESCOPE_DOOR_PORT": str(port)}
        second = subprocess.Popen([sys.executable, "-m", "qoescope.cli.app", "collect"], env=environment(more))
        try:
            until(lambda: processes.get_body(port, "/readyz") is not None, UP_S, "a second collector is ready")
            first, again = event(1), event(2)
            for where in (0, port, port):
                running.post(first, again, session_id="told twice", port=where)
            running.post({**first, "state_ms": 999}, session_id="told twice", port=port)
        finally:
            second.terminate()
            second.wait(UP_S)
    until(lambda: running.seqs("told twice", QUARANTINE) == [1], BACK_S, "the other body is kept aside")
    until(lambda: running.seqs("told twice") == [1, 2], BACK_S, "each event counts once")
    rows = read_table(running.settings, EVENTS, columns=["session_id", "seq", "state_ms"]).to_pylist()
    assert [r["state_ms"] for r in rows if (r["session_id"], r["seq"]) == ("told twice", 1)] == [1000]
    until(lambda: check_books(running.settings).ok, BACK_S, "the books agree")


def test_a_door_that_is_killed_again_and_again_loses_nothing_that_it_answered(running: Running) -> None:
    random, child = Random(3), running.children["collect"]  # noqa: S311
    traffic, restarts = running.traffic(rate=400, seconds=8), child.restarts
    for _ in range(2):
        further = traffic.sent.acknowledged + random.randrange(200, 800)
        until(lambda: traffic.sent.acknowledged > further, BACK_S, "traffic flows")  # noqa: B023
        running.signalled("collect", signal.SIGKILL)
        restarts += 1
        running.back("collect", restarts)
    running.holds(traffic)
    assert traffic.sent.retries > 0
    assert "collect ended (killed by SIGKILL" in (running.settings.var / "log" / "stack.log").read_text()


def test_a_stream_killed_twice_while_it_writes_a_batch_writes_it_once(running: Running) -> None:
    """Between Delta and Postgres; then, with the same batch, between Postgres and the note that it is done."""
    restarts, marks = running.children["stream"].restarts, running.marks[: len(CRASHES)]
    traffic = running.traffic(rate=400, seconds=4)
    until(lambda: traffic.sent.acknowledged > 200, BACK_S, "traffic flows")
    for mark in marks:
        mark.unlink()
    until(lambda: any(mark.exists() for mark in marks), BACK_S, "it is killed")
    running.back("stream", restarts + 2)
    assert all(mark.exists() for mark in marks)
    running.holds(traffic)


def test_a_stream_killed_before_and_after_it_writes_sessions_and_their_marts_closes_each_once(running: Running) -> None:
    """What was open is found again in the lake, and what was written already changes nothing."""
    restarts, marks = running.children["stream"].restarts, running.marks[len(CRASHES) :]
    traffic = running.traffic(rate=400, seconds=10)
    until(lambda: traffic.sent.acknowledged > 200, BACK_S, "traffic flows")
    for mark in marks:
        mark.unlink()
    until(lambda: all(mark.exists() for mark in marks), BACK_S, "it is killed at each point")
    running.back("stream", restarts + len(marks))
    running.settled()
    running.holds(traffic)


def test_a_stream_whose_checkpoint_is_gone_refuses_until_it_is_allowed_a_new_one(running: Running) -> None:
    traffic, restarts = running.traffic(rate=400, seconds=4), running.children["stream"].restarts
    until(lambda: traffic.sent.acknowledged > 400, BACK_S, "traffic flows")
    running.signalled("stream", signal.SIGSTOP)
    folder = running.settings.var / "checkpoints"
    folder.rename(folder.with_name("checkpoints.gone"))
    running.signalled("stream", signal.SIGKILL)
    said = until(lambda: [line for line in running.said("stream").splitlines() if "the checkpoint of" in line], BACK_S)
    assert "stream 'events'" in said[0]
    assert "QOESCOPE_NEW_CHECKPOINT=true" in said[0]
    running.tell(QOESCOPE_NEW_CHECKPOINT="true")
    running.back("stream", restarts + 2)
    running.holds(traffic)
    running.settled()


def test_records_that_left_the_log_unread_are_named_and_passed_over_only_where_that_is_allowed(
    running: Running,
) -> None:
    """The last one here: a loss stays in the books."""
    running.read()
    running.signalled("stream", signal.SIGSTOP)
    for seq in (1, 2, 3):
        running.post(event(seq), session_id="gone")
    unread = kafka.records(running.settings, BEACONS_TOPIC.name, running.read_until())
    gone = [(record.partition() or 0, record.offset() or 0) for record in unread if record.key() == b"gone"]
    partition, end = gone[0][0], gone[-1][1] + 1
    admin = AdminClient({"bootstrap.servers": running.settings.brokers})
    for deleted in admin.delete_records([TopicPartition(BEACONS_TOPIC.name, partition, end)]).values():
        assert deleted.result().low_watermark == end
    running.signalled("stream", signal.SIGCONT)

    said = rf"events stopped: beacons partition {partition} has lost records among offsets (\d+) to \d+ .*=true"

    def told() -> list[int]:
        return [int(first) for first in re.findall(said, running.said("stream"))]

    until(lambda: len(told()) > 1, BACK_S, "it says which records are gone, and does not go on")
    following = running.read_until()[partition]
    assert following < end
    assert all(following <= first < end for first in told())  # a batch may have been under way when it was stopped
    running.post(event(1), session_id="after what is gone")
    running.tell(QOESCOPE_SKIP_LOST_RECORDS="true")
    running.signalled("stream", signal.SIGKILL)
    until(lambda: running.seqs("after what is gone") == [1], BACK_S, "what comes after them is read")
    assert running.seqs("gone") == []
    running.read()
    lost = f"log: partition {partition} records lost before they were read: expected 0, found {end - following}"
    until(lambda: [str(d) for d in check_books(running.settings).differences] == [lost], BACK_S, "the loss is booked")
