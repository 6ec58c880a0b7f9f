"""Runs all streams in one Spark driver: from the log to the lake and on to the marts."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from qoescope.settings import Settings
from qoescope.stack import lag, signals

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from qoescope.connect.health import HealthBoard
    from qoescope.connect.loops import Worker
    from qoescope.connect.spark import Stream

STREAMS = ("events", "sessions", "dead_letters", "reports", "quality")
PART = "stream"


def run(settings: Settings) -> None:
    """Runs every stream until SIGTERM or SIGINT, then finishes the batches under way; blocks."""
    from qoescope.connect import health_http, health_rows, locks, loops, readiness, spark
    from qoescope.connect.health import HealthBoard, folder

    stopping = signals.stop_event()
    with ExitStack() as open_until_the_end:
        enter = open_until_the_end.enter_context
        enter(locks.own(folder(settings) / f"{PART}.lock", f"the state of the streams in {settings.var}"))
        board = enter(HealthBoard(settings, PART, (*STREAMS, *lag.SOURCES)))
        enter(health_http.serve(board, settings.stream_port, readiness.readiness_limits(settings)))
        for beside in (lag.watch, health_rows.publish):
            threading.Thread(target=beside, args=(settings, board, stopping), daemon=True).start()
        session = spark.open_session(settings)
        try:
            queries, workers = parts(session, settings, stopping, board)
            with loops.run_workers(workers, stopping, board):
                spark.keep_running(queries, stopping, board, settings)
        finally:
            spark.stop(session)


def parts(
    session: SparkSession, settings: Settings, stopping: threading.Event, board: HealthBoard | None = None
) -> tuple[list[Stream], list[Worker]]:
    """(Spark's queries, the workers beside them), not started yet."""
    from qoescope.lake.jobs import dead_letters, events, marks, reports, sessions
    from qoescope.mart.jobs import quality

    written = threading.Event()
    still_open = {name: marks.new_open_sessions(settings) for name in (marks.SESSIONS, marks.REPORTED)}
    loop = dict.fromkeys(STREAMS) if board is None else {name: board[name] for name in STREAMS}
    queries = [events.stream(session, settings, stopping, still_open, loop["events"])]
    workers = [
        dead_letters.worker(settings, stopping, loop["dead_letters"]),
        sessions.worker(session, settings, stopping, still_open[marks.SESSIONS], written, loop["sessions"]),
        reports.worker(settings, stopping, still_open[marks.REPORTED], loop["reports"]),
        quality.worker(settings, stopping, written, loop["quality"]),
    ]
    return queries, workers
