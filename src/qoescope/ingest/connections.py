"""Connections: their requests one after the other, each state of them bounded in time."""

import asyncio
import logging
import time
from collections import deque
from math import inf
from typing import TYPE_CHECKING, cast

from qoescope.ingest.bodies import Refused
from qoescope.ingest.heads import Unfit
from qoescope.ingest.reading import Reader
from qoescope.ingest.requests import STATUS_LINES, Gone, Request

if TYPE_CHECKING:
    from qoescope.ingest.http import Server

log = logging.getLogger(__name__)
MOST_WAITING = 16
"""Requests that may wait behind the one that is being answered."""
MOST_AT_ONCE = 512
"""Of them, where they came so fast that reading could not be stopped before; more are refused."""
AHEAD_BYTES = 64 * 1024
"""Bytes of them; then nothing more is read until their turn has come."""
REQUEST_BYTES = 1024
"""What a waiting request takes besides its own bytes."""
LINGER_S = 2.0
"""How long what a refused sender still sends is read and thrown away, so that it hears the answer."""


class Connection(asyncio.Protocol):
    """One connection: keeps time, and hands requests over one after the other."""

    def __init__(self, server: "Server") -> None:
        self.server, self.loop = server, server.loop
        self._transport: asyncio.Transport
        self._reader = Reader(self)
        self._deaf = self._lost = False
        self._waiting: deque[Request] = deque()
        self._ahead = 0
        self._busy: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._unfit: Unfit | None = None
        self._writable: asyncio.Future[None] | None = None
        self._unread_since: float | None = None
        self._receive_by = self._answer_by = self._read_by = self._end_by = inf
        """By when what comes must be whole, something be answered, what was answered be read, and all be over."""

    @property
    def incoming(self) -> Request | None:
        """The request whose body is not whole."""
        return self._reader.incoming

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection begins; where there are too many, one that asks nothing makes room, or it is closed at once."""
        self._transport = cast("asyncio.Transport", transport)
        if not self.server.make_room():
            self._transport.abort()
            return
        self.server.connections.add(self)
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over: whoever waits for a body is told."""
        self._lost = True
        self.server.connections.discard(self)
        self.server.idle.pop(self, None)
        self._waiting.clear()
        self._count_ahead(-self._ahead)
        self._reader.end(Gone())
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if not self._deaf and (unfit := self._reader.feed(data)) is not None:
            self._refuse(unfit)

    def eof_received(self) -> bool:
        """The sender will send no more; what it asked is still answered, unless its body is not whole."""
        incoming = self._reader.incoming
        if self._busy is None or self._busy is incoming:
            return False
        self._deaf, self._receive_by = True, inf
        if incoming is not None:
            self._reader.incoming = None
            self._count_ahead(-self._waiting.pop().held)
        if self._unfit is None:
            (self._waiting[-1] if self._waiting else self._busy).keeps_alive = False
        return True

    def pause_writing(self) -> None:
        """The other side does not read: nothing more is taken from it, and not for long."""
        self._writable = self.loop.create_future()
        self._read_by = time.monotonic() + self.server.body_s
        self._read_or_not()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable, self._read_by = None, inf
        if self._busy is None and not self._lost:
            self._go_on()
        self._read_or_not()

    def _read_or_not(self) -> None:
        """Reads on only while the other side reads too, and asks no faster than it is answered.

        The time in which nothing is read is not the sender's.
        """
        reads = self._writable is None and len(self._waiting) < MOST_WAITING and self._ahead <= AHEAD_BYTES
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

    def allow(self, seconds: float | None) -> None:
        """So much time is left for what is coming; None when nothing is."""
        self._receive_by = inf if seconds is None else time.monotonic() + seconds

    def begin(self, request: Request) -> None:
        """A request's head is here: its turn is now, or after those that came before."""
        self._receive_by = time.monotonic() + self.server.body_s
        self._waiting.append(request)
        if self._busy is None:
            self._begin_next()
        else:
            self.hold(request, request.headers.size + REQUEST_BYTES)

    def hold(self, request: Request, size: int) -> None:
        """So many bytes more are here of a request; where that waits, no more is read while that is too much."""
        if request is not self._busy:
            request.held += size
            self._count_ahead(size)

    def is_crowded(self) -> bool:
        """Too much waits, here or on all connections together."""
        return len(self._waiting) > MOST_AT_ONCE or self.server.ahead_bytes > self.server.most_ahead_bytes

    def _count_ahead(self, size: int) -> None:
        self._ahead += size
        self.server.ahead_bytes += size
        self._read_or_not()

    # What the handler tells

    def write(self, data: bytes) -> None:
        """Sends bytes, if there is still somebody."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drained(self) -> None:
        """Waits until the other side has read; raises `Gone`. Each time, there is time for the next piece."""
        if self._writable is not None:
            await self._writable
        if self._transport.is_closing():
            raise Gone
        self._answer_by = time.monotonic() + self.server.answer_s

    def offer(self) -> None:
        """May be closed for another though a request is being answered."""
        self.server.idle[self] = None

    def finish(self, request: Request) -> None:
        """The answer is out: the next request's turn, or the end."""
        if request is not self._busy:
            return
        self._busy, self._answer_by = None, inf
        if self._lost:
            return
        if not request.keeps_alive:
            self._close(lingers=self._reader.incoming is not None)
        else:
            self._go_on()

    # What we do

    def _go_on(self) -> None:
        """The next request's turn, once what was answered before is on its way; or rest."""
        if self._end_by < inf:
            return
        self.server.idle[self] = None
        if self._waiting:
            if self._writable is None:
                self._begin_next()
        elif self._unfit is not None:
            self._say(self._unfit)
        elif not self._reader.begun:
            self._receive_by = time.monotonic() + self.server.header_s

    def _begin_next(self) -> None:
        self._busy = self._waiting.popleft()
        self.server.idle.pop(self, None)
        self._answer_by = time.monotonic() + self.server.answer_s
        if self._busy.held:
            self._count_ahead(-self._busy.held)
        self._task = self.loop.create_task(self._handle(self._busy))

    async def _handle(self, request: Request) -> None:
        """Lets the request be answered; whatever happens, neither it nor its connection stays."""
        try:
            await self.server.handler(request)
        except Gone:
            self._transport.abort()
        except Exception:  # noqa: BLE001 — where all that nobody foresaw ends: logged, answered, closed
            self._fail(request, "failed", exc_info=True)
        else:
            if self._busy is request:
                self._fail(request, "was not answered")
        finally:
            if self._busy is request:
                self._transport.abort()

    def _fail(self, request: Request, how: str, *, exc_info: bool = False) -> None:
        """Answers 500 unless an answer has begun; closes."""
        self._log(request, how, exc_info=exc_info)
        request.keeps_alive = False
        request.answer(500, (("content-type", "text/plain"),), b"failed")

    def _log(self, request: Request, how: str, *, exc_info: bool = False) -> None:
        log.error("%s %.200r %s", request.method, request.path, how, exc_info=exc_info)
        self.server.failures += 1

    def _refuse(self, unfit: Unfit) -> None:
        """Reads no more; says why, once all that was asked before is answered."""
        self._deaf, self._unfit, self._receive_by = True, unfit, inf
        self._reader.end(Refused(unfit.status, unfit.error))
        if self._busy is None:
            self._say(unfit)

    def _say(self, unfit: Unfit) -> None:
        self.write(
            b"%b%bcontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (STATUS_LINES[unfit.status], self.server.date, len(unfit.error), unfit.error.encode())
        )
        self._close(lingers=True)

    def _close(self, *, lingers: bool = False) -> None:
        """Closes: at once when all was read, else after the sender had time to hear the answer."""
        self._deaf, self._receive_by = True, inf
        self._waiting.clear()
        self._count_ahead(-self._ahead)
        self._reader.incoming = None
        unsent = self._transport.get_write_buffer_size() > 0
        self._end_by = time.monotonic() + (self.server.body_s if unsent else LINGER_S)
        self.server.idle[self] = None
        if not lingers or self._transport.is_closing():
            self._transport.close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()

    def look(self, now: float) -> None:
        """Ends what takes too long."""
        if now > self._end_by or now > self._read_by:
            self._transport.abort()
        elif now > self._answer_by and self._busy is not None and self._task is not None:
            self._log(self._busy, "was not answered in time")
            self._task.cancel()
            self._transport.abort()
        elif now > self._receive_by and self._unread_since is None:
            if self._reader.incoming is not None:
                self._refuse(Unfit(408, "the body took too long"))
            elif self._reader.begun:
                self._refuse(Unfit(408, "the headers took too long"))
            else:
                self._transport.abort()

    def give_way(self) -> None:
        """Closes it for another."""
        self._transport.abort()

    def close_if_idle(self) -> None:
        """Closes it unless a request is being answered."""
        if self._busy is None:
            self._close()
