"""Runs the collector: its first process, its workers, and the order in which they stop."""

import asyncio
import gc
import os
import signal
from functools import partial

import uvloop

from qoescope.catalog.errors import Mistake
from qoescope.host.addresses import refuse_clear_text
from qoescope.ingest.app import App
from qoescope.ingest.http import Server
from qoescope.ingest.jobs.manage_keys import keys_path, synchronise_keys, viewer_secret
from qoescope.ingest.workers import Duties, Workers, is_orphaned
from qoescope.settings import Settings

GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""Garbage collection runs more rarely than Python's default: reference counts free what a request allocates."""


def serve(settings: Settings) -> None:
    """Runs the collector until SIGTERM or SIGINT, then drains it; blocks.

    Raises `Mistake` when it would listen beyond this machine without TLS, or its port is taken.
    """
    refuse_clear_text(
        "door", settings.door_address, settings.door_tls_certificate, settings.door_tls_key, settings.door_proxy
    )
    viewer_secret(settings)
    workers = Workers(partial(_run_worker, settings, os.getpid()), settings.door_workers)
    try:
        _run(settings, 0, Duties(workers.check, partial(synchronise_keys, settings), workers.terminate))
    finally:
        workers.terminate()
        workers.wait()


def _run_worker(settings: Settings, parent: int, number: int) -> None:
    """Runs one of the other processes; it stops when the first process is gone."""

    def check() -> None:
        if is_orphaned(parent):
            os.kill(os.getpid(), signal.SIGTERM)

    _run(settings, number, Duties(check, _do_nothing, _do_nothing))


def _do_nothing() -> None:
    """Stands for a duty of the first process in the others."""


def _run(settings: Settings, number: int, duties: Duties) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_until_stopped(settings, number, duties))


async def _serve_until_stopped(settings: Settings, number: int, duties: Duties) -> None:
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    app = App(settings, keys_path(settings), viewer_secret(settings), number)
    app.server = server = Server(app.handle, settings)
    try:
        await server.start()
    except OSError as error:
        raise Mistake(f"port {settings.door_port} is taken: set QOESCOPE_DOOR_PORT to another one") from error

    def check() -> None:
        server.sweep()
        duties.check()

    gc.collect()
    gc.freeze()  # what is allocated by now stays: no collection scans it again
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    upkeep = asyncio.create_task(app.run_upkeep(stop, duties.synchronise))
    await app.run(stop, check)
    duties.terminate()
    server.stop()
    await app.drain(settings.door_stop_s - 1)
    await upkeep
