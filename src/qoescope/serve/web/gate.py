"""Gate: who may pass, with what body, and the headers that every answer carries."""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qoescope.serve.auth import credentials
from qoescope.serve.auth.credentials import Logins, Person
from qoescope.serve.request.caller import CALLER, Caller
from qoescope.serve.store.connections import AWAY
from qoescope.serve.store.store import Store
from qoescope.serve.web import bodies
from qoescope.serve.web.bodies import RequestRefused
from qoescope.serve.web.static_files import STATIC_PATHS
from qoescope.settings import Settings

LOG = logging.getLogger(__name__)
OPEN = ("/sign-in", "/alive", "/favicon.ico", "/_favicon.ico")
"""Pages for everybody, beside scripts and styles."""
BY_TLS_S = 365 * 86_400
TITLES = {
    400: "Bad request",
    403: "Not allowed",
    404: "Not found",
    408: "Request timeout",
    413: "Too large",
    500: "Internal error",
    503: "The database does not answer",
}


class Gate:
    """Lets in who signed in, refuses what comes from elsewhere, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, store: Store, logins: Logins, policy: str) -> None:
        self.app, self.store, self.logins = app, store, logins
        self.headers = security_headers(store.settings, policy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sender = HeaderSender(send, self.headers, keeps=scope["path"].startswith(STATIC_PATHS))
        try:
            await self._pass_on(scope, receive, sender)
        except Exception as error:  # noqa: BLE001 - `error_response` logs what is our fault
            answer = error_response(error, scope["path"])
            if not sender.started:
                await answer(scope, receive, sender)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        refuse_malformed(scope)
        self._refuse_elsewhere(scope, headers)
        if bodies.declared_length(headers) > bodies.LARGEST:
            raise RequestRefused(413, "request body too large")
        is_open = path in OPEN or path.startswith(STATIC_PATHS)
        who = None if is_open else await self._person(headers)
        if who is None and not is_open and not path.startswith("/api/"):
            await _redirect_to_sign_in(scope)(scope, receive, send)
            return
        body = b""
        if scope["method"] not in bodies.NO_BODY and (who or path == "/sign-in"):
            most = bodies.LARGEST if who else bodies.LARGEST_FORM
            body = await bodies.read(receive, most, self.store.settings.console_body_timeout_s)
        reset = CALLER.set(Caller(self.store, who)) if who else None
        try:
            await self.app(scope, bodies.replay(body, receive), send)
        finally:
            if reset:
                CALLER.reset(reset)

    def _refuse_elsewhere(self, scope: Scope, headers: Headers) -> None:
        """What changes something comes from our own pages, or with a token."""
        if scope["method"] in bodies.NO_BODY or headers.get("authorization", "").startswith("Bearer "):
            return
        ours = credentials.is_same_origin(headers, bool(self.store.settings.console_proxy))
        if not ours and (credentials.COOKIE in headers.get("cookie", "") or not scope["path"].startswith("/api/")):
            raise RequestRefused(403, "cross-site request refused")

    async def _person(self, headers: Mapping[str, str]) -> Person | None:
        """Who asks: by bearer token, else by cookie."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind == "Bearer" and token.startswith(credentials.TOKEN_MARK) and token.isascii() and token.isprintable():
            row = await asyncio.to_thread(self.store.token, token[: credentials.PREFIX])
            return credentials.bearer(row, token)
        if kind:
            return None
        login = self.logins.read(cookie(headers))
        user = await asyncio.to_thread(self.store.signed_in, login.name, login.id) if login else None
        if user is None or login is None or credentials.version(user) != login.version:
            return None
        return credentials.person(user)


def cookie(headers: Mapping[str, str]) -> str:
    """The login's cookie, or nothing."""
    parts = headers.get("cookie", "").split("; ")
    return next((part.partition("=")[2] for part in parts if part.startswith(credentials.COOKIE + "=")), "")


def refuse_malformed(scope: Scope) -> None:
    """Raises `RequestRefused` for addresses that no page of ours has."""
    path = scope["path"]
    if not path.isprintable() or ".." in path.split("/"):  # no route matches a line break, so none could say it
        raise RequestRefused(404, "not found")
    if not scope["query_string"].isascii():
        raise RequestRefused(400, "the query is not percent-encoded")


def refusal(reason: str, status: int, path: str, identity: str = "") -> Response:
    """The answer that says why, in the form of who asked; what was not read of its request is not read later either."""
    identity = identity or secrets.token_hex(6)
    closing = {"connection": "close"} if status in (400, 408, 413) else {}
    if not path.startswith("/api/"):
        return PlainTextResponse(reason, status, headers={"x-request-id": identity, **closing})
    problem = {
        "type": "about:blank",
        "title": TITLES.get(status, "Refused"),
        "status": status,
        "detail": reason,
        "request_id": identity,
    }
    return JSONResponse(problem, status, media_type="application/problem+json", headers=closing)


def error_response(error: Exception, path: str) -> Response:
    """The answer where a request ended in an error; what is our fault goes into the log."""
    if isinstance(error, RequestRefused):
        return refusal(error.reason, error.status, path)
    if isinstance(error, AWAY):
        LOG.warning("postgres is away: %s", type(error).__name__)
        answer = refusal("the database does not answer; try again in a moment", 503, path)
        answer.headers["retry-after"] = "5"
        return answer
    identity = secrets.token_hex(6)
    LOG.error("request %s failed", identity, exc_info=error)
    return refusal("internal error; the details are in the log", 500, path, identity)


def _redirect_to_sign_in(scope: Scope) -> Response:
    if scope["method"] != "GET" or scope["path"].startswith("/_"):
        return PlainTextResponse("your session has expired; reload the page to sign in", 401)
    query = scope["query_string"].decode("latin-1")
    address = scope["path"] + ("?" + query if query else "")
    return RedirectResponse("/sign-in" + (f"?next={quote(address)}" if address != "/" else ""), 303)


def is_reached_by_tls(settings: Settings) -> bool:
    """Whether browsers reach us by TLS: our own, or that of the named proxy."""
    return settings.console_tls_certificate is not None or bool(settings.console_proxy)


def security_headers(settings: Settings, policy: str) -> list[tuple[bytes, bytes]]:
    """The headers that keep a page to itself, and browsers to TLS where there is any."""
    always = [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    ]
    return (
        [*always, (b"strict-transport-security", b"max-age=%d" % BY_TLS_S)] if is_reached_by_tls(settings) else always
    )


class HeaderSender:
    """Sends an answer with the headers that every answer has."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]], keeps: bool) -> None:
        self._send, self._headers, self._keeps = send, headers, keeps
        self.started = False

    async def __call__(self, message: Message) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start":
            self.started = True
            named = {name.lower() for name, _ in message["headers"]}
            kept = self._keeps or b"cache-control" in named
            more = self._headers if kept else [*self._headers, (b"cache-control", b"no-store")]
            message = {**message, "headers": [*message["headers"], *(h for h in more if h[0] not in named)]}
        await self._send(message)
