"""HTTP: one connection's requests, each bounded in time and size before any of our code sees it.

The parser is llhttp. Requests cost a fifth of what they do behind a general server, whose threads hand each one over
twice; and how long headers and bodies may take, and how large they may be, is kept here.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast

import httptools

from qoescope.ingest.bodies import Refused
from qoescope.settings import Settings

Header = tuple[str, str]
Handler = Callable[["Request"], Awaitable[None]]
HEADER_BYTES = 32 * 1024
LINGER_S = 2.0
"""How long what a refused sender still sends is read and thrown away, so that it hears the answer."""
KEPT_OF_TOO_LARGE = 64 * 1024
"""Bytes of a body beyond its limit that its dead letter keeps."""
_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


_NO_CONTENT = 204


@lru_cache(1024)
def _lines(headers: tuple[Header, ...]) -> bytes:
    """The headers as they are sent; most answers have the same."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1", "replace")


class Gone(Exception):
    """The sender closed the connection before its request was whole."""


class Headers:
    """A request's headers, read as text only where they are asked for."""

    __slots__ = ("raw",)

    def __init__(self) -> None:
        self.raw: dict[bytes, bytes] = {}

    def get(self, name: str) -> str | None:
        """The header of this name in lower case; a repeated one is joined by commas."""
        value = self.raw.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def items(self) -> list[tuple[str, str]]:
        """All of them."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw.items()]


class Request:
    """One request, and the way to answer it."""

    __slots__ = (
        "_connection",
        "_full",
        "_read",
        "_size",
        "_wrong",
        "headers",
        "keeps_alive",
        "method",
        "path",
        "query",
    )

    def __init__(self, connection: "Connection", method: str, url: bytes, headers: Headers) -> None:
        path, _, query = url.decode("latin-1").partition("?")
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.keeps_alive = True
        self._connection = connection
        self._read: list[bytes] = []
        self._size = 0
        self._wrong: Exception | None = None
        self._full: asyncio.Future[None] | None = None

    @property
    def whole(self) -> bytes | None:
        """The body if it is here already; most are, so that nobody has to wait."""
        if self._wrong is not None or self._connection.incoming is self:
            return None
        return self._read[0] if len(self._read) == 1 else b"".join(self._read)

    async def body(self) -> bytes:
        """All that was sent; raises `Refused` (413, 408), or `Gone`."""
        connection = self._connection
        if connection.incoming is self and self._wrong is None:
            if (self.headers.get("expect") or "").lower() == "100-continue":
                connection.write(_CONTINUE)
            self._full = connection.loop.create_future()
            await self._full
        if self._wrong is not None:
            raise self._wrong
        return self._read[0] if len(self._read) == 1 else b"".join(self._read)

    def add(self, piece: bytes, most: int) -> None:
        """Takes a piece of the body, unless that is too long already."""
        if self._wrong is not None:
            return
        self._read.append(piece)
        self._size += len(piece)
        if self._size > most:
            kept = b"".join(self._read)[:KEPT_OF_TOO_LARGE]
            self.end(Refused(413, f"larger than {most} bytes", kept))

    def end(self, wrong: Exception | None = None) -> None:
        """The body is whole, or will never be."""
        if self._wrong is None:
            self._wrong = wrong
        if wrong is not None:
            self._read.clear()
        if self._full is not None and not self._full.done():
            self._full.set_result(None)

    def answer(self, status: int, headers: Sequence[Header] = (), body: bytes = b"") -> None:
        """Sends the whole answer; the first one counts."""
        head = self._head(status, headers, len(body))
        self._connection.write(head if self.method == "HEAD" else head + body)
        self._connection.answered(self)

    def head(self, status: int, headers: Sequence[Header], length: int) -> None:
        """Sends status and headers; `send` and `done` follow."""
        self._connection.write(self._head(status, headers, length))

    def _head(self, status: int, headers: Sequence[Header], length: int) -> bytes:
        connection = self._connection
        if connection.incoming is self or connection.server.stopping:
            self.keeps_alive = False
        size = b"" if status == _NO_CONTENT else b"content-length: %d\r\n" % length
        end = b"\r\n" if self.keeps_alive else b"connection: close\r\n\r\n"
        return b"".join((_LINES[status], connection.server.date, _lines(tuple(headers)), size, end))

    async def send(self, piece: bytes) -> None:
        """Sends a piece of the answer as fast as the other side reads; raises `Gone`."""
        await self._connection.drained()
        self._connection.write(piece)

    def done(self) -> None:
        """The answer that `head` began is whole."""
        self._connection.answered(self)


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
        self._writable: asyncio.Future[None] | None = None

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection begins; too many are closed at once."""
        self._transport = cast("asyncio.Transport", transport)
        if len(self.server.connections) >= self.server.most_connections:
            self._transport.abort()
            return
        self.server.connections.add(self)
        self.deadline = time.monotonic() + self.server.header_s

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over: whoever waits for a body is told."""
        self.server.connections.discard(self)
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
        """The sender will send no more; what it asked is still answered."""
        return self._busy is not None

    def pause_writing(self) -> None:
        """The other side does not read: nothing more is taken from it."""
        self._writable = self.loop.create_future()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
            if not self._transport.is_closing():
                self._transport.resume_reading()
        self._writable = None

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
        elif self.incoming is None:
            self.deadline = time.monotonic() + self.server.header_s

    def _refuse(self, status: int, error: str) -> None:
        """Answers what is no request, unless an answer is being made, and closes."""
        if self._busy is None:
            self.write(
                b"%b%bcontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (_LINES[status], self.server.date, len(error), error.encode())
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
        self.deadline = time.monotonic() + LINGER_S

    def late(self) -> None:
        """Its time is over."""
        if self.incoming is not None:
            self.deadline = time.monotonic() + LINGER_S
            self.incoming.end(Refused(408, "the body took too long"))
        elif self._deaf or not (self._url or self._headers.raw):
            self._transport.abort()
        else:
            self._refuse(408, "the headers took too long")

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
