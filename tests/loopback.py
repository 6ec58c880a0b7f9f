"""A server of the door's on loopback with short times, and who speaks to it; afterwards it holds nothing."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from qoescope.ingest.http import Server
from qoescope.ingest.requests import Request
from qoescope.settings import Settings
from qoescope.stack import processes

WITHIN_S = 30
GET = b"GET /%b HTTP/1.1\r\nhost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
Handler = Callable[[Request], Awaitable[None]]


@dataclass
class Seen:
    """What handlers were given."""

    requests: list[Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)


async def echo(request: Request) -> None:
    request.answer(200, (), request.path.encode())


@asynccontextmanager
async def serving(handler: Handler, **more: Any) -> AsyncIterator[Server]:
    """A server with short times, that looks at its connections as the door does; nothing may stay."""
    with processes.reserve_ports(0) as (port,):
        settings = Settings(**{"door_port": port, "header_timeout_s": 0.3, "body_timeout_s": 0.3, **more})
        server = Server(handler, settings)
        server.answer_s = 0.6
        await server.start()

        async def look() -> None:
            while True:
                server.sweep()
                await asyncio.sleep(0.05)

        looking, others = asyncio.create_task(look()), asyncio.all_tasks()
        try:
            yield server
            async with asyncio.timeout(WITHIN_S):
                while (
                    server.connections or server.idle or server.ahead_bytes or asyncio.all_tasks() - others - {looking}
                ):
                    await asyncio.sleep(0.02)
        finally:
            looking.cancel()
            server.stop()


async def hear(server: Server, *sent: bytes, leaves: bool = False) -> bytes:
    """All that comes on one connection until the other side closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server._port)  # noqa: SLF001
    try:
        for piece in sent:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(WITHIN_S):
            return b"" if leaves else await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def statuses(heard: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]


def heard_by(handler: Handler, *sent: bytes, **more: Any) -> bytes:
    """What one connection hears of a server with this handler, which afterwards holds nothing."""

    async def main() -> bytes:
        async with serving(handler, **more) as server:
            return await hear(server, *sent)

    return asyncio.run(main())
