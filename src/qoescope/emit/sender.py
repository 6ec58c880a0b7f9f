"""Sender: the load generator: beacons over raw connections, sent again until they are answered, all in a book."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable

from qoescope.catalog.errors import Mistake
from qoescope.client.retrying import (
    ACKNOWLEDGED,
    ANSWER_WITHIN_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    RETRIED_STATUSES,
    pause_s,
)
from qoescope.emit.connection import Beacon, Connection, Door, Entry
from qoescope.host.backoff import Backoff


class Sender:
    """Hands beacons to idle connections, and keeps the book."""

    def __init__(self, to: Door, connections: int, keep: Callable[[Entry], None]) -> None:
        self._to, self._wanted, self._keep = to, connections, keep
        self._waiting: deque[Entry] = deque()
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._pausing: set[Entry] = set()
        self._unreachable = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
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
        self._unreachable.reset()

    def put(self, beacon: Beacon) -> None:
        """Sends a beacon as soon as a connection is free; its `sent_at` is now, by its device's clock."""
        now = time.time_ns() // 1_000_000
        body = b'%b,"sent_at":%d}' % (beacon.body, max(now + beacon.clock_error_ms, 0))
        self.unanswered += 1
        self.events_sent += beacon.events
        self._waiting.append(Entry(beacon, self._to.request(body), now))
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

    def answered(self, entry: Entry, asked_s: float | None) -> None:
        """An answer came: into the book with it, or once more."""
        if entry.status in RETRIED_STATUSES and not self._stopped:
            self.last_error = f"answer {entry.status}"
            self._again(entry, asked_s)
            return
        self._close(entry)

    def _close(self, entry: Entry) -> None:
        self.unanswered -= 1
        if entry.status == ACKNOWLEDGED:
            self.events_acknowledged += entry.beacon.events
        self._keep(entry)

    def _again(self, entry: Entry, asked_s: float | None) -> None:
        self.retries += 1
        self._pausing.add(entry)
        asyncio.get_running_loop().call_later(pause_s(entry.attempts, asked_s), self._requeue, entry)

    def _requeue(self, entry: Entry) -> None:
        if entry in self._pausing:
            self._pausing.remove(entry)
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
            self._open_another()

    def _open_another(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reconnect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _reconnect(self) -> None:
        while not self._stopped:
            try:
                await self._connect()
            except OSError as error:
                self.last_error = f"cannot connect: {error.strerror or error}"
                await asyncio.sleep(self._unreachable.next_s())
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
        for entry in (*self._waiting, *self._pausing):
            self._close(entry)
        self._waiting.clear()
        self._pausing.clear()
        for connection in list(self._open):
            connection.close()
        for task in list(self._opening):
            task.cancel()
        until = time.monotonic() + 2 * LONGEST_PAUSE_S
        while (self._open or self.unanswered) and time.monotonic() < until:
            await asyncio.sleep(0.02)
