"""Statics: scripts and styles, packed once and kept, so that a page's megabytes cost nothing the second time."""

import asyncio
import gzip
from dataclasses import dataclass, field

from dash.fingerprint import check_fingerprint
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = ("/_dash-component-suites/", "/assets/")
PACKED = (b"javascript", b"css", b"json", b"svg", b"html", b"text")
FOREVER = b"public, max-age=31536000, immutable"
MOST_KEPT = 500
OURS = (b"content-length", b"cache-control", b"etag", b"last-modified", b"content-encoding", b"set-cookie")


@dataclass(slots=True)
class Kept:
    """An answer, whole, as it is and packed."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    packed: bytes = b""


class Statics:
    """Answers for static paths from memory, packed where the browser takes it; everything else passes.

    A file is one, whatever version or query its address names: who makes up names costs nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.kept: dict[str, Kept] = {}
        self._fetching: dict[str, asyncio.Task[Kept]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(PATHS) or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        path = plain_path(scope["path"])
        kept = self.kept.get(path) or await self._one(path, scope, receive)
        await _sent(kept, scope, send)

    async def _one(self, path: str, scope: Scope, receive: Receive) -> Kept:
        """The file, fetched once for all who ask for it meanwhile."""
        task = self._fetching.get(path)
        if task is None:
            task = self._fetching[path] = asyncio.create_task(self._fetched(path, scope, receive))
            task.add_done_callback(lambda _: self._fetching.pop(path, None))
        kept = await asyncio.shield(task)
        if kept.status == 200 and len(self.kept) < MOST_KEPT:  # noqa: PLR2004
            self.kept[path] = kept
        return kept

    async def _fetched(self, path: str, scope: Scope, receive: Receive) -> Kept:
        kept, parts = Kept(), list[bytes]()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept.status = message["status"]
                kept.headers = [(k, v) for k, v in message["headers"] if k.lower() not in OURS]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        asked = {"method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
        await self.app({**scope, **asked}, receive, keep)
        kept.body = b"".join(parts)
        kind = next((v for k, v in kept.headers if k.lower() == b"content-type"), b"")
        if b"text/html" in kind and kept.status == 200:  # noqa: PLR2004 - Dash's page for a path that it does not know
            return Kept(404, [(b"content-type", b"text/plain; charset=utf-8")], b"there is nothing of this name")
        if any(word in kind for word in PACKED) and len(kept.body) > 500:  # noqa: PLR2004
            kept.packed = await asyncio.to_thread(gzip.compress, kept.body, 6)
        return kept


def plain_path(path: str) -> str:
    """The file's path without the version that Dash writes into its name."""
    return str(check_fingerprint(path)[0])


async def _sent(kept: Kept, scope: Scope, send: Send) -> None:
    accepts = next((v for k, v in scope["headers"] if k == b"accept-encoding"), b"")
    versioned = b"m=" in scope["query_string"] or ".v" in scope["path"]
    headers, body = list(kept.headers), kept.body
    if kept.status == 200:  # noqa: PLR2004
        headers.append((b"cache-control", FOREVER if versioned else b"no-cache"))
    if kept.packed:
        headers.append((b"vary", b"accept-encoding"))
        if b"gzip" in accepts:
            headers.append((b"content-encoding", b"gzip"))
            body = kept.packed
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
