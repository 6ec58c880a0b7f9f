"""Sends beacons from any thread of a program, until the collector answers them."""

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self

import msgspec

from qoescope.catalog.errors import Mistake
from qoescope.client.posting import Post, Poster
from qoescope.client.receipts import Receipt
from qoescope.client.urls import beacons_url

_ENCODE = msgspec.json.Encoder().encode


class Full(Exception):
    """The limit of unanswered beacons is reached: this one was not taken."""


class Client:
    """Sends beacons from a background thread; any thread may call `send`.

    A beacon that is refused for the moment (429, 503) or not answered is retried, with growing pauses that honour the
    collector's `Retry-After`. At most `most` beacons wait for an answer. Unanswered beacons are lost when the process
    ends: `close` waits for them.
    """

    def __init__(self, url: str, key: str, *, connections: int = 2, most: int = 1000, packs: bool = True) -> None:
        self._poster = Poster(beacons_url(url), key, connections, packs)
        self._room = threading.BoundedSemaphore(most)
        self._open = threading.Lock()
        self._closed = False
        self._patience_s = 0.0
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._tasks: set[asyncio.Task[Receipt]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="qoescope-client", daemon=True)
        self._thread.start()
        self._begun.wait()

    def send(
        self, session: Mapping[str, object], events: Sequence[Mapping[str, object]], *, wait_s: float = 0.0
    ) -> Future[Receipt]:
        """Sends events of one session; the future gives their receipt. `docs/events.md` describes the fields.

        Raises `Full` when there is no room within `wait_s`, and `Mistake` after `close`.
        """
        beacon = b'{"session":%b,"events":%b' % (_ENCODE(session), _ENCODE(events))
        if not self._room.acquire(timeout=wait_s or None, blocking=wait_s > 0):
            raise Full
        receipt: Future[Receipt] = Future()
        with self._open:
            if self._closed:
                self._room.release()
                raise Mistake("the client is closed")
            self._loop.call_soon_threadsafe(self._post, beacon, receipt)
        return receipt

    def close(self, patience_s: float = 10.0) -> None:
        """Waits up to `patience_s` for answers; unanswered beacons get a receipt with `status` 0. Blocks."""
        with self._open:
            if not self._closed:
                self._closed, self._patience_s = True, patience_s
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._poster:
            self._begun.set()
            await self._stop.wait()
            if self._tasks:
                _, unanswered = await asyncio.wait(self._tasks, timeout=self._patience_s)
                for task in unanswered:
                    task.cancel()
                await asyncio.gather(*unanswered, return_exceptions=True)

    def _post(self, beacon: bytes, receipt: Future[Receipt]) -> None:
        """Starts to deliver a beacon; `sent_at` is now, however often it is sent."""
        post = Post(b'%b,"sent_at":%d}' % (beacon, time.time_ns() // 1_000_000))
        task = self._loop.create_task(self._poster.deliver(post))
        self._tasks.add(task)

        def finish(task: asyncio.Task[Receipt]) -> None:
            self._tasks.discard(task)
            self._room.release()
            if task.cancelled():
                receipt.set_result(Receipt(0, None, post.error or "not answered", post.attempts))
            elif (error := task.exception()) is not None:
                receipt.set_exception(error)
            else:
                receipt.set_result(task.result())

        task.add_done_callback(finish)
