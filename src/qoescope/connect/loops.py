"""Workers that run beside Spark's queries, each in its own thread, until they are told to stop."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

from qoescope.connect.health import HealthBoard
from qoescope.connect.writing import Stopped
from qoescope.host.backoff import Backoff

log = logging.getLogger("qoescope.loops")


@dataclass(frozen=True, slots=True)
class Worker:
    """A name, a wait for work that returns within a second or so, and a unit of work that may be retried."""

    name: str
    wait: Callable[[], bool]
    work: Callable[[], None]


@contextmanager
def run_workers(
    workers: Sequence[Worker], stopping: Event, board: HealthBoard | None = None, clean_stop_s: float = 15.0
) -> Iterator[None]:
    """Runs the workers while the block runs; retries failures after 1 s, doubling to 30 s.

    On leaving the block it waits `clean_stop_s` for work under way, then abandons it: it is repeated later.
    """
    threads = [
        Thread(target=_keep_running, args=(worker, stopping, board), name=worker.name, daemon=True)
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        deadline = monotonic() + clean_stop_s
        for thread in threads:
            thread.join(max(0.1, deadline - monotonic()))


def _keep_running(worker: Worker, stopping: Event, board: HealthBoard | None) -> None:
    health = board[worker.name] if board is not None else None
    backoff = Backoff()
    while not stopping.is_set():
        try:
            if backoff.failures or worker.wait():
                if health is not None:
                    health.working()
                worker.work()
        except Stopped:
            return
        except Exception as error:
            cause = health.failed(error) if health is not None else error
            wait_s = backoff.next_s()
            log.exception("%s failed, again in %.0f s: %s", worker.name, wait_s, cause)
            stopping.wait(wait_s)
        else:
            backoff.reset()
            if health is not None:
                health.succeeded()
