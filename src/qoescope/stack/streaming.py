"""Streaming: all streams in one Spark driver, from the log to the lake and on to the marts."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from qoescope.settings import Settings
from qoescope.stack import lag, signals

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from qoescope.connect.health import Board
    from qoescope.connect.spark import Stream

STREAMS = ("events", "sessions", "dead_letters", "reports", "quality")
PART = "stream"


def run(settings: Settings) -> None:
    """Runs every stream until SIGTERM or SIGINT, then lets the batches under way finish; blocks."""
    from qoescope.connect import health_http, health_rows, locks, readiness, spark
    from qoescope.connect.health import Board, folder

    stopping = signals.told()
    with ExitStack() as open_until_the_end:
        enter = open_until_the_end.enter_context
        enter(locks.own(folder(settings) / f"{PART}.lock", f"the streams of {settings.var}"))
        board = enter(Board(settings, PART, (*STREAMS, *lag.SOURCES)))
        enter(health_http.serve(board, settings.stream_port, readiness.limits(settings)))
        for beside in (lag.watch, health_rows.publish):
            threading.Thread(target=beside, args=(settings, board, stopping), daemon=True).start()
        session = spark.session(settings)
        try:
            spark.keep_running(streams(session, settings, stopping, board), stopping, board, settings)
        finally:
            with suppress(*spark.GONE):
                session.stop()


def streams(
    session: SparkSession, settings: Settings, stopping: threading.Event, board: Board | None = None
) -> list[Stream]:
    """Every stream, ready to be kept running."""
    from qoescope.lake.jobs import dead_letters, events, reports, sessions
    from qoescope.mart.jobs import quality

    jobs = dict(zip(STREAMS, (events, sessions, dead_letters, reports, quality), strict=True))
    return [
        job.stream(session, settings, stopping, None if board is None else board[name]) for name, job in jobs.items()
    ]
