"""Workers: more processes of one door, which live and end with the first."""

import logging
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

log = logging.getLogger(__name__)
END_S = 20.0


@dataclass(frozen=True, slots=True)
class Duties:
    """What a process does beside serving: each second, every few seconds, and when it is asked to stop."""

    look: Callable[[], None]
    synchronise: Callable[[], None]
    leave: Callable[[], None]


class Workers:
    """The other processes; each runs `work(number)`. The system shares connections out among all that listen."""

    def __init__(self, work: Callable[[int], None], count: int) -> None:
        self._work = work
        self._processes: list[BaseProcess] = [self._started(number) for number in range(1, count)]

    def _started(self, number: int) -> BaseProcess:
        process = multiprocessing.get_context("spawn").Process(
            target=self._work, args=(number,), name=f"door-{number}", daemon=True
        )
        process.start()
        return process

    def look(self) -> None:
        """Starts again those that have ended; called each second."""
        for place, process in enumerate(self._processes):
            if process.exitcode is not None:
                log.warning("%s ended with %s; again", process.name, process.exitcode)
                self._processes[place] = self._started(place + 1)

    def leave(self) -> None:
        """Asks all to end."""
        for process in self._processes:
            process.terminate()

    def wait(self) -> None:
        """Waits until all have ended."""
        for process in self._processes:
            process.join(END_S)


def orphaned(parent: int) -> bool:
    """The process that started this one is gone."""
    return os.getppid() != parent
