"""Reads the health of a part's process, for its supervisor."""

import time

from qoescope.connect import health, readiness
from qoescope.connect.health import PartHealth
from qoescope.settings import Settings


class PartReadiness:
    """Readiness of a part's current process; the health of an earlier one is ignored."""

    def __init__(self, settings: Settings, part: str) -> None:
        self._path, self._limits = health.path(settings, part), readiness.readiness_limits(settings)
        self._since = 0.0

    def forget(self) -> None:
        """Ignores what was written until now: a new process is being started."""
        self._since = time.time()

    def is_ready(self) -> bool:
        """Whether the process runs without a blocking problem."""
        current = self._current()
        return current is not None and readiness.is_ready(current, time.time(), self._limits)

    def why(self) -> str:
        """Its blocking problems, in a line."""
        current = self._current()
        problems = readiness.find_problems(current, time.time(), self._limits) if current else []
        return "; ".join(str(problem) for problem in problems if problem.blocks)

    def _current(self) -> PartHealth | None:
        current = health.read_file(self._path)
        return current if current is not None and current.since >= self._since else None
