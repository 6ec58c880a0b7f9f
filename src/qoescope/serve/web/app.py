"""App: one server for people and programs: sign-in, the API under /api/v1, and the console."""

import asyncio
import gc
import logging
import signal
from contextlib import suppress

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from qoescope.serve.api.app import build_api
from qoescope.serve.auth.credentials import Logins
from qoescope.serve.console.dash_app import build_console
from qoescope.serve.store.connections import AWAY
from qoescope.serve.store.store import Store
from qoescope.serve.web.gate import Gate
from qoescope.serve.web.sign_in import add_sign_in_routes
from qoescope.serve.web.static_files import CachedFiles

PRUNE_S = 60.0
"""How often tries to sign in are forgotten that count no more."""


def content_security_policy(hashes: list[str]) -> str:
    """What a page may load: from here only; styles inline, since Plotly and Mantine write them."""
    scripts = " ".join(["'self'", *hashes])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'none'"
    )


def build_app(store: Store, key: bytes) -> ASGIApp:
    """The whole of it, ready to be served."""
    logins = Logins(key)
    app = FastAPI(title="qoescope", docs_url=None, redoc_url=None, openapi_url=None)
    add_sign_in_routes(app, store, logins)
    app.mount("/api/v1", build_api())
    pages = build_console()
    pages.server.test_client().get("/")  # Dash registers its last scripts with the first request
    hashes = list(pages.csp_hashes())
    app.mount("/", WSGIMiddleware(pages.server, workers=store.settings.console_threads))  # type: ignore[arg-type]
    packed = GZipMiddleware(app, minimum_size=1024, compresslevel=2)
    return Gate(CachedFiles(packed), store, logins, content_security_policy(hashes))


async def _prune_attempts(store: Store) -> None:
    while True:
        with suppress(*AWAY):
            await asyncio.to_thread(store.forget_tries)
        await asyncio.sleep(PRUNE_S)


async def serve_until_stopped(store: Store, key: bytes) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it answers."""
    stop, loop, settings = asyncio.Event(), asyncio.get_running_loop(), store.settings
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = build_app(store, key)
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
    waiting, pruning = asyncio.create_task(stop.wait()), asyncio.create_task(_prune_attempts(store))
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    pruning.cancel()
    server.interrupt_signal = True
    server.main_loop_interrupt.set()
    await asyncio.wait([serving], timeout=settings.console_stop_s)
    gc.unfreeze()  # libraries tell of what they still hold at the end


logging.getLogger("_granian").setLevel(logging.ERROR)
