"""Connection: one kept-open HTTP connection to a collector, one request at a time."""

import asyncio
import gzip
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qoescope.catalog.errors import Mistake

if TYPE_CHECKING:
    from qoescope.emit.sender import Sender

PACKED_FROM = 1024
"""Bytes from which gzip is worth its time."""


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
    answer: bytes = b""


@dataclass
class Door:
    """Where to send to."""

    host: str
    port: int
    path: str
    tls: bool
    key: str = field(repr=False)
    packs: bool = False
    _head: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            "Content-Type: application/json\r\n"
        ).encode()

    def request(self, body: bytes) -> bytes:
        """The whole request; gzipped where the door's sender packs and it is worth it."""
        encoding = b""
        if self.packs and len(body) >= PACKED_FROM:
            body, encoding = gzip.compress(body, 6), b"Content-Encoding: gzip\r\n"
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (self._head, encoding, len(body), body)


def door(url: str, key: str, *, packs: bool = False) -> Door:
    """The door of a URL; what is no URL is said so."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Mistake(f"the collector's URL must look like http://127.0.0.1:8460, not '{url}'")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Door(parts.hostname, port, parts.path.rstrip("/") + "/v1/beacons", parts.scheme == "https", key, packs)


class Connection(asyncio.Protocol):
    """One kept-open connection; one request at a time."""

    def __init__(self, sender: "Sender") -> None:
        self._sender = sender
        self._read = bytearray()
        self._transport: asyncio.Transport | None = None
        self.entry: Entry | None = None
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for a first request."""
        self._transport = transport  # type: ignore[assignment]
        self._sender.ready(self)

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
                found = _chunks(self._read, end + 4)
                if found is None:
                    return
                body, whole = found
            else:
                whole = end + 4 + int(_header(head, b"content-length") or 0)
                if len(self._read) < whole:
                    return
                body = bytes(self._read[end + 4 : whole])
            del self._read[:whole]
            entry, self.entry = self.entry, None
            if entry is not None:
                entry.status, entry.answer = int(head[9:12]), body
                self._sender.answered(entry, _asked_s(_header(head, b"retry-after")))
            if (_header(head, b"connection") or b"").lower() == b"close":
                self.close()
            else:
                self._sender.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not answered is sent again, over another connection."""
        del exc
        entry, self.entry = self.entry, None
        self._sender.gone(self, entry)

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()


def _chunks(read: bytearray, at: int) -> tuple[bytes, int] | None:
    """A chunked body that begins there, and where it ends; None while it is not whole."""
    body = bytearray()
    while (line := read.find(b"\r\n", at)) >= 0:
        size = int(read[at:line].partition(b";")[0], 16)
        at = line + 2 + size + 2
        if size == 0:
            return (bytes(body), at) if len(read) >= at else None
        body += read[line + 2 : line + 2 + size]
    return None


def _asked_s(told: bytes | None) -> float | None:
    """Seconds that a `Retry-After` asks for: a number, or a date."""
    if told is None:
        return None
    if told.isdigit():
        return float(told)
    try:
        then = parsedate_to_datetime(told.decode("latin-1"))
    except ValueError:
        return None
    return (then - datetime.now(UTC)).total_seconds()


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return None
    end = head.find(b"\r\n", at + 2)
    return head[at + len(name) + 3 : end if end >= 0 else None].strip()
