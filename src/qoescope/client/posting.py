"""Posts bodies over kept HTTP connections, retrying each until the collector gives a final answer."""

import asyncio
import gzip
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from qoescope.client.receipts import Receipt, read_receipt
from qoescope.client.retrying import (
    ANSWER_WITHIN_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    RETRIED_STATUSES,
    pause_s,
    retry_after_s,
)
from qoescope.host.backoff import Backoff

GZIP_FROM = 1024
"""Bytes from which compression is worth its time."""
KEPT_S = 3600.0
"""How long an idle connection is kept, unless the collector closes it."""
_TIMEOUT = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S, sock_connect=10.0)
_UNREACHABLE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


@dataclass(slots=True)
class Post:
    """A body on its way: how often it was sent, and why it has no answer yet."""

    body: bytes
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str | None


class Poster:
    """Posts over at most `connections` connections, in order of arrival; broken ones are reopened."""

    def __init__(self, url: str, key: str, connections: int, packs: bool) -> None:
        self._url, self._packs, self._connections = url, packs, connections
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._free = asyncio.Semaphore(connections)
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        kept = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEPT_S)
        self._http = aiohttp.ClientSession(connector=kept, headers=self._headers, timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._http.close()

    async def deliver(self, post: Post) -> Receipt:
        """Sends the body until it gets a final answer; `post` shows its progress meanwhile."""
        while True:
            async with self._free:
                answer = await self._send(post)
            if answer is not None and answer.status not in RETRIED_STATUSES:
                return read_receipt(answer.status, answer.body, post.attempts)
            asked_s = None
            if answer is not None:
                post.error, asked_s = f"answer {answer.status}", retry_after_s(answer.retry_after)
            await asyncio.sleep(pause_s(post.attempts, asked_s))

    async def _send(self, post: Post) -> _Answer | None:
        """One answer, or None when the connection was lost first; waits for an unreachable collector."""
        body, headers = post.body, {}
        if self._packs and len(body) >= GZIP_FROM:
            body, headers = gzip.compress(body, 6), {"Content-Encoding": "gzip"}
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            post.attempts += 1
            try:
                async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                    return _Answer(answer.status, await answer.read(), answer.headers.get("Retry-After"))
            except _UNREACHABLE as error:
                post.attempts -= 1  # nothing was sent
                post.error = f"cannot connect: {error}"
            except _LOST:
                post.error = "connection lost"
                return None
            await asyncio.sleep(backoff.next_s())
