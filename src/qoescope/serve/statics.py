"""Statics: scripts and styles, packed once and kept, so that a page's megabytes cost nothing the second time."""

import gzip
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = ("/_dash-component-suites/", "/assets/")
PACKED = (b"javascript", b"css", b"json", b"svg", b"html", b"text")
FOREVER = b"public, max-age=31536000, immutable"


@dataclass(slots=True)
class Kept:
    """An answer, whole."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)


class Statics:
    """Answers for static paths from memory, packed where the browser takes it; everything else passes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.kept: dict[tuple[str, bytes], Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(PATHS):
            await self.app(scope, receive, send)
            return
        key = scope["path"], scope["query_string"]
        kept = self.kept.get(key)
        if kept is None:
            kept = await self._fetched(scope, receive)
            if kept.status == 200 and len(self.kept) < 500:  # noqa: PLR2004
                self.kept[key] = kept
        await _sent(kept, scope, send)

    async def _fetched(self, scope: Scope, receive: Receive) -> Kept:
        kept = Kept()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept.status, kept.headers = message["status"], list(message["headers"])
            elif message["type"] == "http.response.body":
                kept.body += message.get("body", b"")

        plain = [
            (k, v)
            for k, v in scope["headers"]
            if k not in (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
        ]
        await self.app({**scope, "headers": plain}, receive, keep)
        return _packed(kept, scope)


def _packed(kept: Kept, scope: Scope) -> Kept:
    named = {b"content-length", b"cache-control", b"etag", b"last-modified", b"content-encoding", b"set-cookie"}
    headers = [(k, v) for k, v in kept.headers if k.lower() not in named]
    kind = next((v for k, v in headers if k.lower() == b"content-type"), b"")
    versioned = b"m=" in scope["query_string"] or ".v" in scope["path"]
    if kept.status == 200:  # noqa: PLR2004
        headers.append((b"cache-control", FOREVER if versioned else b"no-cache"))
    if any(word in kind for word in PACKED) and len(kept.body) > 500:  # noqa: PLR2004
        kept.body = bytearray(gzip.compress(kept.body, 6))
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
    kept.headers = headers
    return kept


async def _sent(kept: Kept, scope: Scope, send: Send) -> None:
    accepts = next((v for k, v in scope["headers"] if k == b"accept-encoding"), b"")
    packed = (b"content-encoding", b"gzip") in kept.headers
    body, headers = bytes(kept.body), kept.headers
    if packed and b"gzip" not in accepts:
        body, headers = gzip.decompress(body), [h for h in headers if h[0] != b"content-encoding"]
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
