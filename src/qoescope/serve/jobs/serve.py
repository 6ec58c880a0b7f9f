"""Serve: runs the console and the API."""

import asyncio

from qoescope.serve.store.outside import Outside
from qoescope.serve.store.store import open_store
from qoescope.serve.web.safety import cookie_key, refuse_open_console
from qoescope.settings import Settings


def serve(settings: Settings, outside: Outside | None = None) -> None:
    """Runs the console and the API until SIGTERM or SIGINT, then finishes what it answers; blocks."""
    from qoescope.serve.web.app import serve_until_stopped

    refuse_open_console(settings)
    store = open_store(settings, outside)
    try:
        asyncio.run(serve_until_stopped(store, cookie_key(settings)))
    finally:
        store.reader.close()
        store.writer.close()
