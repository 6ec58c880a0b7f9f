"""Live: traffic over HTTP to a collector, as it would come from players."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from qoescope.catalog.errors import Mistake
from qoescope.emit import connection, drawn, feed, files, traffic
from qoescope.emit import key as answers
from qoescope.emit.jobs.answer_key import KEY_NAME, KEY_TABLE_NAME, write_answer_key
from qoescope.emit.options import select_faults
from qoescope.emit.scenario import Scenario
from qoescope.emit.traffic import Sent

START_IN_S = 1.0


@dataclass
class Live:
    """A finished live run."""

    run: Scenario
    sent: Sent
    key: dict[str, Any]
    paths: list[Path]


def send_live(  # noqa: PLR0913 - each is an option of the command line
    url: str,
    key: str,
    *,
    rate: float = 500.0,
    duration: float = 90.0,
    speed: float = 10.0,
    seed: int = 42,
    faults: Sequence[str] = ("demo",),
    random_faults: int = 0,
    out: Path = Path("output"),
    book: Path | None = None,
    property: str = "demo",
    connections: int = 32,
    patience: float = 30.0,
    progress: bool = True,
    told: Callable[[Sent], None] | None = None,
    stop: threading.Event | None = None,
    device_clocks: bool = True,
) -> Live:
    """Sends live traffic to POST {url}/v1/beacons: about `rate` events a second for `duration` seconds.

    The simulated clock runs `speed` times as fast and ends at the wall's now. Some devices' clocks are wrong, unless
    `device_clocks` is false: sped up, events of a clock that is ahead come before their time. Beacons are sent again on
    429, 503 and lost connections. The answer key goes to `out`, and each beacon with its answer into `book` (Parquet).
    """
    _check_bounds(rate, duration, speed)
    to = connection.door(url, key)
    start_s = time.time() + START_IN_S
    run = _live_scenario(start_s, rate, duration, speed, seed, faults, random_faults)
    start_s = max(start_s, time.time())
    folder = files.folder(out)
    with files.half_book(book) as half, _live_bar(duration, progress) as shown:
        pages = traffic.Book(half, property)
        try:
            end, tell = stop or threading.Event(), told or shown
            sending = traffic.send(run, to, speed, start_s, pages, connections, patience, tell, end, device_clocks)
            result = asyncio.run(sending)
        finally:
            pages.close()
    answer = answers.answer_key(run, result.effects)
    with files.whole(folder / KEY_NAME) as file, files.whole(folder / KEY_TABLE_NAME) as table:
        write_answer_key(answer, file, table)
    paths = [folder / KEY_NAME, folder / KEY_TABLE_NAME, *([book] if book else [])]
    return Live(run, result, answer, paths)


def _check_bounds(rate: float, duration: float, speed: float) -> None:
    for name, value, most in (("rate", rate, 1e6), ("duration", duration, 7 * 86_400), ("speed", speed, 1000.0)):
        if not 0 < value <= most:
            raise Mistake(f"--{name} must be above 0 and at most {most:g}, not {value:g}")


def _live_scenario(
    start_s: float, rate: float, duration: float, speed: float, seed: int, faults: Sequence[str], random_faults: int
) -> Scenario:
    """So many sessions that they say about `rate` events a second; its end is the wall's clock at the run's end."""
    length = round(duration * speed * 1000)
    begin = round((start_s + duration) * 1000) - length
    named = select_faults(faults) if not random_faults or tuple(faults) != ("demo",) else ()
    run = Scenario(1, begin, length, seed, named)
    run = replace(run, sessions=feed.sessions_for(run, rate * duration))
    return replace(run, faults=run.faults + drawn.drawn(run, random_faults))


@contextmanager
def _live_bar(duration: float, shown: bool) -> Iterator[Callable[[Sent], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("sending"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as bar:
        task = bar.add_task("", total=duration)

        def told(sent: Sent) -> None:
            words = f"{sent.events:,} events, {sent.acknowledged:,} acknowledged, {sent.retries:,} sent again"
            bar.update(task, completed=min(sent.seconds, duration), description=words)

        yield told
