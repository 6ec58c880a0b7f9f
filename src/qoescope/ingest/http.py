"""HTTP: one connection's requests, each bounded in time and size before any of our code sees it.

The parser is llhttp. Requests cost a fifth of what they do behind a general server, whose threads hand each one over
twice; and how long headers and bodies may take, and how large they may be, is kept here.
"""

import asyncio
import ssl
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import cast

import httptools

from qoescope.ingest.bodies import Refused
from qoescope.ingest.requests import STATUS_LINES, Gone, Headers, Request
from qoescope.settings import Settings

Handler = Callable[["Request"], Awaitable[None]]
HEADER_BYTES = 32 * 1024
MOST_WAITING = 16
"""Requests that may wait behind the one that is being answered."""
LINGER_S = 2.0
"""How long what a refused sender still sends is read and thrown away, so that it hears the answer."""


class Connection(asyncio.Protocol):
    """One connection: parses, keeps time, and hands requests over one after the other."""

    def __init__(self, server: "Server") -> None:
        self.server, self.loop = server, server.loop
        self.incoming: Request | None = None
        self.deadline: float | None = 0.0
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url, self._headers, self._header_bytes = b"", Headers(), 0
        self._waiting: deque[Request] = deque()
        self._busy: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._deaf = False
        self._reads = True
        self._writable: asyncio.Future[None] | None = None

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection begins; where there are too many, one that asks nothing makes room, or it is closed at once."""
        self._transport = cast("asyncio.Transport", transport)
        if not self.server.room():
            self._transport.abort()
            return
        self.server.connections.add(self)
        self.server.idle[self] = None
        self.deadline = time.monotonic() + self.server.header_s

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over: whoever waits for a body is told."""
        self.server.connections.discard(self)
        self.server.idle.pop(self, None)
        self._waiting.clear()
        if self.incoming is not None:
            self.incoming.end(Gone())
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._deaf:
            return
        self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "no upgrades here")
        except httptools.HttpParserError:
            if not self._deaf:
                self._refuse(400, "not HTTP/1.1")
        else:
            if self.incoming is None and self._header_bytes > HEADER_BYTES:
                self._refuse(431, "headers too large")

    def eof_received(self) -> bool:
        """The sender will send no more; what it asked is still answered, unless its body is not whole."""
        if self.incoming is not None or self._busy is None:
            return False
        (self._waiting[-1] if self._waiting else self._busy).keeps_alive = False
        return True

    def pause_writing(self) -> None:
        """The other side does not read: nothing more is taken from it, and not for long."""
        self._writable = self.loop.create_future()
        self.deadline = time.monotonic() + self.server.body_s
        self._read_or_not()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
            self.deadline = None
        self._writable = None
        self._read_or_not()

    def _read_or_not(self) -> None:
        """Reads on only while the other side reads too, and does not ask faster than it is answered."""
        reads = self._writable is None and len(self._waiting) < MOST_WAITING
        if reads != self._reads and not self._transport.is_closing():
            self._reads = reads
            (self._transport.resume_reading if reads else self._transport.pause_reading)()

    # What the parser tells

    def on_url(self, url: bytes) -> None:
        """A piece of the request line."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        raw, key = self._headers.raw, name.lower()
        raw[key] = b"%b, %b" % (raw[key], value) if key in raw else value

    def on_headers_complete(self) -> None:
        """A request begins: its handler may start before its body is here."""
        method = self._parser.get_method().decode("latin-1")
        request = Request(self, method, self._url, self._headers)
        request.keeps_alive = self._parser.should_keep_alive()
        self._url, self._headers, self._header_bytes = b"", Headers(), 0
        self.incoming = request
        self.deadline = time.monotonic() + self.server.body_s
        self._waiting.append(request)
        if self._busy is None:
            self._next()
        else:
            self._read_or_not()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self.incoming is not None:
            self.incoming.add(body, self.server.body_bytes)

    def on_message_complete(self) -> None:
        """The request is whole."""
        request, self.incoming = self.incoming, None
        self.deadline, self._header_bytes = None, 0
        if request is not None:
            request.end()

    # What we do

    def _next(self) -> None:
        self._busy = self._waiting.popleft()
        self.server.idle.pop(self, None)
        self._task = self.loop.create_task(self._handled(self._busy))

    async def _handled(self, request: Request) -> None:
        try:
            await self.server.handler(request)
        except Gone:
            self._transport.abort()

    def write(self, data: bytes) -> None:
        """Sends bytes, if there is still somebody."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drained(self) -> None:
        """Waits until the other side has read; raises `Gone`."""
        if self._writable is not None:
            await self._writable
        if self._transport.is_closing():
            raise Gone

    def answered(self, request: Request) -> None:
        """The answer is out: the next request's turn, or the end."""
        if request is not self._busy:
            return
        self._busy = None
        if not request.keeps_alive:
            self._close()
        elif self._waiting:
            self._next()
            self._read_or_not()
        elif self.incoming is None:
            self.server.idle[self] = None
            self.deadline = time.monotonic() + self.server.header_s

    def _refuse(self, status: int, error: str) -> None:
        """Answers what is no request, unless an answer is being made, and closes."""
        if self._busy is None:
            self.write(
                b"%b%bcontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (STATUS_LINES[status], self.server.date, len(error), error.encode())
            )
        elif self.incoming is not None:
            self.incoming.end(Gone())
        self._close()

    def _close(self) -> None:
        """Closes: at once when all was read, else after the sender had time to hear the answer."""
        self._deaf = True
        self._waiting.clear()
        if self.incoming is None or self._transport.is_closing():
            self._transport.close()
            return
        self.incoming = None
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.server.idle[self] = None
        self.deadline = time.monotonic() + LINGER_S

    def late(self) -> None:
        """Its time is over."""
        if self._writable is not None:
            self._transport.abort()
        elif self.incoming is not None:
            self.deadline = time.monotonic() + LINGER_S
            self.incoming.end(Refused(408, "the body took too long"))
        elif self._deaf or not (self._url or self._headers.raw):
            self._transport.abort()
        else:
            self._refuse(408, "the headers took too long")

    def give_way(self) -> None:
        """Closes it for another."""
        self._transport.abort()

    def close_if_idle(self) -> None:
        """Closes it unless a request is being answered."""
        if self._busy is None:
            self._transport.close()


class Server:
    """Listens, and keeps time for all connections."""

    def __init__(self, handler: Handler, settings: Settings) -> None:
        self.handler = handler
        self.loop = asyncio.get_running_loop()
        self.header_s, self.body_s = settings.header_timeout_s, settings.body_timeout_s
        self.body_bytes, self.most_connections = settings.body_bytes, settings.door_connections
        self.connections: set[Connection] = set()
        self.idle: OrderedDict[Connection, None] = OrderedDict()
        """Of them, those of which no request is being answered, the one that has been so for longest first."""
        self.stopping = False
        self.date = b""
        self._address, self._port = settings.door_address, settings.door_port
        self._shared = settings.door_workers > 1
        self._tls = _tls(settings)
        self._listening: asyncio.Server
        self.look()

    async def start(self) -> None:
        """Listens from now on; raises `OSError` when the port is taken."""
        self._listening = await self.loop.create_server(
            lambda: Connection(self),
            self._address,
            self._port,
            backlog=1024,
            ssl=self._tls,
            reuse_port=self._shared or None,
        )

    def look(self) -> None:
        """Ends what takes too long; called each second."""
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = time.monotonic()
        for connection in list(self.connections):
            if connection.deadline is not None and now > connection.deadline:
                connection.late()

    def room(self) -> bool:
        """Whether one more may connect; who asks nothing for longest gives way to it."""
        if len(self.connections) < self.most_connections:
            return True
        if not self.idle:
            return False
        oldest, _ = self.idle.popitem(last=False)
        self.connections.discard(oldest)
        oldest.give_way()
        return True

    def stop(self) -> None:
        """Listens no more; connections end with their next answer."""
        self.stopping = True
        self._listening.close()
        for connection in list(self.connections):
            connection.close_if_idle()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.door_tls_certificate is None or settings.door_tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.door_tls_certificate, settings.door_tls_key)
    return context
