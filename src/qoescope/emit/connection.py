"""Connection: one raw HTTP connection of the load generator, kept open, one request at a time.

Raw because a load generator has to cost less than what it loads. Programs send with `qoescope.client`.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from qoescope.client.retrying import retry_after_s
from qoescope.client.urls import beacons_url


@dataclass(frozen=True)
class Beacon:
    """One request to come: its text without its end, and what it holds."""

    body: bytes
    clock_error_ms: int
    session_id: str
    first_seq: int
    last_seq: int
    events: int


@dataclass(slots=True, eq=False)
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
    key: str = field(repr=False)
    _head: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            "Content-Type: application/json\r\n"
        ).encode()

    def request(self, body: bytes) -> bytes:
        """The whole request."""
        return b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body)


def door(url: str, key: str) -> Door:
    """The door of a collector's URL; raises `Mistake` when it is not a URL of HTTP."""
    parts = urlsplit(beacons_url(url))
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Door(parts.hostname or "", port, parts.path, parts.scheme == "https", key)


class Owner(Protocol):
    """Who hands requests to a connection, and hears what became of them."""

    def ready(self, connection: "Connection") -> None:
        """It has nothing to do."""

    def answered(self, entry: Entry, asked_s: float | None) -> None:
        """The request has its answer; the collector may have asked for a pause."""

    def gone(self, connection: "Connection", entry: Entry | None) -> None:
        """It was closed or broke, perhaps with a request under way."""


class Connection(asyncio.Protocol):
    """One kept-open connection; one request at a time."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._read = bytearray()
        self._transport: asyncio.Transport | None = None
        self.entry: Entry | None = None
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for a first request."""
        self._transport = transport  # type: ignore[assignment]
        self._owner.ready(self)

    def send(self, entry: Entry) -> None:
        """Sends; the answer comes back to the sender."""
        self.entry, self.since = entry, time.monotonic()
        if self._transport is not None:
            self._transport.write(entry.request)

    def data_received(self, data: bytes) -> None:
        """Reads until a whole answer is there."""
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._read[:end])
            if (_header(head, b"transfer-encoding") or b"").lower() == b"chunked":
                whole = _end_of_chunks(self._read, end + 4)
            else:
                whole = end + 4 + int(_header(head, b"content-length") or 0)
            if whole is None or len(self._read) < whole:
                return
            del self._read[:whole]
            entry, self.entry = self.entry, None
            if entry is not None:
                entry.status = int(head[9:12])
                asked = _header(head, b"retry-after")
                self._owner.answered(entry, retry_after_s(asked.decode("latin-1") if asked is not None else None))
            if (_header(head, b"connection") or b"").lower() == b"close":
                self.close()
            else:
                self._owner.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not answered is sent again, over another connection."""
        del exc
        entry, self.entry = self.entry, None
        self._owner.gone(self, entry)

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()


def _end_of_chunks(read: bytearray, at: int) -> int | None:
    """Where a chunked body that begins there ends; None while it is not whole."""
    while (line := read.find(b"\r\n", at)) >= 0:
        size = int(read[at:line].partition(b";")[0], 16)
        at = line + 2 + size + 2
        if size == 0:
            return at
    return None


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return None
    end = head.find(b"\r\n", at + 2)
    return head[at + len(name) + 3 : end if end >= 0 else None].strip()
