"""Live traffic reaches a door over real HTTP, is sent again until it is answered, and is all in the book."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from qoescope.catalog.errors import Mistake
from qoescope.compile.wire import Beacon
from qoescope.emit.jobs.answer_key import KEY_NAME
from qoescope.emit.jobs.live import send_live

pytestmark = pytest.mark.live


class Answering(asyncio.Protocol):
    """A door that keeps what it acknowledges, and now and then is busy or hangs up."""

    def __init__(self, door: "Door") -> None:
        self.door, self.read = door, bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.door.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:
            self.door.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.read[:end])
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            if len(self.read) < end + 4 + length:
                return
            body = bytes(self.read[end + 4 : end + 4 + length])
            del self.read[: end + 4 + length]
            assert self.transport is not None
            self.door.requests += 1
            assert head.startswith(b"POST /v1/beacons HTTP/1.1\r\n")
            assert b"Authorization: Bearer secret" in head
            if self.door.requests % 101 == 0:
                self.transport.close()
                return
            status = b"503 Busy" if self.door.requests % 7 == 0 else b"200 OK"
            if status.startswith(b"200"):
                self.door.kept.append((time.time() * 1000, body))
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")


class Door:
    """The door, served by a thread of its own."""

    def __init__(self) -> None:
        self.kept: list[tuple[float, bytes]] = []
        self.requests = 0
        self.open: set[asyncio.Transport] = set()
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(self.loop.create_server(lambda: Answering(self), "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._closed(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _closed(self) -> None:
        """Everything is closed: what is left to the collector of garbage ends in a warning in another test."""
        self.server.close()
        while self.open:
            for transport in list(self.open):
                transport.abort()
            await asyncio.sleep(0)


@pytest.fixture
def door() -> Iterator[Door]:
    opened = Door()
    yield opened
    opened.close()


def test_every_acknowledged_event_is_in_the_book_and_no_event_lies_in_the_future(door: Door, tmp_path: Path) -> None:
    done = send_live(
        f"http://127.0.0.1:{door.port}", "secret", rate=300, duration=4, speed=120,
        out=tmp_path, book=tmp_path / "book.parquet",
        progress=False,
    )  # fmt: skip
    book = pq.read_table(tmp_path / "book.parquet").to_pylist()
    kept = [(at, msgspec.json.decode(body, type=Beacon)) for at, body in door.kept]
    acknowledged = Counter({(r["session_id"], r["first_seq"], r["last_seq"]): 0 for r in book})
    acknowledged.update((r["session_id"], r["first_seq"], r["last_seq"]) for r in book if r["acknowledged"])
    arrived = Counter((b.session.session_id, b.events[0].seq, b.events[-1].seq) for _, b in kept)
    assert not acknowledged - arrived
    assert done.sent.events == sum(r["events"] for r in book)
    assert done.sent.unanswered == 0
    assert done.sent.retries > 0
    right = [(at, b) for at, b in kept if b.sent_at is not None and abs(b.sent_at - at) < 60_000]
    assert len(right) > 0.9 * len(kept)
    assert all(event.at <= at + 5 for at, b in right for event in b.events)
    key = json.loads((tmp_path / KEY_NAME).read_text())
    assert {fault["name"] for fault in key["faults"]} >= {"demo-certificate", "demo-release", "demo-slow-start"}
    assert sum(fault["sessions"] for fault in key["faults"]) > 0


def test_a_door_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="is the collector up"):
        send_live("http://127.0.0.1:9", "secret", rate=10, duration=1, speed=60, out=tmp_path, progress=False)
    with pytest.raises(Mistake, match="must look like"):
        send_live("127.0.0.1:9", "secret", out=tmp_path, progress=False)


def test_two_runs_of_a_seed_never_share_a_session(door: Door, tmp_path: Path) -> None:
    ids = []
    for turn in ("a", "b"):
        door.kept.clear()
        send_live(
            f"http://127.0.0.1:{door.port}",
            "secret",
            rate=100,
            duration=1,
            speed=300,
            out=tmp_path / turn,
            progress=False,
        )
        ids.append({msgspec.json.decode(body, type=Beacon).session.session_id for _, body in door.kept})
    assert ids[0]
    assert not ids[0] & ids[1]
