"""App: one door for people: sign-in, the API under /api/v1, and the console; every answer with its security headers."""

import asyncio
import gc
import html
import logging
import signal
import time
from collections.abc import Mapping
from urllib.parse import parse_qs, quote, urlencode

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qoescope.catalog.people import LOGIN_S, LONGEST_PASSWORD
from qoescope.serve import auth, console, theme
from qoescope.serve.api import api
from qoescope.serve.auth import Failures, Logins, Person
from qoescope.serve.jobs.desk import AWAY, Desk
from qoescope.serve.seat import SEAT, Seat
from qoescope.serve.statics import Statics

LOG = logging.getLogger(__name__)
OPEN = ("/sign-in", "/assets/", "/_dash-component-suites/", "/alive", "/favicon.ico", "/_favicon.ico")
LARGEST_BODY = 1024 * 1024


class Gate:
    """Lets in who signed in, refuses what comes from elsewhere, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, desk: Desk, logins: Logins, policy: str) -> None:
        self.app, self.desk, self.logins, self.policy = app, desk, logins, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]
        token = headers.get("authorization", "").startswith("Bearer ")
        answer = _told(send, self.policy, keeps=path.startswith(("/assets/", "/_dash-component-suites/")))
        changes = scope["method"] not in ("GET", "HEAD", "OPTIONS")
        ours = token or not changes or auth.from_here(headers, bool(self.desk.settings.console_proxy))
        if not ours and (auth.COOKIE in headers.get("cookie", "") or not path.startswith("/api/")):
            await _refused("this request does not come from our own pages", 403, path)(scope, receive, answer)
            return
        if int(headers.get("content-length") or 0) > LARGEST_BODY:
            await _refused("the body is too large", 413, path)(scope, receive, answer)
            return
        if not path.isprintable():  # no route matches a line break, so no route could say it in its own form
            await _refused("there is nothing of this name", 404, path)(scope, receive, answer)
            return
        try:
            who = await self._person(headers)
        except AWAY as error:
            LOG.warning("postgres is away: %s", type(error).__name__)
            refused = _refused("the marts do not answer; try again in a moment", 503, path)
            refused.headers["retry-after"] = "5"
            await refused(scope, receive, answer)
            return
        if who is None and not path.startswith(OPEN) and not path.startswith("/api/"):
            await _sign_in_first(scope)(scope, receive, answer)
            return
        reset = SEAT.set(Seat(self.desk, who)) if who else None

        async def received() -> Message:  # granian's own is a future, where the WSGI bridge wants a coroutine
            return await receive()

        try:
            await self.app(scope, received, answer)
        finally:
            if reset:
                SEAT.reset(reset)

    async def _person(self, headers: Mapping[str, str]) -> Person | None:
        """Who asks: by bearer token, else by cookie."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind == "Bearer" and token.startswith(auth.TOKEN_MARK):
            row = await asyncio.to_thread(self.desk.token, token[: auth.PREFIX])
            return auth.bearer(row, token)
        if kind:
            return None
        login = self.logins.read(_cookie(headers.get("cookie", "")))
        user = await asyncio.to_thread(self.desk.user, login[0]) if login else None
        if user is None or login is None or round(user["changed_at"].timestamp() * 1000) != login[1]:
            return None
        return auth.person(user)


def _refused(said: str, status: int, path: str) -> Response:
    if not path.startswith("/api/"):
        return PlainTextResponse(said, status)
    problem = {"type": "about:blank", "title": "Refused", "status": status, "detail": said}
    return JSONResponse(problem, status, media_type="application/problem+json")


def _cookie(text: str) -> str:
    return next((part.partition("=")[2] for part in text.split("; ") if part.startswith(auth.COOKIE + "=")), "")


def _sign_in_first(scope: Scope) -> Response:
    if scope["method"] != "GET" or scope["path"].startswith("/_"):
        return PlainTextResponse("your login has ended: load the page again to sign in", 401)
    query = scope["query_string"].decode("latin-1")
    address = scope["path"] + ("?" + query if query else "")
    return RedirectResponse("/sign-in" + (f"?next={quote(address)}" if address != "/" else ""), 303)


def _told(send: Send, policy: str, keeps: bool) -> Send:
    """`send` with the headers that keep a page to itself."""
    extra = [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    ]

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            named = {name.lower() for name, _ in message["headers"]}
            more = extra if keeps or b"cache-control" in named else [*extra, (b"cache-control", b"no-store")]
            message = {**message, "headers": [*message["headers"], *(h for h in more if h[0] not in named)]}
        await send(message)

    return told


def policy(hashes: list[str]) -> str:
    """What a page may load: from here only; styles inline, since Plotly and Mantine write them."""
    scripts = " ".join(["'self'", *hashes])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'none'"
    )


def built(desk: Desk, key: bytes) -> ASGIApp:
    """The whole of it, ready to be served."""
    logins, failures = Logins(key), Failures()
    app = FastAPI(title="qoescope", docs_url=None, redoc_url=None, openapi_url=None)
    _doors(app, desk, logins, failures)
    app.mount("/api/v1", api())
    pages = console.built()
    pages.server.test_client().get("/")  # Dash registers its last scripts with the first request
    hashes = list(pages.csp_hashes())
    app.mount("/", WSGIMiddleware(pages.server, workers=desk.settings.console_threads))  # type: ignore[arg-type]
    packed = GZipMiddleware(app, minimum_size=1024, compresslevel=2)
    return Gate(Statics(packed), desk, logins, policy(hashes))


def _doors(app: FastAPI, desk: Desk, logins: Logins, failures: Failures) -> None:
    @app.get("/alive")
    async def alive() -> Response:
        return JSONResponse({"status": "alive"})

    @app.get("/sign-in")
    async def form(request: Request) -> Response:
        return HTMLResponse(sign_in_page(request.query_params.get("next", "/")))

    @app.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        given = {k: v[0] for k, v in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
        name, then = given.get("name", "").strip().lower(), auth.safe_next(given.get("next", "/"))
        address = request.client.host if request.client else ""
        wait = failures.wait_s(name, address, time.monotonic())
        if wait:
            said = f"Too many tries. Wait {wait / 60:.0f} minutes, then try again."
            return HTMLResponse(sign_in_page(then, said, name), 429, {"Retry-After": str(round(wait) + 1)})
        user = await asyncio.to_thread(desk.user, name) if name else None
        stored = user["digest"] if user else auth.nobody()
        right = await asyncio.to_thread(auth.matches, given.get("password", "")[:LONGEST_PASSWORD], stored)
        if user is None or not right:
            failures.failed(name, address, time.monotonic())
            return HTMLResponse(sign_in_page(then, "Name or password is not right.", name), 401)
        failures.succeeded(name, address)
        answer = RedirectResponse(then, 303)
        secure = desk.settings.console_tls_certificate is not None or bool(desk.settings.console_proxy)
        answer.set_cookie(
            auth.COOKIE,
            logins.cookie(user["name"], user["changed_at"]),
            max_age=LOGIN_S,
            httponly=True,
            samesite="lax",
            secure=secure,
            path="/",
        )
        return answer

    @app.post("/sign-out")
    async def sign_out() -> Response:
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(auth.COOKIE, path="/")
        return answer


def sign_in_page(then: str, problem: str = "", name: str = "") -> str:
    """The page to sign in on, without a script."""
    shown = f'<p class="problem" role="alert">{html.escape(problem)}</p>' if problem else ""
    action = "/sign-in?" + urlencode({"next": then}) if then != "/" else "/sign-in"
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in · qoescope</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><script src="/assets/early.js"></script>
<style>{theme.css()}</style><link rel="stylesheet" href="/assets/console.css">
<link rel="icon" href="/assets/icon.svg"></head>
<body class="sign-in"><main><form method="post" action="{html.escape(action)}">
<div class="brand"><img src="/assets/icon.svg" alt="" width="28" height="28"><span>qoescope</span></div>
<h1>Sign in</h1>{shown}
<input type="hidden" name="next" value="{html.escape(then)}">
<label>Name<input name="name" autocomplete="username" required autofocus value="{html.escape(name)}"></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit">Sign in</button>
<p class="note">No account yet? An admin makes one and gives you its password.</p></form></main></body></html>"""


async def served(desk: Desk, key: bytes) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it answers."""
    stop, loop, settings = asyncio.Event(), asyncio.get_running_loop(), desk.settings
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = built(desk, key)
    gc.collect()
    gc.freeze()  # what is there now stays: to look through it took a large answer twice as long as to make it
    server = Server(
        app,
        settings.console_address,
        settings.console_port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1 if settings.console_tls_certificate is None else HTTPModes.auto,
        websockets=False,
        ssl_cert=settings.console_tls_certificate,
        ssl_key=settings.console_tls_key,
        log_level=LogLevels.error,
    )
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    server.interrupt_signal = True
    server.main_loop_interrupt.set()
    await asyncio.wait([serving], timeout=settings.console_stop_s)
    gc.unfreeze()  # libraries tell of what they still hold at the end


logging.getLogger("_granian").setLevel(logging.ERROR)
