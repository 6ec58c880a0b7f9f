"""Pool: the chunks of a run, made by several processes and given back in order; bytes do not depend on how many."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import cpu_count, get_context

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from qoescope.catalog.errors import Mistake
from qoescope.emit.chunks import Part
from qoescope.emit.scenario import CHUNK, Scenario

AHEAD = 2
"""Chunks that each worker may be ahead of what is written."""
MOST_WORKERS = 256


def parts(run: Scenario, job: Callable[[int], Part], workers: int | None, progress: bool) -> Iterator[Part]:
    """Each chunk's part, in order, whoever made it; never more than a few ahead."""
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise Mistake(f"--workers must be between 1 and 256, not {workers}")
    hands = min(workers or cpu_count(), run.chunks)
    made = map(job, range(run.chunks)) if hands == 1 else _by_processes(job, run.chunks, hands)
    with _bar(run, progress) as advance:
        for number, part in enumerate(made):
            yield part
            advance(min(CHUNK, run.sessions - number * CHUNK))


def _by_processes(job: Callable[[int], Part], count: int, hands: int) -> Iterator[Part]:
    """Starts the processes, by a fork where no thread could be caught in it, and gives back their parts in order."""
    way = "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"
    pool = ProcessPoolExecutor(hands, mp_context=get_context(way), initializer=_ended_at_once)
    first = [pool.submit(job, chunk) for chunk in range(min(count, hands * AHEAD))]
    return _collected(pool, job, first, count)


def _ended_at_once() -> None:
    """A worker has nothing to tidy up, whatever its parent does when it is told to end."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _collected(
    pool: ProcessPoolExecutor, job: Callable[[int], Part], waiting: list[Future[Part]], count: int
) -> Iterator[Part]:
    try:
        for chunk in range(len(waiting), count + len(waiting)):
            if not waiting:
                return
            yield waiting.pop(0).result()
            if chunk < count:
                waiting.append(pool.submit(job, chunk))
    except BrokenProcessPool as error:
        raise Mistake("a worker process died, perhaps for want of memory; try fewer --workers") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _bar(run: Scenario, shown: bool) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    columns = (
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("sessions"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as bar:
        task = bar.add_task("", total=run.sessions)
        yield lambda n: bar.advance(task, n)
