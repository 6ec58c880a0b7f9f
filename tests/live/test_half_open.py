"""Half open: a network that takes everything and gives nothing back; every wait ends within its setting."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

import httpx
import pytest
from proxy import Proxy
from psycopg_pool import PoolTimeout
from pydantic import SecretStr
from until import until
from whole_stack import Stack

from qoescope.connect import postgres
from qoescope.connect.guarded import NoAnswer
from qoescope.mart.jobs.ledger import check_books
from qoescope.settings import Settings, environment
from qoescope.stack import assembly, demo
from qoescope.stack import kafka as broker

pytestmark = pytest.mark.live
UP_S, BACK_S = 600, 600
ENDED_S = 60
"""Longer than any wait may be with the settings of this test, shorter than the 85 s and more that it once was."""
OWN = ("collect", "stream", "console", "monitor")
ROLES: tuple[postgres.Role, ...] = ("writer", "reader")
SHORT: dict[str, Any] = {
    "postgres_connect_s": 3, "postgres_question_s": 4, "postgres_stream_s": 6, "postgres_batch_s": 20, "silent_s": 2,
    "connection_wait_s": 3, "kafka_delivery_ms": 5000, "kafka_read_s": 10,
}  # fmt: skip


class Running(Stack):
    """The stack of this module: its own parts reach Postgres and Kafka through proxies."""

    database: Proxy
    log: Proxy
    told: dict[str, str]

    def said(self, name: str) -> str:
        """The log of a part."""
        return self.children.log_path(name).read_text()

    def has_said(self, name: str, text: str) -> bool:
        """Whether the part's log holds it."""
        return text in self.said(name)

    def post(self) -> int:
        """What the door says to a beacon."""
        at = time.time_ns() // 1_000_000
        event = {"seq": 1, "at": at, "type": "playback_request", "state": "idle", "state_ms": 0}
        body = {"session": {"session_id": f"half-open-{at}"}, "events": [event]}
        key = {"authorization": f"Bearer {self.key}"}
        url = f"{self.door}/v1/beacons"
        return httpx.post(url, json=body, timeout=ENDED_S, trust_env=False, headers=key).status_code

    def asked(self) -> int:
        """What the API says to a token that nobody has: it looks for it in Postgres."""
        url, token = f"{self.console}/api/v1/health", {"authorization": f"Bearer qt_{time.time_ns()}"}
        return httpx.get(url, headers=token, timeout=ENDED_S, trust_env=False).status_code

    def is_ready(self) -> bool:
        """Whether the door says that it is."""
        answer = httpx.get(f"{self.door}/readyz", timeout=ENDED_S, trust_env=False)
        return bool(json.loads(answer.content)["ready"])

    def ledger(self) -> subprocess.CompletedProcess[str]:
        """The ledger, as a person asks for it over the same network."""
        return subprocess.run(
            [sys.executable, "-m", "qoescope.cli.app", "ledger"], capture_output=True, text=True, check=False,
            env=environment({"QOESCOPE_VAR": str(self.settings.var), **self.told}),
            timeout=ENDED_S,
        )  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Postgres, Kafka, and our own parts, which reach them through proxies only."""
    folder = tmp_path_factory.mktemp("half_open")
    with ExitStack() as opened:
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        log = Proxy()
        opened.callback(log.close)
        where = "advertised.listeners=PLAINTEXT://127.0.0.1:"
        patch.setattr(broker, "PROPERTIES", broker.PROPERTIES.replace(f"{where}{{port}}", f"{where}{log.port}"))
        settings = Settings(
            var=folder / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0, console_port=0,
            session_gap_s=5, sessions_every_s=1, quality_every_s=1, monitor_every_s=1, door_refresh_s=1,
            budget_events=100_000, budget_bytes=1e9, **SHORT,
        )  # fmt: skip
        key = demo.door_key(settings)
        placed, parts = opened.enter_context(assembly.run_parts(settings, OWN, later=["kafka", *OWN]))
        log.to = placed.broker_port
        parts.start(later=OWN)
        parts.wait(["postgres", "kafka"], UP_S)
        stack = Running(placed, parts, key, folder)
        stack.log, stack.database = log, Proxy(placed.postgres_port)
        opened.callback(stack.database.close)
        stack.told = {f"QOESCOPE_{name.upper()}": str(value) for name, value in SHORT.items()}
        stack.told["QOESCOPE_BROKERS"] = f"127.0.0.1:{log.port}"
        for role in ROLES:
            stack.told[f"QOESCOPE_{role.upper()}_DSN"] = moved(stack, role)
        cast("dict[str, str]", parts["stream"].part.environment).update(stack.told)
        parts.start()
        parts.wait(list(OWN), UP_S)
        yield stack


def moved(running: Running, role: postgres.Role) -> str:
    """Where Postgres is for who comes through the proxy."""
    there = f"port={running.settings.postgres_port}"
    return postgres.dsn(running.settings, role).replace(there, f"port={running.database.port}")


def holds(running: Running, answered: Callable[[], bool]) -> None:
    """Everything goes on by itself, and the books agree."""
    until(answered, BACK_S, "it answers again")
    running.settled()
    until(lambda: check_books(running.settings).ok, BACK_S, "the books agree", every_s=1)


def test_each_wait_for_a_postgres_that_is_silent_ends_and_says_since_when(running: Running) -> None:
    assert (running.asked(), running.ledger().returncode) == (401, 0)
    traffic = running.traffic(rate=300, seconds=8)
    until(lambda: traffic.sent.acknowledged > 0, UP_S, "traffic flows")
    running.database.stall()
    try:
        until(lambda: running.asked() == 503, ENDED_S, "the API says that it cannot know")
        line = f"Postgres at 127.0.0.1:{running.database.port} has not answered since "
        for name, told in (("stream", line), ("monitor", line), ("collect", "keys come from the file alone")):
            until(partial(running.has_said, name, told), ENDED_S, f"{name} says so")
        until(lambda: "Postgres is away since" in running.said("stream"), ENDED_S, "the stream waits and says so")
        assert running.post() == 200
        done = running.ledger()
        assert done.returncode == 2, done.stderr
        assert "Postgres does not answer" in done.stderr
    finally:
        running.database.go_on()
    assert traffic.finished().sent.unanswered == 0
    holds(running, lambda: running.asked() == 401)


def test_each_wait_for_a_kafka_that_is_silent_ends(running: Running) -> None:
    assert running.post() == 200
    running.log.stall()
    try:
        assert running.post() == 503
        until(lambda: not running.is_ready(), ENDED_S, "the door is not ready")
        done = running.ledger()
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
    finally:
        running.log.go_on()
    holds(running, lambda: running.post() == 200)


def test_a_question_a_copy_and_a_commit_are_each_given_up(running: Running) -> None:
    """One by one, by the connection itself: what waits is not always a statement."""
    here = running.settings.model_copy(update={f"{role}_dsn": SecretStr(moved(running, role)) for role in ROLES})

    def question(connection: postgres.Connection) -> None:
        running.database.stall()
        connection.execute("select 1")

    def copy(connection: postgres.Connection) -> None:
        connection.execute("create temp table kept (text text)")
        with connection.cursor().copy("copy kept from stdin") as told:
            running.database.stall()
            told.write(b"x\n")

    def commit(connection: postgres.Connection) -> None:
        with connection.transaction():
            connection.execute("select 1")
            running.database.stall()

    for work in (question, copy, commit):
        with postgres.connect(here, "writer", 1) as connection:
            try:
                with pytest.raises(NoAnswer, match="has not answered for 3 s"):
                    work(connection)
            finally:
                running.database.go_on()
            assert connection.closed
    with postgres.pool(here, "reader", 2) as connections:
        with connections.connection() as connection:
            connection.execute("select 1")
        running.database.stall()
        try:
            with pytest.raises((NoAnswer, PoolTimeout)), connections.connection() as connection:
                connection.execute("select 1")
        finally:
            running.database.go_on()
        with connections.connection() as connection:
            assert connection.execute("select 1").fetchall() == [(1,)]
