"""Runs the monitor as a process with health."""

import threading

from qoescope.settings import Settings
from qoescope.stack import signals, system

PART, LOOPS = "monitor", ("watch",)


def run(settings: Settings) -> None:
    """Watches until SIGTERM or SIGINT; blocks."""
    from qoescope.connect import health_http, health_rows, readiness
    from qoescope.connect.health import HealthBoard, folder
    from qoescope.connect.locks import own
    from qoescope.monitor.jobs import watch

    stopping = signals.stop_event()
    with (
        own(folder(settings) / f"{PART}.lock", "the monitor"),
        HealthBoard(settings, PART, LOOPS) as board,
        health_http.serve(board, settings.monitor_port, readiness.readiness_limits(settings)),
    ):
        threading.Thread(target=health_rows.publish, args=(settings, board, stopping), daemon=True).start()
        threading.Thread(target=system.watch, args=(settings, stopping), daemon=True).start()
        watch.watch(settings, stopping, board=board)
