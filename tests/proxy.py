"""Proxy: passes every byte of a TCP port, until it is told to cut its connections or to swallow what they say."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

COPY = b"copy staged_"
PIECE = 16 * 1024


class Proxy:
    """Listens on a port of its own in a thread of its own, and passes what comes to `to` and back."""

    def __init__(self, to: int = 0) -> None:
        self.to = to
        """Where what comes next goes."""
        self._open: set[asyncio.StreamWriter] = set()
        self._cut_in_copy_after: int | None = None
        self.port = 0
        self._stalled = False
        self.cuts = 0
        """Connections that were cut in the middle of a COPY."""
        listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listening)), daemon=True)
        self._thread.start()
        listening.wait(10)

    def cut_in_copy(self, after: int) -> None:
        """Cuts one connection, once: the first that sends so many bytes after it began to COPY."""
        self._cut_in_copy_after = after

    def cut(self) -> None:
        """Cuts every connection that is open."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def stall(self) -> None:
        """From now on takes what comes and passes nothing, on every connection that is open or made; none is closed."""
        self._stalled = True

    def go_on(self) -> None:
        """Passes what new connections say; those that were stalled stay silent for ever."""
        self._stalled = False

    def close(self) -> None:
        """Cuts everything and listens no more."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def _abort_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, listening: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._passed, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            listening.set()
            await self._end.wait()
            server.close()
            while self._open:  # until each handler has seen its end
                self._abort_all()
                await asyncio.sleep(0.01)

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError), self._opened(writer):
            if self._stalled:
                return await self._swallow(reader)
            there, onward = await asyncio.open_connection("127.0.0.1", self.to)
            with self._opened(onward):
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._back(there, writer))
                    await self._onward(reader, onward)
        return None

    async def _onward(self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter) -> None:
        copied: int | None = None
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                if self._stalled:
                    await self._swallow(reader)
                    break
                if COPY in piece:
                    copied = 0
                elif copied is not None:
                    copied += len(piece)
                onward.write(piece)
                await onward.drain()
                if copied is not None and self._cut_in_copy_after is not None and copied >= self._cut_in_copy_after:
                    self._cut_in_copy_after = None
                    self.cuts += 1
                    onward.transport.abort()
        onward.transport.close()

    @staticmethod
    async def _swallow(reader: asyncio.StreamReader) -> None:
        """Reads until the other side gives up, and answers nothing."""
        with suppress(OSError):
            while await reader.read(PIECE):
                pass

    async def _back(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await there.read(PIECE):
                if self._stalled:
                    return
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()

    @contextmanager
    def _opened(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._open.add(writer)
        try:
            yield
        finally:
            writer.transport.abort()
            self._open.discard(writer)
