"""Requests: one at a time, with the way to answer it."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from qoescope.ingest.bodies import Refused
from qoescope.ingest.heads import Headers, origin_form

if TYPE_CHECKING:
    from qoescope.ingest.connections import Connection

Header = tuple[str, str]
KEPT_OF_TOO_LARGE = 64 * 1024
"""Bytes of a body beyond its limit that its dead letter keeps."""
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_CONTENT = 204


@lru_cache(1024)
def _lines(headers: tuple[Header, ...]) -> bytes:
    """The headers as they are sent; most answers have the same."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1", "replace")


class Gone(Exception):
    """The sender closed the connection before its request was whole."""


class Request:
    """One request, and the way to answer it."""

    __slots__ = (
        "_body",
        "_connection",
        "_full",
        "_wrong",
        "begun",
        "headers",
        "held",
        "keeps_alive",
        "method",
        "path",
        "query",
    )

    def __init__(self, connection: "Connection", method: str, url: bytes, headers: Headers) -> None:
        path, _, query = origin_form(url).decode("latin-1").partition("?")
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.keeps_alive = True
        self.begun = False
        """Something of the answer is out."""
        self.held = 0
        """Bytes that are counted for it while it waits."""
        self._connection = connection
        self._body: bytes | bytearray = b""
        self._wrong: Exception | None = None
        self._full: asyncio.Future[None] | None = None

    @property
    def whole(self) -> bytes | None:
        """The body if it is here already; most are, so that nobody has to wait."""
        if self._wrong is not None or self._connection.incoming is self:
            return None
        return bytes(self._body)

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
        return bytes(self._body)

    def add(self, piece: bytes, most: int) -> None:
        """Takes a piece of the body, unless that is too long already; many small pieces take no more room than one."""
        if self._wrong is not None:
            return
        if not self._body:
            self._body = piece
        elif isinstance(self._body, bytearray):
            self._body += piece
        else:
            self._body = bytearray(self._body) + piece
        if len(self._body) > most:
            self.end(Refused(413, f"larger than {most} bytes", bytes(self._body[:KEPT_OF_TOO_LARGE])))

    def end(self, wrong: Exception | None = None) -> None:
        """The body is whole, or will never be."""
        if self._wrong is None:
            self._wrong = wrong
        if wrong is not None:
            self._body = b""
        if self._full is not None and not self._full.done():
            self._full.set_result(None)

    def answer(self, status: int, headers: Sequence[Header] = (), body: bytes = b"", length: int | None = None) -> None:
        """Sends the whole answer; the first one counts. Who asks by HEAD may be told a `length` without the body."""
        if self.begun:
            return
        head = self._head(status, headers, len(body) if length is None else length)
        self._connection.write(head if self.method == "HEAD" else head + body)
        self._connection.finish(self)

    def head(self, status: int, headers: Sequence[Header], length: int) -> None:
        """Sends status and headers; `send` and `done` follow."""
        self._connection.write(self._head(status, headers, length))

    def _head(self, status: int, headers: Sequence[Header], length: int) -> bytes:
        self.begun = True
        connection = self._connection
        if connection.incoming is self or connection.server.stopping:
            self.keeps_alive = False
        size = b"" if status == _NO_CONTENT else b"content-length: %d\r\n" % length
        end = b"\r\n" if self.keeps_alive else b"connection: close\r\n\r\n"
        return b"".join((STATUS_LINES[status], connection.server.date, _lines(tuple(headers)), size, end))

    async def send(self, piece: bytes) -> None:
        """Sends a piece of the answer as fast as the other side reads; raises `Gone`."""
        await self._connection.drained()
        self._connection.write(piece)

    def give_way(self) -> None:
        """Says that this request may be ended where others have no room: it takes its time."""
        self._connection.offer()

    def done(self) -> None:
        """The answer that `head` began is whole."""
        self._connection.finish(self)
