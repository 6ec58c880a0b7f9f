"""One client connection: hands its requests over one by one, each phase bounded by a timeout."""

import asyncio
import logging
import time
from collections import deque
from math import inf
from typing import TYPE_CHECKING, cast

from qoescope.ingest.bodies import Refused
from qoescope.ingest.heads import HttpError
from qoescope.ingest.reading import Reader
from qoescope.ingest.requests import STATUS_LINES, ClientDisconnected, Request

if TYPE_CHECKING:
    from qoescope.ingest.http import Server

log = logging.getLogger(__name__)
MOST_WAITING = 16
"""Pipelined requests that may wait behind the one that is being answered."""
MOST_AT_ONCE = 512
"""Waiting requests that may have arrived before reading could be paused; more are refused."""
AHEAD_BYTES = 64 * 1024
"""Bytes of waiting requests above which reading is paused."""
REQUEST_BYTES = 1024
"""What a waiting request takes besides its own bytes."""
LINGER_S = 2.0
"""How long a refused sender's bytes are read and discarded, so that it receives the answer."""


class ClientConnection(asyncio.Protocol):
    """A connection: enforces timeouts, and hands requests over one by one."""

    def __init__(self, server: "Server") -> None:
        self.server, self.loop = server, server.loop
        self._transport: asyncio.Transport
        self._reader = Reader(self)
        self._ignores_input = self._lost = False
        self._waiting: deque[Request] = deque()
        self._held_bytes = 0
        self._current: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: HttpError | None = None
        self._writable: asyncio.Future[None] | None = None
        self._unread_since: float | None = None
        self._receive_by = self._answer_by = self._read_by = self._end_by = inf
        """By when what comes must be whole, something be answered, what was answered be read, and all be over."""

    @property
    def incoming(self) -> Request | None:
        """The request whose body has not arrived completely."""
        return self._reader.incoming

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepts the connection, evicting an idle one if there are too many; else closes it at once."""
        self._transport = cast("asyncio.Transport", transport)
        if not self.server.make_room():
            self._transport.abort()
            return
        self.server.connections.add(self)
        self._start_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cleans up; a handler that waits for a body gets `ClientDisconnected`."""
        self._lost = True
        self.server.connections.discard(self)
        self.server.idle.pop(self, None)
        self._waiting.clear()
        self._count_ahead(-self._held_bytes)
        self._reader.end(ClientDisconnected())
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parses bytes."""
        if not self._ignores_input and (unfit := self._reader.feed(data)) is not None:
            self._refuse(unfit)

    def eof_received(self) -> bool:
        """The sender closed its side; complete requests are still answered."""
        incoming = self._reader.incoming
        if self._current is None or self._current is incoming:
            return False
        self._ignores_input, self._receive_by = True, inf
        if incoming is not None:
            self._reader.incoming = None
            self._count_ahead(-self._waiting.pop().held_bytes)
        if self._error is None:
            (self._waiting[-1] if self._waiting else self._current).keeps_alive = False
        return True

    def pause_writing(self) -> None:
        """The client does not read: pauses reading from it, and starts a timeout."""
        self._writable = self.loop.create_future()
        self._read_by = time.monotonic() + self.server.body_s
        self._update_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable, self._read_by = None, inf
        if self._current is None and not self._lost:
            self._start_next()
        self._update_reading()

    def _update_reading(self) -> None:
        """Reads only while the client reads too, and no faster than its requests are answered.

        Time in which reading is paused does not count against the sender.
        """
        reads = self._writable is None and len(self._waiting) < MOST_WAITING and self._held_bytes <= AHEAD_BYTES
        if reads == (self._unread_since is None) or self._lost or self._transport.is_closing():
            return
        if reads:
            self._receive_by += time.monotonic() - cast("float", self._unread_since)
            self._unread_since = None
            self._transport.resume_reading()
        else:
            self._unread_since = time.monotonic()
            self._transport.pause_reading()

    # What the reader tells

    def set_deadline(self, seconds: float | None) -> None:
        """Allows so many seconds for what the client is sending; None when nothing is expected."""
        self._receive_by = inf if seconds is None else time.monotonic() + seconds

    def begin(self, request: Request) -> None:
        """Takes a request whose head has arrived: starts it, or queues it behind earlier ones."""
        self._receive_by = time.monotonic() + self.server.body_s
        self._waiting.append(request)
        if self._current is None:
            self._begin_next()
        else:
            self.count_held(request, request.headers.size + REQUEST_BYTES)

    def count_held(self, request: Request, size: int) -> None:
        """Counts bytes of a waiting request; reading pauses above the limit."""
        if request is not self._current:
            request.held_bytes += size
            self._count_ahead(size)

    def is_crowded(self) -> bool:
        """Whether too much waits, on this connection or on all together."""
        return len(self._waiting) > MOST_AT_ONCE or self.server.ahead_bytes > self.server.most_ahead_bytes

    def _count_ahead(self, size: int) -> None:
        self._held_bytes += size
        self.server.ahead_bytes += size
        self._update_reading()

    # What the handler tells

    def write(self, data: bytes) -> None:
        """Sends bytes, unless the connection is closing."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Waits until the client has read, and restarts the answer's timeout; raises `ClientDisconnected`."""
        if self._writable is not None:
            await self._writable
        if self._transport.is_closing():
            raise ClientDisconnected
        self._answer_by = time.monotonic() + self.server.answer_s

    def allow_eviction(self) -> None:
        """Lets the connection be evicted though a request is being answered."""
        self.server.idle[self] = None

    def finish(self, request: Request) -> None:
        """Ends a request whose answer is written: starts the next one, or closes."""
        if request is not self._current:
            return
        self._current, self._answer_by = None, inf
        if self._lost:
            return
        if not request.keeps_alive:
            self._close(lingers=self._reader.incoming is not None)
        else:
            self._start_next()

    # What we do

    def _start_next(self) -> None:
        """Starts the next request once the previous answer is on its way; or waits for one."""
        if self._end_by < inf:
            return
        self.server.idle[self] = None
        if self._waiting:
            if self._writable is None:
                self._begin_next()
        elif self._error is not None:
            self._send_error(self._error)
        elif not self._reader.begun:
            self._receive_by = time.monotonic() + self.server.header_s

    def _begin_next(self) -> None:
        self._current = self._waiting.popleft()
        self.server.idle.pop(self, None)
        self._answer_by = time.monotonic() + self.server.answer_s
        if self._current.held_bytes:
            self._count_ahead(-self._current.held_bytes)
        self._task = self.loop.create_task(self._handle(self._current))

    async def _handle(self, request: Request) -> None:
        """Runs the handler; whatever it raises, the request and the connection are cleaned up."""
        try:
            await self.server.handler(request)
        except ClientDisconnected:
            self._transport.abort()
        except Exception:  # noqa: BLE001 — where all that nobody foresaw ends: logged, answered, closed
            self._fail(request, "failed", exc_info=True)
        else:
            if self._current is request:
                self._fail(request, "was not answered")
        finally:
            if self._current is request:
                self._transport.abort()

    def _fail(self, request: Request, how: str, *, exc_info: bool = False) -> None:
        """Answers 500 unless an answer has begun; closes."""
        self._log(request, how, exc_info=exc_info)
        request.keeps_alive = False
        request.answer(500, (("content-type", "text/plain"),), b"failed")

    def _log(self, request: Request, how: str, *, exc_info: bool = False) -> None:
        log.error("%s %.200r %s", request.method, request.path, how, exc_info=exc_info)
        self.server.failures += 1

    def _refuse(self, unfit: HttpError) -> None:
        """Stops reading; sends the error once all earlier requests are answered."""
        self._ignores_input, self._error, self._receive_by = True, unfit, inf
        self._reader.end(Refused(unfit.status, unfit.error))
        if self._current is None:
            self._send_error(unfit)

    def _send_error(self, unfit: HttpError) -> None:
        self.write(
            b"%b%bcontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (STATUS_LINES[unfit.status], self.server.date, len(unfit.error), unfit.error.encode())
        )
        self._close(lingers=True)

    def _close(self, *, lingers: bool = False) -> None:
        """Closes: at once when everything was read, else after the client had time to read the answer."""
        self._ignores_input, self._receive_by = True, inf
        self._waiting.clear()
        self._count_ahead(-self._held_bytes)
        self._reader.incoming = None
        unsent = self._transport.get_write_buffer_size() > 0
        self._end_by = time.monotonic() + (self.server.body_s if unsent else LINGER_S)
        self.server.idle[self] = None
        if not lingers or self._transport.is_closing():
            self._transport.close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()

    def sweep(self, now: float) -> None:
        """Closes the connection if it exceeds one of its timeouts."""
        if now > self._end_by or now > self._read_by:
            self._transport.abort()
        elif now > self._answer_by and self._current is not None and self._task is not None:
            self._log(self._current, "was not answered in time")
            self._task.cancel()
            self._transport.abort()
        elif now > self._receive_by and self._unread_since is None:
            if self._reader.incoming is not None:
                self._refuse(HttpError(408, "the body took too long"))
            elif self._reader.begun:
                self._refuse(HttpError(408, "the headers took too long"))
            else:
                self._transport.abort()

    def evict(self) -> None:
        """Closes it to make room for another."""
        self._transport.abort()

    def close_if_idle(self) -> None:
        """Closes it unless a request is being answered."""
        if self._current is None:
            self._close()
