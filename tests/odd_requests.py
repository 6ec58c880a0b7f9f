"""Odd requests: what anybody may send to a door, drawn from a grammar by a seed.

A visit is what one connection sends: requests one after the other, in pieces, whole or not. Most of its parts are as
they should be, so that those which are not reach further than the parser.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

EVENT = {"seq": 1, "at": 1_762_000_000_000, "type": "heartbeat", "state": "playing", "state_ms": 10_000}
PATHS = ("/v1/beacons", "/v1/beacons", "/v1/beacons", "/v1/beacons?key={key}", "/v1/cmcd", "/v1/cmcd/{key}", "/livez")
ODD_PATHS = (
    "/readyz",
    "/metrics",
    "/v1/openapi.json",
    "/v1/qoescope.js",
    "/demo",
    "/demo/media/%00",
    "/demo/media/../../x",
    "/demo/media/%2e%2e/x",
    "/demo/media/" + "a" * 4_200,
    "/demo/media/a?kbps=50",
    "//",
    "/%ff",
    "/v1/beacons?key={key}",
    "/v1/beacons/..",
    "*",
    "door:80",
    "http://door/livez",
    "HTTP://[::1]/livez?x",
    "/" + "b" * 20_000,
    "/?" + "c" * 20_000,
    "/a b",
    "",
    "/\x7f",
)
METHODS, ODD_METHODS = ("POST", "POST", "POST", "GET"), ("GET", "HEAD", "OPTIONS", "PUT", "TRACE", "CONNECT", "PRI")
VERSION, ODD_VERSIONS = "HTTP/1.1", ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "http/1.1", "RTSP/1.0", "")
HEADERS = (
    "host: other",
    "host:",
    "Host : door",
    "connection: close",
    "connection: keep-alive",
    "connection: upgrade",
    "upgrade: h2c",
    "upgrade: websocket",
    "expect: 100-continue",
    "expect: magic",
    "content-type: application/json",
    "content-type: application/cmcd",
    "content-encoding: gzip",
    "content-encoding: GZIP",
    "content-encoding: br",
    "content-encoding: gzip, gzip",
    "content-encoding: zstd",
    "content-encoding: deflate",
    "origin: https://a.example",
    "origin: null",
    "authorization: Bearer qw_nobody",
    "authorization: Basic eDp5",
    "cookie: " + "x" * 9_000,
    "x-forwarded-for: 1.2.3.4",
    "range: bytes=0-",
    "te: trailers",
    "trailer: authorization",
    "dnt: 1",
    "x: \t y \t",
    "x: \x01",
    "x: \xff",
    " folded: a",
    "no colon",
    ":",
    'cmcd-session: sid="a"',
    "content-length: 1",
    "content-length: -1",
    "content-length: 99999999999999999999",
    "content-length: +5",
    "content-length: 0x10",
    "transfer-encoding: chunked",
    "transfer-encoding: gzip, chunked",
    "transfer-encoding: identity",
    "Transfer-Encoding : chunked",
    "transfer-encoding: xchunked",
)
CHUNK_ENDS = ("\r\n", "\r\n", "\r\n", ";a=b\r\n", ';a="' + "x" * 300 + '"\r\n', "\n", " \r\n", "")
SIZES = ("0", "00000000", "FFFFFFFFFFFFFFFFF", "-1", "zz", "1", "10")


@dataclass(frozen=True)
class Visit:
    """What one connection sends: pieces with a pause before each, then how it goes on."""

    pieces: tuple[bytes, ...]
    requests: int
    pause_s: float
    leaves: bool
    """Closes without hearing an answer."""
    reads: bool
    """Reads while it sends; who does not, reads once all is sent."""


class Grammar:
    """Visits to a door whose key this is, drawn by a seed."""

    def __init__(self, seed: str, key: str) -> None:
        self.random, self.key = Random(seed), key  # noqa: S311

    def visit(self) -> Visit:
        """The next one."""
        r = self.random
        count = r.choice((1, 1, 1, 1, 2, 2, 3, 9)) if r.random() < 0.998 else 200
        whole = b"".join(self.request() for _ in range(count))
        if r.random() < 0.08:
            whole = whole[: r.randrange(len(whole) + 1)]
        if r.random() < 0.03:
            at = r.randrange(len(whole) + 1)
            whole = whole[:at] + r.randbytes(r.randrange(20)) + whole[at:]
        cuts = sorted(r.randrange(len(whole) + 1) for _ in range(r.choice((0, 0, 0, 1, 5))))
        pieces = tuple(whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True))
        return Visit(pieces, count, r.choice((0.0, 0.0, 0.0, 0.02)), r.random() < 0.1, r.random() < 0.9)

    def odd(self, usual: Sequence[str], odd: Sequence[str], share: float) -> str:
        """One of the usual, or in this share of cases one of the odd."""
        return self.random.choice(odd if self.random.random() < share else usual)

    def request(self) -> bytes:
        """One request, whole."""
        r = self.random
        path = self.odd(PATHS, ODD_PATHS, 0.15).replace("{key}", self.key)
        lines = [f"{self.odd(METHODS, ODD_METHODS, 0.1)} {path} {self.odd([VERSION], ODD_VERSIONS, 0.03)}"]
        lines += ["host: door"] * (r.random() < 0.98)
        lines += [f"authorization: Bearer {self.key}"] * (r.random() < 0.8)
        if r.random() < 0.2:
            lines += r.choices(HEADERS, k=r.choice((1, 1, 1, 2, 5)))
        if r.random() < 0.01:
            lines += [f"x-{number}: y" for number in range(r.choice((90, 101, 5_000)))]
        body, encoding = self.body()
        lines += [encoding] * bool(encoding)
        framed = self.framing(lines, body)
        r.shuffle(rest := lines[1:])
        end = "\r\n" if r.random() < 0.99 else "\n"
        return end.join([lines[0], *rest, "", ""]).encode("latin-1") + framed

    def framing(self, lines: list[str], body: bytes) -> bytes:
        """The body as it is sent; says so in `lines`, truly or not."""
        r = self.random
        drawn = r.random()
        if drawn < 0.6:
            lines.append(f"content-length: {len(body)}")
        elif drawn < 0.63:
            lines.append(f"content-length: {max(0, len(body) + r.choice((-5, -1, 1, 100, 10**7)))}")
        elif drawn < 0.97:
            lines.append("transfer-encoding: chunked")
            return self.chunks(body)
        return body

    def chunks(self, body: bytes) -> bytes:
        """The body in chunks, with an end and trailers that may be anything."""
        r = self.random
        step = r.choice((1, 7, 100, 10**6)) if len(body) < 5_000 else r.choice((500, 10**6))
        end, sent = r.choice(CHUNK_ENDS) if r.random() < 0.1 else "\r\n", b""
        for at in range(0, len(body), step):
            piece = body[at : at + step]
            size = r.choice(SIZES) if r.random() < 0.002 else f"{len(piece):x}"
            sent += f"{size}{end}".encode() + piece + b"\r\n"
        sent += b"0\r\n" if r.random() < 0.97 else b""
        for _ in range(r.choice((0, 0, 0, 1, 3)) if r.random() < 0.97 else r.choice((101, 20_000))):
            sent += r.choice((b"authorization: Bearer x\r\n", b"a:b\r\n", b"host: c\r\n", b"content-length: 5\r\n"))
        return sent + b"\r\n"

    def body(self) -> tuple[bytes, str]:
        """A body, and the header that tells its encoding."""
        r = self.random
        kinds: tuple[Callable[[], bytes], ...] = (
            self.beacon,
            self.beacon,
            self.beacon,
            lambda: b"",
            lambda: b'e=ps,sid="x",ts=1762000000000,v=2',
            lambda: r.randbytes(r.randrange(2_000)),
            lambda: b"[" * r.randrange(5_000),
            lambda: b"\xef\xbb\xbf{}",
            lambda: b'{"session":{},"events":[]}',
            lambda: b'{"session":{"session_id":"s"},"events":[' + b"[]," * 5_000,
            lambda: bytes(r.choice((10, 70_000))),
        )
        body = r.choice(kinds)()
        if r.random() < 0.8:
            return body, ""
        packings: tuple[Callable[[], bytes], ...] = (
            lambda: gzip.compress(body),
            lambda: zlib.compress(body),
            lambda: gzip.compress(b"") * r.choice((99, 2_000)),
            lambda: gzip.compress(body)[:-9],
            lambda: gzip.compress(bytes(3_000_000)),
            lambda: body,
            lambda: b"".join(gzip.compress(body[at : at + 10]) for at in range(0, min(500, len(body)), 10)),
        )
        return r.choice(packings)(), "content-encoding: gzip"

    def beacon(self) -> bytes:
        """A beacon, good or with one field that is not."""
        r = self.random
        events: list[dict[str, object]] = [{**EVENT, "seq": number} for number in range(1, r.choice((1, 2, 5, 50)) + 1)]
        if r.random() < 0.3:
            value: object = r.choice(
                (None, -1, 2**53, 1.5, "x" * 5_000, [[]] * 100, {"a": {"b": {}}}, True, "\u2028", "\0")
            )
            r.choice(events)[r.choice((*EVENT, "other", "bitrate_kbps"))] = value
        session = {"session_id": f"s-{r.randrange(10**9)}", "viewer_id": "v"}
        return json.dumps(
            {"session": session, "events": events, "sent_at": r.choice((None, 1, 1_762_000_999_000))}
        ).encode()
