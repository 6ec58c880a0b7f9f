"""Traffic: a live run against a collector: simulated minutes in wall-clock seconds, with a book of every beacon."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from qoescope.client.retrying import ACKNOWLEDGED
from qoescope.emit import feed
from qoescope.emit.connection import Door, Entry
from qoescope.emit.counterfactual import Effect
from qoescope.emit.feed import Batch
from qoescope.emit.scenario import Scenario
from qoescope.emit.sender import Sender

TICK_S = 0.02
AHEAD_S = 3.0
"""Sessions are made this long before they are needed."""

BOOK = pa.schema(
    [
        pa.field("property", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("first_seq", pa.int64()),
        pa.field("last_seq", pa.int64()),
        pa.field("events", pa.int64()),
        pa.field("sent_at", pa.timestamp("ms", tz="UTC")),
        pa.field("attempts", pa.int32()),
        pa.field("status", pa.int32()),
        pa.field("acknowledged", pa.bool_()),
    ]
)
"""The book: a row a beacon. All events from `first_seq` to `last_seq` were in it; status 0 is no answer."""
ROWS_AT_A_TIME = 20_000


class Book:
    """Writes down every beacon with its answer."""

    def __init__(self, path: Path | None, property_: str) -> None:
        self._writer = pq.ParquetWriter(path, BOOK) if path is not None else None
        self._property = property_
        self._rows: list[Entry] = []

    def keep(self, entry: Entry) -> None:
        """One more line."""
        if self._writer is not None:
            entry.request = b""
            self._rows.append(entry)
            if len(self._rows) >= ROWS_AT_A_TIME:
                self._flush()

    def _flush(self) -> None:
        e = self._rows
        columns = [
            [self._property] * len(e),
            [x.beacon.session_id for x in e],
            [x.beacon.first_seq for x in e],
            [x.beacon.last_seq for x in e],
            [x.beacon.events for x in e],
            [x.sent_at for x in e],
            [x.attempts for x in e],
            [x.status for x in e],
            [x.status == ACKNOWLEDGED for x in e],
        ]
        if self._writer is not None:
            arrays = [
                pa.array(column, pa.int64()).cast(f.type) if pa.types.is_timestamp(f.type) else pa.array(column, f.type)
                for column, f in zip(columns, BOOK, strict=True)
            ]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=BOOK))
        self._rows = []

    def close(self) -> None:
        """Finishes the file."""
        if self._writer is not None:
            self._flush()
            self._writer.close()


@dataclass
class Sent:
    """What a run sent and what came back."""

    seconds: float = 0.0
    events: int = 0
    acknowledged: int = 0
    requests: int = 0
    retries: int = 0
    unanswered: int = 0
    late_ms: float = 0.0
    """How far sending fell behind at worst."""
    last_error: str = ""
    effects: dict[str, Effect] = field(default_factory=dict)

    def add_effects(self, effects: dict[str, Effect]) -> None:
        """Adds what faults did to some more sessions."""
        for name, effect in effects.items():
            self.effects[name] = self.effects[name] + effect if name in self.effects else effect


async def send(  # noqa: PLR0913, PLR0917 - all of it differs from run to run
    run: Scenario,
    to: Door,
    speed: float,
    start_s: float,
    book: Book,
    connections: int,
    patience_s: float,
    told: Callable[[Sent], None],
    stop: threading.Event,
    device_clocks: bool = True,
) -> Sent:
    """Sends the run's beacons, each when it is due: the simulated clock runs `speed` times as fast as the wall's."""
    result = Sent()
    sender = Sender(to, connections, book.keep)
    await sender.start()

    _stops_on_signals(stop)
    begun = time.time()
    todo = feed.batches(run, result.add_effects, device_clocks)
    upcoming = next(todo, None)
    open_: list[Batch] = []
    making: asyncio.Task[Batch] | None = None
    try:
        while (upcoming or making or open_) and not stop.is_set():
            simulated = run.begin_ms + (time.time() - start_s) * 1000 * speed
            if making is not None and making.done():
                open_.append(making.result())
                making = None
            if making is None and upcoming is not None and upcoming[0] <= simulated + AHEAD_S * 1000 * speed:
                making = asyncio.create_task(asyncio.to_thread(upcoming[1]))
                upcoming = next(todo, None)
            open_ = _put_due(open_, simulated, speed, sender, result)
            sender.check()
            _copied(result, sender, begun)
            told(result)
            await asyncio.sleep(TICK_S)
    finally:
        await sender.stop(patience_s)
        _copied(result, sender, begun)
        told(result)
    return result


def _put_due(open_: list[Batch], simulated: float, speed: float, sender: Sender, result: Sent) -> list[Batch]:
    """Sends the beacons that are due, and returns the batches that hold more of them."""
    for batch in open_:
        if batch.at < batch.end:
            behind = (simulated - float(batch.due[batch.at])) / speed
            result.late_ms = max(result.late_ms, behind)
        for beacon in batch.up_to(simulated):
            sender.put(beacon)
    return [batch for batch in open_ if not batch.empty]


def _stops_on_signals(stop: threading.Event) -> None:
    """Ctrl-C and a polite kill end the run early, with its book and answer key written."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)


def _copied(result: Sent, sender: Sender, begun: float) -> None:
    result.seconds = time.time() - begun
    result.events, result.acknowledged = sender.events_sent, sender.events_acknowledged
    result.requests, result.retries, result.unanswered = sender.requests, sender.retries, sender.unanswered
    result.last_error = sender.last_error
