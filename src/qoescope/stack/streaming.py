"""Streaming: all streams in one Spark driver, from the log to the lake and on to the marts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from qoescope.settings import Settings
from qoescope.stack import signals, state

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from qoescope.connect.spark import Stream


def run(settings: Settings) -> None:
    """Runs every stream until SIGTERM or SIGINT, then lets the batches under way finish; blocks."""
    from qoescope.connect import spark

    stopping, started = signals.told(), threading.Event()
    ready = state.path(settings).with_name("stream.ready")
    ready.parent.mkdir(parents=True, exist_ok=True)
    ready.unlink(missing_ok=True)

    def note() -> None:
        started.wait()
        ready.touch()

    threading.Thread(target=note, daemon=True).start()
    session = spark.session(settings)
    try:
        spark.keep_running(streams(session, settings, stopping), stopping, started)
    finally:
        ready.unlink(missing_ok=True)
        session.stop()


def streams(session: SparkSession, settings: Settings, stopping: threading.Event) -> list[Stream]:
    """Every stream, ready to be kept running."""
    from qoescope.lake.jobs import dead_letters, events, reports, sessions
    from qoescope.mart.jobs import quality

    return [job.stream(session, settings, stopping) for job in (events, sessions, dead_letters, reports, quality)]
