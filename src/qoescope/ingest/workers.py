"""The collector's other processes, started and stopped by the first one."""

import logging
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

log = logging.getLogger(__name__)
STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Duties:
    """What a process does beside serving: each second, every few seconds, and when it stops."""

    check: Callable[[], None]
    synchronise: Callable[[], None]
    terminate: Callable[[], None]


class Workers:
    """The other processes; each runs `work(number)`. The kernel spreads connections over all that listen."""

    def __init__(self, work: Callable[[int], None], count: int) -> None:
        self._work = work
        self._processes: list[BaseProcess] = [self._start(number) for number in range(1, count)]

    def _start(self, number: int) -> BaseProcess:
        process = multiprocessing.get_context("spawn").Process(
            target=self._work, args=(number,), name=f"door-{number}", daemon=True
        )
        process.start()
        return process

    def check(self) -> None:
        """Restarts workers that have ended; called each second."""
        for place, process in enumerate(self._processes):
            if process.exitcode is not None:
                log.warning("%s ended with %s; again", process.name, process.exitcode)
                self._processes[place] = self._start(place + 1)

    def terminate(self) -> None:
        """Asks all workers to stop."""
        for process in self._processes:
            process.terminate()

    def wait(self) -> None:
        """Waits until all workers have stopped; blocks."""
        for process in self._processes:
            process.join(STOP_S)


def is_orphaned(parent: int) -> bool:
    """Whether the process that started this one is gone."""
    return os.getppid() != parent
