"""ETags: JSON answers carry one, so that clients can revalidate."""

import hashlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ETags:
    """Gives each JSON answer an ETag, and answers 304 to those who have it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = bytearray()

        async def buffer(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                await _send_tagged(scope, send, start, bytes(body))

        await self.app(scope, receive, buffer)


async def _send_tagged(scope: Scope, send: Send, start: Message, body: bytes) -> None:
    headers = list(start["headers"])
    if start["status"] == 200:  # noqa: PLR2004
        tag = b'W/"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        headers += [(b"etag", tag), (b"cache-control", b"private, no-cache")]
        known_tags = next((v for k, v in scope["headers"] if k == b"if-none-match"), b"")
        if tag in known_tags:
            remaining = [h for h in headers if h[0].lower() not in (b"content-length", b"content-type")]
            await send({"type": "http.response.start", "status": 304, "headers": remaining})
            await send({"type": "http.response.body", "body": b""})
            return
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})
