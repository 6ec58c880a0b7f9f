"""Promises: what the door says of any sender, each tried on a server that runs."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

WITHIN_S = 12.0
"""The servers' times are one and two seconds; what is not over by then never is."""
GET = b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"
EVENT = {"seq": 1, "at": 1_762_000_000_000, "type": "heartbeat", "state": "playing", "state_ms": 10_000}
MOST_MEMORY = 60 * 2**20
"""More than a bounded request can make a server take."""


@dataclass
class Probed:
    """A server that runs, and a key that may write to it."""

    port: int
    key: str
    process: psutil.Process

    def connect(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=WITHIN_S)

    def hear(self, *pieces: bytes, every_s: float = 0.0) -> bytes | None:
        """All that comes until the other side closes; None when it never does."""
        with self.connect() as raw:
            sender = threading.Thread(target=self.push, args=(raw, pieces, every_s), daemon=True)
            sender.start()
            raw.settimeout(1.0)
            heard, deadline = b"", time.monotonic() + WITHIN_S
            while time.monotonic() < deadline:
                try:
                    piece = raw.recv(65_536)
                except TimeoutError:
                    continue
                except OSError:
                    return heard
                if not piece:
                    return heard
                heard += piece
        return None

    def push(self, raw: socket.socket, pieces: Iterable[bytes], every_s: float) -> None:
        """Sends these until the other side has had enough."""
        try:
            for piece in pieces:
                raw.sendall(piece)
                time.sleep(every_s)  # noqa: TID251 — a bench may
        except OSError:
            return

    def head(self, *lines: str) -> bytes:
        """The head of a beacon's request."""
        return "\r\n".join(
            ("POST /v1/beacons HTTP/1.1", "host: a", f"authorization: Bearer {self.key}", *lines, "", "")
        ).encode()

    def lives(self) -> bool:
        """Another client is served."""
        try:
            with self.connect() as raw:
                raw.sendall(GET)
                return raw.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def refused(heard: bytes | None) -> bool:
    """It was answered with a 4xx, or closed without a word."""
    return heard is not None and (heard == b"" or heard.split(b" ")[1].startswith(b"4"))


def silent(door: Probed) -> bool:
    """A connection that says nothing."""
    return door.hear() is not None


def slow_head(door: Probed) -> bool:
    """Headers that never end."""
    return door.hear(b"GET /livez HTTP/1.1\r\nhost: a\r\nx: ", *[b"y"] * 100, every_s=0.2) is not None


def slow_body(door: Probed) -> bool:
    """A body that never ends."""
    return refused(door.hear(door.head("content-length: 1000"), *[b"y"] * 100, every_s=0.2))


def slow_body_of_nobody(door: Probed) -> bool:
    """A body that never ends of a request that is answered without it."""
    return door.hear(b"POST /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n", *[b""] * 9, every_s=1) is not None


def unread(door: Probed) -> bool:
    """A sender that asks and never reads."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", door.port))
        threading.Thread(
            target=door.push,
            args=(raw, [b"GET /v1/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n" * 500] * 20, 0.0),
            daemon=True,
        ).start()
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            there = [c for c in door.process.net_connections("tcp") if c.raddr and c.raddr.port == raw.getsockname()[1]]
            if not there and time.monotonic() > deadline - WITHIN_S + 1:
                return True
            time.sleep(0.2)  # noqa: TID251
    return False


def wide_head(door: Probed) -> bool:
    """Headers without end, faster than time ends them: refused before they take memory."""
    before = door.process.memory_info().rss
    heard = door.hear(b"GET /livez HTTP/1.1\r\nhost: a\r\n", *[b"a: " + b"b" * 8_000 + b"\r\n"] * 20_000)
    return refused(heard) and door.process.memory_info().rss - before < MOST_MEMORY


def many_trailers(door: Probed) -> bool:
    """Trailers without end."""
    before = door.process.memory_info().rss
    pieces = [b"a%d: b\r\n" % number * 100 for number in range(100_000)]
    heard = door.hear(door.head("transfer-encoding: chunked") + b"2\r\n{}\r\n0\r\n", *pieces)
    return refused(heard) and door.process.memory_info().rss - before < MOST_MEMORY


def trailers_are_no_headers(door: Probed) -> bool:
    """A key in a trailer is no key, of this request or the next one."""
    body = json.dumps({"session": {"session_id": "s"}, "events": [EVENT]}).encode()
    chunked = b"POST %b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n"
    chunked += b"authorization: Bearer %b\r\n\r\n"
    without = b"POST /v1/beacons HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
    for path in (b"/livez", b"/v1/beacons"):
        sent = chunked % (path, len(body), body, door.key.encode()) + without % (len(body), body)
        if b'"accepted"' in (door.hear(sent) or b""):
            return False
    return True


def endless_body(door: Probed) -> bool:
    """Chunks without end stop at the limit on a body."""
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    return refused(door.hear(door.head("transfer-encoding: chunked"), *[chunk] * 200))


def many_connections(door: Probed) -> bool:
    """More connections than are allowed, half of them slow: no more are held, and another client is served."""
    held = [door.connect() for _ in range(200)]
    for raw in held[::2]:
        door.push(raw, [b"GET /livez HT"], 0.0)
    lives = door.lives()
    count = len(
        [
            c
            for c in door.process.net_connections("tcp")
            if c.status == psutil.CONN_ESTABLISHED and c.laddr.port == door.port
        ]
    )
    for raw in held:
        raw.close()
    return lives and count <= 60


def upgrade(door: Probed) -> bool:
    """A request that would rather speak HTTP/2 is answered in HTTP/1.1, body and all."""
    body = json.dumps({"session": {"session_id": "u"}, "events": [EVENT]}).encode()
    sent = door.head(f"content-length: {len(body)}", "connection: upgrade", "upgrade: h2c") + body
    with door.connect() as raw:
        raw.sendall(sent)
        raw.settimeout(3)
        try:
            return raw.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def hosts(door: Probed) -> bool:
    """No host, or two, are refused."""
    return all(
        refused(door.hear(b"GET /livez HTTP/1.1\r\n%bconnection: close\r\n\r\n" % host))
        for host in (b"", b"host: a\r\nhost: b\r\n")
    )


def late_reader(door: Probed) -> bool:
    """Pipelined requests that are read late do not keep the connection."""
    return door.hear(b"GET /v1/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n" * 400) is not None


PROMISES: list[tuple[str, Callable[[Probed], bool]]] = [
    (str(one.__doc__).rstrip("."), one)
    for one in (
        silent,
        slow_head,
        slow_body,
        slow_body_of_nobody,
        unread,
        late_reader,
        wide_head,
        many_trailers,
        trailers_are_no_headers,
        endless_body,
        many_connections,
        upgrade,
        hosts,
    )
]
