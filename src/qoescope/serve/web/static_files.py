"""Static files: scripts and styles, packed once and kept, so that a page's megabytes cost nothing the second time."""

import asyncio
import gzip
from dataclasses import dataclass, field

from dash.fingerprint import check_fingerprint
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC_PATHS = ("/_dash-component-suites/", "/assets/")
PACKED = (b"javascript", b"css", b"json", b"svg", b"html", b"text")
FOREVER = b"public, max-age=31536000, immutable"
MOST_FILES = 500
OURS = (b"content-length", b"cache-control", b"etag", b"last-modified", b"content-encoding", b"set-cookie")


@dataclass(slots=True)
class CachedFile:
    """An answer, whole, as it is and packed."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    packed: bytes = b""


class CachedFiles:
    """Answers for static paths from memory, packed where the browser takes it; everything else passes.

    A file is one, whatever version or query its address names: who makes up names costs nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.files: dict[str, CachedFile] = {}
        self._fetching: dict[str, asyncio.Task[CachedFile]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if (
            scope["type"] != "http"
            or not scope["path"].startswith(STATIC_PATHS)
            or scope["method"] not in ("GET", "HEAD")
        ):
            await self.app(scope, receive, send)
            return
        path = plain_path(scope["path"])
        file = self.files.get(path) or await self._load(path, scope, receive)
        await _send(file, scope, send)

    async def _load(self, path: str, scope: Scope, receive: Receive) -> CachedFile:
        """The file, fetched once for all who ask for it meanwhile."""
        task = self._fetching.get(path)
        if task is None:
            task = self._fetching[path] = asyncio.create_task(self._fetch(path, scope, receive))
            task.add_done_callback(lambda _: self._fetching.pop(path, None))
        file = await asyncio.shield(task)
        if file.status == 200 and len(self.files) < MOST_FILES:  # noqa: PLR2004
            self.files[path] = file
        return file

    async def _fetch(self, path: str, scope: Scope, receive: Receive) -> CachedFile:
        file, parts = CachedFile(), list[bytes]()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                file.status = message["status"]
                file.headers = [(k, v) for k, v in message["headers"] if k.lower() not in OURS]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        plain = {"method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
        await self.app({**scope, **plain}, receive, collect)
        file.body = b"".join(parts)
        kind = next((v for k, v in file.headers if k.lower() == b"content-type"), b"")
        if b"text/html" in kind and file.status == 200:  # noqa: PLR2004 - Dash's page for a path that it does not know
            return CachedFile(404, [(b"content-type", b"text/plain; charset=utf-8")], b"not found")
        if any(word in kind for word in PACKED) and len(file.body) > 500:  # noqa: PLR2004
            file.packed = await asyncio.to_thread(gzip.compress, file.body, 6)
        return file


def plain_path(path: str) -> str:
    """The file's path without the version that Dash writes into its name."""
    return str(check_fingerprint(path)[0])


async def _send(file: CachedFile, scope: Scope, send: Send) -> None:
    accepts = next((v for k, v in scope["headers"] if k == b"accept-encoding"), b"")
    versioned = b"m=" in scope["query_string"] or ".v" in scope["path"]
    headers, body = list(file.headers), file.body
    if file.status == 200:  # noqa: PLR2004
        headers.append((b"cache-control", FOREVER if versioned else b"no-cache"))
    if file.packed:
        headers.append((b"vary", b"accept-encoding"))
        if b"gzip" in accepts:
            headers.append((b"content-encoding", b"gzip"))
            body = file.packed
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": file.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
