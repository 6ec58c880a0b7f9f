"""Doors of tests: a broker and collectors as real processes, and ways to speak to them."""

import itertools
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from until import until

from qoescope.connect import kafka
from qoescope.ingest.jobs import manage_keys
from qoescope.settings import Settings, environment
from qoescope.stack import kafka as broker
from qoescope.stack import processes

NUMBERS = itertools.count()
UP_S, SOON_S = 300, 60
CLIENT_S = 20
"""For how long a client waits for an answer: who is held up behind others hears none."""
GOOD = {"seq": 1, "at": 1_762_000_000_000, "type": "heartbeat", "state": "playing", "state_ms": 10_000}


class Process:
    """A child of a test that is killed at its end, whatever happens."""

    def __init__(self, command: list[str], log: Path, **more: str) -> None:
        self.log = log
        with log.open("ab") as out:
            self.inner = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment(more)
            )

    def end(self, number: signal.Signals = signal.SIGTERM, within_s: float = 30) -> int:
        """Sends the signal and waits; its exit code."""
        if self.inner.poll() is None:
            self.inner.send_signal(number)
        return self.inner.wait(within_s)


def started_broker(settings: Settings) -> Process:
    broker.prepare(settings)
    process = Process(broker.part(settings).command, settings.var / "broker.log")  # type: ignore[arg-type]
    until(lambda: processes.is_listening(settings.broker_port), UP_S, "the broker listens")
    return process


ONCE = httpx.Limits(max_keepalive_connections=0)
"""A connection a request: the door may close one that is idle in the moment in which it is used again."""


class Door:
    """A collector as a process of its own, and a way to speak to it."""

    def __init__(self, settings: Settings, property_id: str, process: Process | None = None) -> None:
        self.settings, self.property_id = settings, property_id
        self.key = manage_keys.create_key(settings, property_id)
        self.url = f"http://127.0.0.1:{settings.door_port}"
        self.process = process or Door.process_of(settings)
        self.http = httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {self.key}"}, timeout=CLIENT_S, limits=ONCE
        )  # fmt: skip

    @staticmethod
    def process_of(settings: Settings) -> Process:
        said = settings.model_dump(mode="json", exclude_unset=True)
        more = {
            f"QOESCOPE_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in said.items()
        }
        imports = "from qoescope.ingest.jobs.collect import serve; from qoescope.settings import Settings"
        code = f"{imports}; serve(Settings())"
        return Process([sys.executable, "-c", code], settings.var / "door.log", **more)

    def ready(self) -> "Door":
        until(lambda: self.answers("/readyz") == 200, UP_S, "the door is ready")
        return self

    def answers(self, path: str) -> int:
        try:
            return self.http.get(path).status_code
        except httpx.TransportError:
            return 0

    def send(self, *events: object, session_id: str = "s", **more: Any) -> httpx.Response:
        body = {"session": {"session_id": session_id}, "events": events}
        return self.http.post("/v1/beacons", content=json.dumps(body), **more)

    def metric(self, line: str) -> float:
        found = [said for said in self.http.get("/metrics").text.splitlines() if said.startswith(line + " ")]
        return float(found[0].split()[-1]) if found else 0.0

    def held(self) -> dict[str, float]:
        """What the door holds of others' requests and of the system; what asks for it is counted, too."""
        levels = ("requests_in_flight", "bytes_in_flight", "bytes_ahead", "connections", "tasks", "failures_total")
        found = {name: self.metric(f"qoescope_door_{name}") for name in levels}
        return {**found, "descriptors": float(psutil.Process(self.process.inner.pid).num_fds())}

    def raw(self, sent: bytes) -> bytes:
        """All that a connection of its own hears when it sends this and no more."""
        with self.socket() as raw:
            raw.sendall(sent)
            raw.shutdown(socket.SHUT_WR)
            return read_all(raw)

    @contextmanager
    def socket(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.settings.door_port), timeout=CLIENT_S) as raw:
            yield raw

    def post_head(self, *headers: str) -> bytes:
        lines = ("POST /v1/beacons HTTP/1.1", "host: door", f"authorization: Bearer {self.key}", *headers, "", "")
        return "\r\n".join(lines).encode()

    def stop(self) -> int:
        self.http.close()
        return self.process.end()


def written(settings: Settings, topic: str, property_id: str) -> list[dict[str, Any]]:
    """Records of the property in the log."""
    found = [json.loads(record.value() or b"{}") for record in kafka.records(settings, topic)]
    return [record for record in found if record["property"] == property_id]


def read_all(raw: socket.socket) -> bytes:
    """What comes until the other side closes."""
    read = b""
    try:
        while piece := raw.recv(65_536):
            read += piece
    except ConnectionResetError:
        pass
    return read
