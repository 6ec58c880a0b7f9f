"""Doors: signing in and out."""

import asyncio
import html
import time
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from qoescope.catalog.people import LOGIN_S, LONGEST_NAME, LONGEST_PASSWORD
from qoescope.serve import auth, theme
from qoescope.serve.attempts import Attempts, Hashing, address_of
from qoescope.serve.auth import Logins
from qoescope.serve.gate import by_tls, cookie
from qoescope.serve.jobs.desk import Desk

WRONG = "Name or password is not right."
BUSY = "Many people sign in at this moment. Try again."
BUSY_S = 5


def doors(app: FastAPI, desk: Desk, logins: Logins) -> None:
    """Adds the routes of signing in and out."""
    attempts, hashing = Attempts(), Hashing()

    @app.get("/alive")
    async def alive() -> Response:
        return JSONResponse({"status": "alive"})

    @app.get("/sign-in")
    async def form(request: Request) -> Response:
        return HTMLResponse(sign_in_page(auth.safe_next(request.query_params.get("next", "/"))))

    @app.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        given = {k: v[0] for k, v in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
        name, then = given.get("name", "").strip().lower()[:LONGEST_NAME], auth.safe_next(given.get("next", "/"))
        peer = request.client.host if request.client else ""
        address, at = address_of(peer, request.headers, desk.settings.console_proxy), time.monotonic()
        wait = attempts.reserve(name, address, at)  # before the password is looked at: guesses side by side count too
        if wait:
            return _wait(
                sign_in_page(then, f"Too many tries. Wait {wait / 60:.0f} minutes, then try again.", name), wait
            )
        user = await asyncio.to_thread(desk.user, name) if name and name.isprintable() else None
        password, stored = given.get("password", "")[:LONGEST_PASSWORD], user["digest"] if user else ""
        right = await hashing.do(lambda: auth.matches(password, stored or auth.nobody()))
        if right is None:
            return _wait(sign_in_page(then, BUSY, name), BUSY_S, 503)
        if user is None or not right:
            return HTMLResponse(sign_in_page(then, WRONG, name), 401)
        attempts.release(name, address, at)
        if auth.stale(stored):
            renewed = await hashing.do(lambda: auth.digest(password))
            await asyncio.to_thread(desk.renew, user, renewed or stored)
        answer = RedirectResponse(then, 303)
        value = logins.cookie(user["name"], auth.version(user))
        secure = by_tls(desk.settings)
        answer.set_cookie(auth.COOKIE, value, LOGIN_S, httponly=True, samesite="lax", secure=secure, path="/")
        return answer

    @app.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        login = logins.read(cookie(request.headers))
        if login:
            await asyncio.to_thread(desk.sign_out, login.id)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(auth.COOKIE, path="/")
        return answer


def _wait(page: str, seconds: float, status: int = 429) -> Response:
    return HTMLResponse(page, status, {"Retry-After": str(round(seconds) + 1)})


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
