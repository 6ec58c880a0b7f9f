"""Sign-in: the page, the check of name and password, and signing out."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from qoescope.catalog.people import LOGIN_S, LONGEST_NAME, LONGEST_PASSWORD
from qoescope.serve.auth import credentials
from qoescope.serve.auth.attempts import Attempts, Hashing, address_of
from qoescope.serve.auth.credentials import Logins
from qoescope.serve.display import templates, theme
from qoescope.serve.store.connections import AWAY
from qoescope.serve.store.store import Store
from qoescope.serve.web.gate import cookie, error_response, is_reached_by_tls

WRONG = "Wrong name or password."
BUSY = "Too many sign-ins at once. Try again."
BUSY_S = 5


class SignInRefused(Exception):
    """Somebody who may not come in; its text is shown."""

    def __init__(self, reason: str, status: int, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.status, self.wait_s = reason, status, wait_s


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Looks at names and passwords."""

    store: Store
    attempts: Attempts
    hashing: Hashing = field(default_factory=Hashing)

    async def account(self, name: str, password: str, address: str) -> dict[str, Any]:
        """The account whose name and password these are. Raises `SignInRefused`.

        A try counts before the password is looked at, so that guesses side by side count too.
        """
        if self.hashing.full:
            raise SignInRefused(BUSY, 503, BUSY_S)
        tried = await asyncio.to_thread(self.attempts.reserve, name, address)
        if tried.wait_s:
            raise SignInRefused(
                f"Too many attempts. Wait {tried.wait_s / 60:.0f} minutes, then try again.", 429, tried.wait_s
            )
        try:
            user = await asyncio.to_thread(self.store.user, name) if name and name.isprintable() else None
            stored = user["digest"] if user else ""
            right = await self.hashing.do(lambda: credentials.matches(password, stored or credentials.nobody()))
        except AWAY:
            with suppress(*AWAY):  # else it counts, for a quarter of an hour
                await asyncio.to_thread(self.attempts.withdraw, tried)
            raise
        if right is None:
            await asyncio.to_thread(self.attempts.withdraw, tried)
            raise SignInRefused(BUSY, 503, BUSY_S)
        if user is None or not right:
            raise SignInRefused(WRONG, 401)
        await asyncio.to_thread(self.attempts.release, tried)
        if credentials.stale(stored):
            renewed = await self.hashing.do(lambda: credentials.digest(password))
            await asyncio.to_thread(self.store.renew, user, renewed or stored)
        return user


def add_sign_in_routes(app: FastAPI, store: Store, logins: Logins) -> None:
    """Adds the routes of signing in and out."""
    check = PasswordCheck(store, Attempts(logins.key, store))
    for kind in AWAY:  # else Starlette answers 500 before the gate can say why
        app.add_exception_handler(kind, lambda request, error: error_response(error, request.url.path))

    @app.get("/alive")
    async def alive() -> Response:
        return JSONResponse({"status": "alive"})

    @app.get("/sign-in")
    async def form(request: Request) -> Response:
        return HTMLResponse(sign_in_page(credentials.safe_next(request.query_params.get("next", "/"))))

    @app.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        form_fields = {k: v[0] for k, v in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
        name, target = (
            form_fields.get("name", "").strip().lower()[:LONGEST_NAME],
            credentials.safe_next(form_fields.get("next", "/")),
        )
        peer = request.client.host if request.client else ""
        address = address_of(peer, request.headers.getlist("x-forwarded-for"), store.settings.console_proxy)
        try:
            user = await check.account(name, form_fields.get("password", "")[:LONGEST_PASSWORD], address)
        except SignInRefused as why:
            later = {"Retry-After": str(round(why.wait_s) + 1)} if why.wait_s else {}
            return HTMLResponse(sign_in_page(target, why.reason, name), why.status, later)
        answer = RedirectResponse(target, 303)
        value = logins.cookie(user["name"], credentials.version(user))
        secure = is_reached_by_tls(store.settings)
        answer.set_cookie(credentials.COOKIE, value, LOGIN_S, httponly=True, samesite="lax", secure=secure, path="/")
        return answer

    @app.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        login = logins.read(cookie(request.headers))
        if login:
            await asyncio.to_thread(store.sign_out, login.id)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(credentials.COOKIE, path="/")
        return answer


def sign_in_page(target: str, problem: str = "", name: str = "") -> str:
    """The page to sign in on, without a script; `target` is the address to go to afterwards."""
    action = "/sign-in?" + urlencode({"next": target}) if target != "/" else "/sign-in"
    return templates.fill("sign_in.html", colours=theme.css(), action=action, problem=problem, next=target, name=name)
