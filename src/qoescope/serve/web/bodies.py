"""Bodies: read as they arrive, up to so many bytes and for so long, before anybody parses them."""

import asyncio
from collections.abc import Mapping

from starlette.types import Message, Receive

LARGEST = 1024 * 1024
LARGEST_FORM = 16 * 1024
"""A body of somebody who has not signed in: the sign-in form."""
NO_BODY = ("GET", "HEAD", "OPTIONS")


class RequestRefused(Exception):
    """A body that is not read to its end; its text is shown."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def declared_length(headers: Mapping[str, str]) -> int:
    """How many bytes the request says that it has; 0 where it does not say."""
    length = headers.get("content-length") or "0"
    if not (length.isascii() and length.isdigit()):
        raise RequestRefused(400, "Content-Length is not a number")
    return int(length)


async def read(receive: Receive, most: int, within_s: float) -> bytes:
    """The whole body. Raises `RequestRefused` once it is longer than `most`, however it is framed, or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestRefused(400, "request body ended early")
                body += message.get("body", b"")
                if len(body) > most:
                    raise RequestRefused(413, "request body too large")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError as error:
        raise RequestRefused(408, "request body received too slowly") from error


def replay(body: bytes, receive: Receive) -> Receive:
    """What gives the body that was read, once, and then what the connection says."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:  # granian's own is a future, where the WSGI bridge wants a coroutine
        return left.pop() if left else await receive()

    return received
