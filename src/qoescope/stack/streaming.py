"""Streaming: all streams in one Spark driver, from the log to the lake and on to the marts."""

import threading

from qoescope.settings import Settings
from qoescope.stack import signals, state


def run(settings: Settings) -> None:
    """Runs every stream until SIGTERM or SIGINT, then lets the batches under way finish; blocks."""
    from qoescope.connect import spark
    from qoescope.lake.jobs import lake_streams
    from qoescope.mart.jobs import mart_streams

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
        streams = [*lake_streams(session, settings, stopping), *mart_streams(session, settings, stopping)]
        spark.keep_running(streams, stopping, started)
    finally:
        ready.unlink(missing_ok=True)
        session.stop()
