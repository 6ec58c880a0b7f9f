"""Posting: bodies over a few kept-open HTTP connections, each until the collector answers it for good."""

import asyncio
import gzip
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from qoescope.client.receipts import Receipt, read_receipt
from qoescope.client.retrying import (
    ANSWER_WITHIN_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    TRY_AGAIN,
    pause_s,
    retry_after_s,
)
from qoescope.host.backoff import Backoff

GZIP_FROM = 1024
"""Bytes from which gzip is worth its time."""
CONNECT_WITHIN_S = 10.0
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout)
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.TimeoutException, TimeoutError)


@dataclass(slots=True)
class Post:
    """A body on its way: how often it was sent, and why it has no answer yet."""

    body: bytes
    attempts: int = 0
    error: str = ""


class Poster:
    """Posts over at most `connections` connections, first come, first served; they reopen when they break."""

    def __init__(self, url: str, key: str, connections: int, packs: bool) -> None:
        self._url, self._packs = url, packs
        self._free = asyncio.Semaphore(connections)
        self._http = httpx.AsyncClient(
            headers={b"Authorization": b"Bearer %b" % key.encode(), b"Content-Type": b"application/json"},
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=None),
            timeout=httpx.Timeout(ANSWER_WITHIN_S, connect=CONNECT_WITHIN_S),
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def deliver(self, post: Post) -> Receipt:
        """Sends the body until there is an answer for good; `post` says meanwhile how far it is."""
        while True:
            async with self._free:
                answer = await self._send(post)
            if answer is not None and answer.status_code not in TRY_AGAIN:
                return read_receipt(answer.status_code, answer.content, post.attempts)
            asked_s = None
            if answer is not None:
                post.error = f"answer {answer.status_code}"
                asked_s = retry_after_s(answer.headers.get("retry-after"))
            await asyncio.sleep(pause_s(post.attempts, asked_s))

    async def _send(self, post: Post) -> httpx.Response | None:
        """One answer, or None when the connection was lost first; waits for a collector that cannot be reached."""
        body, headers = post.body, {}
        if self._packs and len(body) >= GZIP_FROM:
            body, headers = gzip.compress(body, 6), {"Content-Encoding": "gzip"}
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            post.attempts += 1
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    return await self._http.post(self._url, content=body, headers=headers)
            except _UNREACHABLE as error:
                post.attempts -= 1  # nothing was sent
                post.error = f"cannot connect: {error}"
            except _LOST:
                post.error = "connection lost"
                return None
            await asyncio.sleep(backoff.next_s())
