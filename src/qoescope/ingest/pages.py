"""Pages: the browser's client and the demo, served from here; media as slowly as asked."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from qoescope.ingest import answers
from qoescope.ingest.bodies import Refused
from qoescope.ingest.limits import KeyBudget
from qoescope.settings import Settings

if TYPE_CHECKING:
    from qoescope.ingest.requests import Request

STATIC = Path(__file__).parent / "static"
MEDIA = "/demo/media/"
PATHS = {
    "/v1/qoescope.js": "qoescope.js",
    "/v1/qoescope.js.map": "qoescope.js.map",
    "/v1/qoescope.d.ts": "qoescope.d.ts",
    "/demo": "demo.html",
    "/demo/": "demo.html",
    "/demo/demo.js": "demo.js",
    "/demo/demo.css": "demo.css",
}
KINDS = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".map": "application/json",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".mpd": "application/dash+xml",
    ".d.ts": "text/plain; charset=utf-8",
    ".ts": "video/mp2t",
}
"""Media types by the file's ending; Python's own table lacks those of streaming."""
LONGEST_PATH = 512
CHUNK, SLOW_CHUNK = 64 * 1024, 16 * 1024
LEAST_KBPS, MOST_KBPS = 50.0, 1_000_000.0
CLOSED = "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'"
BITS_A_BYTE = 8


async def show(request: "Request", settings: Settings) -> None:
    """Answers with a file of ours, or says that there is none."""
    path = find_file(request.path, settings)
    if path is None or request.method not in ("GET", "HEAD"):
        refused = Refused(404, "no such path") if path is None else Refused(405, "read it by GET", allow="GET, HEAD")
        request.answer(refused.status, answers.refusal_headers(refused, None), answers.refusal_body(refused))
        return
    kind = next((kind for ending, kind in KINDS.items() if path.name.endswith(ending)), "application/octet-stream")
    headers = [("content-type", kind), *answers.NO_STORE, ("referrer-policy", "same-origin")]
    if path.suffix == ".html":
        headers.append(("content-security-policy", CLOSED))
    if request.path.startswith("/v1/"):
        headers.append(("access-control-allow-origin", "*"))
    await _send_file(request, headers, path, kbps(request.query) if request.path.startswith(MEDIA) else None)


def find_file(path: str, settings: Settings) -> Path | None:
    """The file behind a path; None if there is none, it lies outside its folder, or no file can be named so."""
    if path in PATHS:
        file = STATIC / PATHS[path]
        return file if file.is_file() else None
    if len(path) > LONGEST_PATH:
        return None
    folder = (settings.var / "media").resolve()
    try:
        file = (folder / unquote(path.removeprefix(MEDIA))).resolve()
        return file if file.is_relative_to(folder) and file.is_file() else None
    except (ValueError, OSError, RuntimeError):  # NUL, a name too long, a link to itself
        return None


def kbps(query: str) -> float | None:
    """The speed that `?kbps=` asks for, within bounds; None for as fast as can be."""
    said = parse_qs(query, max_num_fields=20).get("kbps") if query.count("&") < 20 else None  # noqa: PLR2004
    try:
        return min(MOST_KBPS, max(LEAST_KBPS, float(said[0]))) if said else None
    except ValueError:
        return None


async def _send_file(request: "Request", headers: list[answers.Header], path: Path, speed: float | None) -> None:
    """Sends the file, at so many kbit/s if that is asked for; holds one piece of it at a time, and no descriptor."""
    length = path.stat().st_size
    if request.method == "HEAD":
        request.answer(200, headers, length=length)
        return
    chunk = CHUNK if speed is None else SLOW_CHUNK
    if length <= chunk:
        request.answer(200, headers, await asyncio.to_thread(_piece, path, 0, length))
        return
    a_second = (speed or MOST_KBPS) * 1000 / BITS_A_BYTE
    loop = asyncio.get_running_loop()
    bucket = KeyBudget(1e9, a_second, max(0.1, chunk / a_second), loop.time())
    request.allow_eviction()
    request.head(200, headers, length)
    for start in range(0, length, chunk):
        size = min(chunk, length - start)
        piece = await asyncio.to_thread(_piece, path, start, size)
        while (wait_s := bucket.take(1, size, loop.time())) > 0:
            await asyncio.sleep(wait_s)
        await request.send(piece)
    request.done()


def _piece(path: Path, start: int, size: int) -> bytes:
    """So many bytes of the file; raises `EOFError` when it has become shorter."""
    with path.open("rb") as file:
        file.seek(start)
        found = file.read(size)
    if len(found) < size:
        raise EOFError(f"{path} has become shorter")
    return found
