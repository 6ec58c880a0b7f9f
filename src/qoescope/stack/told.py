"""Told: what a part tells of its own health, as its supervisor asks for it."""

import time

from qoescope.connect import health, readiness
from qoescope.connect.health import PartHealth
from qoescope.settings import Settings


class Told:
    """The health of one part's present process; what an earlier one left is not believed."""

    def __init__(self, settings: Settings, part: str) -> None:
        self._path, self._limits = health.path(settings, part), readiness.readiness_limits(settings)
        self._since = 0.0

    def forget(self) -> None:
        """A new process is being started."""
        self._since = time.time()

    def is_ready(self) -> bool:
        """Whether the process runs and nothing is wrong."""
        told = self._now()
        return told is not None and readiness.is_ready(told, time.time(), self._limits)

    def why(self) -> str:
        """What keeps it from being ready, in a line."""
        told = self._now()
        problems = readiness.find_problems(told, time.time(), self._limits) if told else []
        return "; ".join(str(problem) for problem in problems if problem.blocks)

    def _now(self) -> PartHealth | None:
        told = health.read_file(self._path)
        return told if told is not None and told.since >= self._since else None
