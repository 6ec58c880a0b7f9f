"""Client: events from a server of one's own to a collector, sent again until they are answered."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import msgspec

from qoescope.catalog.errors import Mistake
from qoescope.compile.wire import Answer, Refusal, Verdict
from qoescope.emit.connection import Beacon, Entry, door
from qoescope.emit.sender import ACKNOWLEDGED, Sender

LOOK_EVERY_S = 1.0
_ENCODE = msgspec.json.Encoder().encode


class Full(Exception):
    """As many beacons as may wait are waiting for an answer: this one was not taken."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a beacon."""

    status: int
    """200 when each event has its outcome; another status when all of it was refused; 0 when nobody answered."""
    answer: Answer | None
    """Counts by outcome, and a verdict on each event that was not accepted; None unless `status` is 200."""
    error: str
    """Why all of it was refused, or was not answered; empty when `status` is 200."""
    attempts: int

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """Those on events that were not accepted: place in the beacon, outcome, reason, `seq`."""
        return self.answer.results if self.answer else ()


@dataclass(frozen=True)
class _Awaited(Beacon):
    """A beacon of which somebody wants to hear."""

    told: "Future[Told]" = field(default_factory=Future)


class Client:
    """Sends beacons from a thread of its own; any thread may call `send`.

    Refused for the moment (429, 503) or not answered, a beacon is sent again, later each time and never before the
    collector's `Retry-After`. At most `most` beacons wait for an answer. What was sent and not answered when the
    process ends is lost: `close` waits for it.
    """

    def __init__(self, url: str, key: str, *, connections: int = 2, most: int = 1000, packs: bool = True) -> None:
        self._door = door(url, key, packs=packs)
        self._connections = connections
        self._room = threading.BoundedSemaphore(most)
        self._open = threading.Lock()
        self._closed = False
        self._patience_s = 0.0
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._sender: Sender
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="qoescope-client", daemon=True)
        self._thread.start()
        self._begun.wait()

    def send(
        self, session: Mapping[str, object], events: Sequence[Mapping[str, object]], *, wait_s: float = 0.0
    ) -> "Future[Told]":
        """What will have become of these events of one session; `docs/events.md` says what they hold.

        Raises `Full` when there is no room within `wait_s`, and `Mistake` after `close`.
        """
        body = b'{"session":%b,"events":%b' % (_ENCODE(session), _ENCODE(events))
        beacon = _Awaited(body, 0, str(session.get("session_id", "")), 0, 0, len(events))
        if not self._room.acquire(timeout=wait_s or None, blocking=wait_s > 0):
            raise Full
        with self._open:
            if self._closed:
                self._room.release()
                raise Mistake("the client is closed")
            self._loop.call_soon_threadsafe(self._sender.put, beacon)
        return beacon.told

    def close(self, patience_s: float = 10.0) -> None:
        """Waits so long for answers; what has none by then is told so."""
        with self._open:
            if not self._closed:
                self._closed, self._patience_s = True, patience_s
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._sender = Sender(self._door, self._connections, self._keep)
        self._sender.open()
        self._begun.set()
        while not self._stop.is_set():
            self._sender.check()
            try:
                await asyncio.wait_for(self._stop.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue
        await self._sender.stop(self._patience_s)

    def _keep(self, entry: Entry) -> None:
        """A beacon has its answer, or will have none."""
        self._room.release()
        if isinstance(entry.beacon, _Awaited):
            entry.beacon.told.set_result(_told(entry, self._sender.last_error))


def _told(entry: Entry, last_error: str) -> Told:
    answer, error = None, ""
    try:
        if entry.status == ACKNOWLEDGED:
            answer = msgspec.json.decode(entry.answer, type=Answer)
        elif entry.status:
            error = msgspec.json.decode(entry.answer, type=Refusal).error
        else:
            error = last_error or "not answered"
    except msgspec.DecodeError:
        error = f"answer {entry.status}, which is not the collector's"
    return Told(entry.status, answer, error, entry.attempts)
