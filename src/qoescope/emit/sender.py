"""Sender: beacons over a few kept-open HTTP connections, sent again until they are answered, all of it in a book."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from qoescope.catalog.errors import Mistake
from qoescope.emit.feed import Beacon

TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
ANSWER_WITHIN_S = 15.0
ACKNOWLEDGED = 200


@dataclass(slots=True)
class Entry:
    """A line of the book: a beacon and the answer it got; status 0 is none."""

    beacon: Beacon
    request: bytes = b""
    sent_at: int = 0
    status: int = 0
    attempts: int = 0


@dataclass
class Door:
    """Where to send to."""

    host: str
    port: int
    path: str
    tls: bool
    key: str
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()


def door(url: str, key: str) -> Door:
    """The door of a URL; what is no URL is said so."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Mistake(f"--url must look like http://127.0.0.1:8080, not '{url}'")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Door(parts.hostname, port, parts.path.rstrip("/") + "/v1/beacons", parts.scheme == "https", key)


class Connection(asyncio.Protocol):
    """One kept-open connection; one request at a time."""

    def __init__(self, sender: "Sender") -> None:
        self._sender = sender
        self._read = bytearray()
        self._transport: asyncio.Transport | None = None
        self.entry: Entry | None = None
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for a first request."""
        self._transport = transport  # type: ignore[assignment]
        self._sender.ready(self)

    def send(self, entry: Entry) -> None:
        """Sends; the answer comes back to the sender."""
        self.entry, self.since = entry, time.monotonic()
        if self._transport is not None:
            self._transport.write(entry.request)

    def data_received(self, data: bytes) -> None:
        """Reads until a whole answer is there."""
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._read[:end]).lower()
            length, pause, closes = (
                _header(head, b"content-length"),
                _header(head, b"retry-after"),
                b"connection: close" in head,
            )
            if b"transfer-encoding: chunked" in head:
                last = self._read.find(b"0\r\n\r\n", end + 4)
                if last < 0:
                    return
                whole = last + 5
            else:
                whole = end + 4 + int(length or 0)
            if len(self._read) < whole:
                return
            status = int(head[9:12])
            del self._read[:whole]
            entry, self.entry = self.entry, None
            if entry is not None:
                self._sender.answered(entry, status, float(pause) if pause else None)
            if closes:
                self.close()
            else:
                self._sender.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not answered is sent again, over another connection."""
        del exc
        entry, self.entry = self.entry, None
        self._sender.gone(self, entry)

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    end = head.find(b"\r\n", at + 2)
    return head[at + len(name) + 3 : end if end >= 0 else None].strip()


class Sender:
    """Hands beacons to idle connections, and keeps the book."""

    def __init__(self, to: Door, connections: int, keep: Callable[[Entry], None]) -> None:
        self._to, self._wanted, self._keep = to, connections, keep
        self._waiting: deque[Entry] = deque()
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._stopped = False
        self.unanswered = 0
        self.events_sent = self.events_acknowledged = self.requests = self.retries = 0
        self.last_error = ""

    async def start(self) -> None:
        """Opens the connections; a door that is not there is a mistake."""
        try:
            for _ in range(self._wanted):
                await self._connect()
        except OSError as error:
            raise Mistake(
                f"cannot reach {self._to.host}:{self._to.port}: {error.strerror or error}; is the collector up?"
            ) from error

    async def _connect(self) -> None:
        context = ssl.create_default_context() if self._to.tls else None
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self), self._to.host, self._to.port, ssl=context
        )
        self._open.add(connection)
        self._failures = 0

    def put(self, beacon: Beacon) -> None:
        """Sends a beacon as soon as a connection is free; its `sent_at` is now, by its device's clock."""
        now = time.time_ns() // 1_000_000
        body = b'%b,"sent_at":%d}' % (beacon.body, max(now + beacon.clock_error_ms, 0))
        self.unanswered += 1
        self.events_sent += beacon.events
        self._waiting.append(Entry(beacon, b"%b%d\r\n\r\n%b" % (self._to.head, len(body), body), now))
        self._hand_out()

    def ready(self, connection: Connection) -> None:
        """A connection has nothing to do."""
        self._idle.append(connection)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._idle and self._waiting:
            entry = self._waiting.popleft()
            entry.attempts += 1
            self.requests += 1
            self._idle.popleft().send(entry)

    def answered(self, entry: Entry, status: int, pause_s: float | None) -> None:
        """An answer came: into the book with it, or once more."""
        entry.status = status
        if status in TRY_AGAIN and not self._stopped:
            self.last_error = f"answer {status}"
            self._again(entry, pause_s)
            return
        self._close(entry)

    def _close(self, entry: Entry) -> None:
        self.unanswered -= 1
        if entry.status == ACKNOWLEDGED:
            self.events_acknowledged += entry.beacon.events
        self._keep(entry)

    def _again(self, entry: Entry, pause_s: float | None) -> None:
        self.retries += 1
        pause = min(FIRST_PAUSE_S * 2 ** min(entry.attempts - 1, 8), LONGEST_PAUSE_S)
        asyncio.get_running_loop().call_later(max(pause, min(pause_s or 0.0, LONGEST_PAUSE_S)), self._requeue, entry)

    def _requeue(self, entry: Entry) -> None:
        if self._stopped:
            self._close(entry)
            return
        self._waiting.append(entry)
        self._hand_out()

    def gone(self, connection: Connection, entry: Entry | None) -> None:
        """A connection broke or was closed: another one is opened."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if entry is not None:
            entry.status = 0
            self.last_error = "connection lost"
            if self._stopped:
                self._close(entry)
            else:
                self._again(entry, None)
        if not self._stopped:
            task = asyncio.get_running_loop().create_task(self._reconnect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _reconnect(self) -> None:
        while not self._stopped:
            try:
                await self._connect()
            except OSError as error:
                self._failures += 1
                self.last_error = f"cannot connect: {error.strerror or error}"
                await asyncio.sleep(min(FIRST_PAUSE_S * 2 ** min(self._failures, 6), LONGEST_PAUSE_S))
            else:
                return

    def check(self) -> None:
        """Breaks connections that have waited too long for an answer."""
        late = time.monotonic() - ANSWER_WITHIN_S
        for connection in list(self._open):
            if connection.entry is not None and connection.since < late:
                connection.close()

    async def stop(self, patience_s: float) -> None:
        """Waits for answers a while, then writes what has none into the book as it is."""
        until = time.monotonic() + patience_s
        while self.unanswered and time.monotonic() < until:
            self.check()
            await asyncio.sleep(0.05)
        self._stopped = True
        for entry in self._waiting:
            self._close(entry)
        self._waiting.clear()
        for connection in list(self._open):
            connection.close()
        for task in list(self._opening):
            task.cancel()
        until = time.monotonic() + 2 * LONGEST_PAUSE_S
        while (self._open or self.unanswered) and time.monotonic() < until:
            await asyncio.sleep(0.02)
