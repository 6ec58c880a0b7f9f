"""The same door behind other servers, with what an app can add to them: time for a body, and a bound on its bytes."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import uvicorn
import uvloop
from aiohttp import web
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server as Granian

from qoescope.ingest.app import App
from qoescope.ingest.bodies import Refused
from qoescope.ingest.heads import HEADER_BYTES, MOST_HEADERS
from qoescope.ingest.jobs import collect, manage_keys
from qoescope.settings import Settings

Header = tuple[str, str]
TASKS: set[asyncio.Task[None]] = set()
Read = Callable[[], AsyncIterator[bytes]]


class Asked:
    """A request as the door knows it, whoever brought it; `answered` is what it is to be told."""

    def __init__(self, method: str, path: str, query: str, headers: Any, read: Read, settings: Settings) -> None:
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.whole: bytes | None = None
        self.answered: tuple[int, list[Header], bytes] = (500, [], b"")
        self._read, self._settings = read, settings
        self._wrong: Refused | None = None

    async def body(self) -> bytes:
        """All that was sent; raises `Refused` (413, 408)."""
        pieces, size, most = [], 0, self._settings.body_bytes
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                async for piece in self._read():
                    pieces.append(piece)
                    size += len(piece)
                    if size > most:
                        raise Refused(413, f"larger than {most} bytes", b"".join(pieces)[:65_536])
        except TimeoutError:
            raise Refused(408, "the body took too long") from None
        if self._wrong is not None:
            raise self._wrong
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def end(self, wrong: Refused) -> None:
        """It has to give way."""
        self._wrong = wrong

    def answer(self, status: int, headers: Sequence[Header] = (), body: bytes = b"") -> None:
        """Notes what to answer."""
        self.answered = status, list(headers), body


class Text:
    """Headers as bytes or text of any case, read as the door reads them."""

    def __init__(self, raw: dict[str, str]) -> None:
        self._raw = raw

    def get(self, name: str) -> str | None:
        """The header of this name in lower case."""
        return self._raw.get(name)

    def items(self) -> list[Header]:
        """All of them."""
        return list(self._raw.items())


async def door(settings: Settings) -> App:
    """The door's app, which ticks and keeps its keys."""
    app = App(settings, manage_keys.keys_path(settings), manage_keys.viewer_secret(settings))
    never = asyncio.Event()
    TASKS.add(asyncio.create_task(app.run(never, lambda: None)))
    TASKS.add(asyncio.create_task(app.run_upkeep(never, lambda: manage_keys.synchronise_keys(settings))))
    gc.collect()
    gc.freeze()
    gc.set_threshold(*collect.GARBAGE_THRESHOLDS)
    return app


async def granian(settings: Settings) -> None:
    """RSGI on granian, whose hyper reads HTTP; its own settings for the head's time and size."""
    app = await door(settings)

    async def rsgi(scope: Any, protocol: Any) -> None:
        asked = Asked(scope.method, scope.path, scope.query_string, scope.headers, lambda: protocol, settings)
        await app.handle(asked)  # type: ignore[arg-type]
        status, headers, body = asked.answered
        protocol.response_bytes(status, headers, body)

    server = Granian(
        rsgi,
        address=settings.door_address,
        port=settings.door_port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(settings.header_timeout_s * 1000), max_buffer_size=HEADER_BYTES
        ),
        websockets=False,
        log_enabled=False,
    )
    await server.serve()


async def uvicorn_(settings: Settings) -> None:
    """ASGI on uvicorn, whose httptools reads HTTP."""
    app = await door(settings)

    async def asgi(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        async def read() -> AsyncIterator[bytes]:
            more = True
            while more:
                message = await receive()
                more = message.get("more_body", False)
                yield message.get("body", b"")

        headers = Text({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})
        query = scope["query_string"].decode("latin-1")
        asked = Asked(scope["method"], scope["raw_path"].decode("latin-1"), query, headers, read, settings)
        await app.handle(asked)  # type: ignore[arg-type]
        status, said, body = asked.answered
        lines = [(name.encode(), value.encode()) for name, value in (*said, ("content-length", str(len(body))))]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": body})

    await uvicorn.Server(
        uvicorn.Config(
            asgi,
            host=settings.door_address,
            port=settings.door_port,
            http="httptools",
            lifespan="off",
            access_log=False,
            log_level="critical",
            timeout_keep_alive=int(settings.header_timeout_s) or 1,
            limit_concurrency=settings.door_connections,
            server_header=False,
        )
    ).serve()


logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


async def aiohttp(settings: Settings) -> None:
    """Aiohttp's server without its router; its own settings for the head's size."""
    app = await door(settings)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.path_qs.partition("?")
        headers = Text({name.lower(): value for name, value in request.headers.items()})
        asked = Asked(request.method, path, query, headers, request.content.iter_any, settings)
        await app.handle(asked)  # type: ignore[arg-type]
        status, said, body = asked.answered
        return web.Response(status=status, headers=said, body=body)

    made = web.Server(
        handler,
        access_log=None,
        keepalive_timeout=settings.header_timeout_s,
        max_line_size=16_384,
        max_field_size=HEADER_BYTES // 4,
        max_headers=MOST_HEADERS,
        lingering_time=2.0,
        auto_decompress=False,
    )
    server = await asyncio.get_running_loop().create_server(made, settings.door_address, settings.door_port)
    await server.serve_forever()


SERVERS = {"granian": granian, "uvicorn": uvicorn_, "aiohttp": aiohttp}


def serve(name: str, settings: Settings) -> None:
    """Runs the door behind this server, or behind its own; blocks."""
    if name == "ours":
        collect.serve(settings)
    else:
        uvloop.run(SERVERS[name](settings))
