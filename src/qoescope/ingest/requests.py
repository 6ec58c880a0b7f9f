"""One request, and how to answer it."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from qoescope.ingest.bodies import Refused
from qoescope.ingest.heads import Headers, origin_form

if TYPE_CHECKING:
    from qoescope.ingest.connections import ClientConnection

Header = tuple[str, str]
TRUNCATED_BYTES = 64 * 1024
"""Bytes of a body beyond its limit that its dead letter keeps."""
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_CONTENT = 204


@lru_cache(1024)
def _lines(headers: tuple[Header, ...]) -> bytes:
    """The headers as they are sent; most answers have the same."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1", "replace")


class ClientDisconnected(Exception):
    """The client closed the connection before its request was complete, or its answer sent."""


class Request:
    """One request, and how to answer it."""

    __slots__ = (
        "_body",
        "_complete",
        "_connection",
        "_failure",
        "begun",
        "headers",
        "held_bytes",
        "keeps_alive",
        "method",
        "path",
        "query",
    )

    def __init__(self, connection: "ClientConnection", method: str, url: bytes, headers: Headers) -> None:
        path, _, query = origin_form(url).decode("latin-1").partition("?")
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.keeps_alive = True
        self.begun = False
        """Whether part of the answer is sent."""
        self.held_bytes = 0
        """Bytes that are counted for it while it waits."""
        self._connection = connection
        self._body: bytes | bytearray = b""
        self._failure: Exception | None = None
        self._complete: asyncio.Future[None] | None = None

    @property
    def whole(self) -> bytes | None:
        """The body if it has arrived already, as most have, so that nothing has to be awaited; else None."""
        if self._failure is not None or self._connection.incoming is self:
            return None
        return bytes(self._body)

    async def body(self) -> bytes:
        """Waits for the whole body; raises `Refused` (413, 408), or `ClientDisconnected`."""
        connection = self._connection
        if connection.incoming is self and self._failure is None:
            if (self.headers.get("expect") or "").lower() == "100-continue":
                connection.write(_CONTINUE)
            self._complete = connection.loop.create_future()
            await self._complete
        if self._failure is not None:
            raise self._failure
        return bytes(self._body)

    def add(self, piece: bytes, most: int) -> None:
        """Adds a piece of the body, unless it is too long already; many small pieces take no more memory than one."""
        if self._failure is not None:
            return
        if not self._body:
            self._body = piece
        elif isinstance(self._body, bytearray):
            self._body += piece
        else:
            self._body = bytearray(self._body) + piece
        if len(self._body) > most:
            self.end(Refused(413, f"larger than {most} bytes", bytes(self._body[:TRUNCATED_BYTES])))

    def end(self, failure: Exception | None = None) -> None:
        """The body is complete, or failed for this reason."""
        if self._failure is None:
            self._failure = failure
        if failure is not None:
            self._body = b""
        if self._complete is not None and not self._complete.done():
            self._complete.set_result(None)

    def answer(self, status: int, headers: Sequence[Header] = (), body: bytes = b"", length: int | None = None) -> None:
        """Sends the whole answer, once. A HEAD may be given a `length` without the body."""
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
        """Sends a piece of the answer as fast as the client reads; raises `ClientDisconnected`."""
        await self._connection.drain()
        self._connection.write(piece)

    def allow_eviction(self) -> None:
        """Lets this request's connection be evicted for another: its answer takes long."""
        self._connection.allow_eviction()

    def done(self) -> None:
        """The answer that `head` began is complete."""
        self._connection.finish(self)
