"""Crash points: where a test lets the process end as `kill -9` would."""

import os
import signal

from qoescope.settings import Settings


def crash(settings: Settings, point: str) -> None:
    """Ends the process at once if this point is the one that is set; once, so that a restart lives."""
    if point not in settings.crash_at.split(","):
        return
    done = settings.var / "crashed" / point
    if not done.exists():
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
        os.kill(os.getpid(), signal.SIGKILL)
