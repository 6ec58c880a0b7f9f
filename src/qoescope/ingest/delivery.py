"""Delivery: records on their way to Kafka, and whether Kafka is there."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from qoescope.catalog.topics import BEACONS, TICK_PROPERTY
from qoescope.compile.wire import Tick
from qoescope.ingest.answered import Answered, Place
from qoescope.ingest.books import Books
from qoescope.ingest.limits import InFlight
from qoescope.ingest.records import Outgoing

POLL_S = 0.004
"""How often news is asked for: Kafka gathers for 10 ms, and each time costs a wake-up."""
Told = Callable[[object | None, Place | None], None]
"""Told once a record: an error, or None when Kafka has it; and the record."""
Refusals = list[tuple[str, int, int]]
_ENCODE = msgspec.json.Encoder().encode


class Log(Protocol):
    """Where records go; `connect.kafka.Log` is one."""

    def send(self, topic: str, value: bytes, done: Told, key: bytes | None = None, partition: int = -1) -> bool:
        """Queues one record, whose fate `poll` tells; False when it has no room."""

    def poll(self, timeout_s: float = 0.0) -> None:
        """Calls back."""


class Delivery:
    """Puts records in the log and waits for its word, all on one event loop; remembers when it last heard it."""

    def __init__(self, log: Log, in_flight: InFlight, silence_s: float) -> None:
        self._log, self.in_flight, self.silence_s = log, in_flight, silence_s
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._polling = False
        self.spoke = True
        """Whether anybody has sent anything since the last tick."""
        self.refused = False
        """Whether Kafka's last word was that it did not take a record: in silence, ticks are too rare to tell."""
        self.answered = Answered()
        self._heard_at = self._loop.time() - 2 * silence_s

    @property
    def silent_s(self) -> float:
        """Seconds since Kafka last acknowledged anything."""
        return self._loop.time() - self._heard_at

    @property
    def away(self) -> bool:
        """Kafka has said nothing for longer than a delivery may take; ticks of its time would have been answered."""
        return self.silent_s > self.silence_s

    async def put(self, records: list[Outgoing]) -> bool:
        """Whether Kafka has them all. False: not all, or not known, so the sender must come again."""
        self.spoke = True
        future: asyncio.Future[bool] = self._loop.create_future()
        size, left, good = sum([len(record.value) for record in records]), len(records), True

        def told(error: object | None, record: Place | None) -> None:
            nonlocal left, good
            left -= 1
            if error is None and record is not None:
                self.answered.hear(record)
            good = good and error is None
            if left == 0:
                self._heard(error, size)
                if not future.done():
                    future.set_result(good)

        self._wait(size)
        for record in records:
            if not self._log.send(record.topic, record.value, told, record.key):
                told("no room", None)
        return await future

    def _wait(self, size: int) -> None:
        """So many bytes are on their way: asks for news from now on."""
        self._waiting += 1
        self.in_flight.bytes += size
        if not self._polling:
            self._polling = True
            self._loop.call_later(POLL_S, self._poll)

    def _heard(self, error: object | None, size: int) -> None:
        """News of them came."""
        self._waiting -= 1
        self.in_flight.bytes -= size
        self.refused = error is not None
        if error is None:
            self._heard_at = self._loop.time()

    def _poll(self) -> None:
        self._log.poll(0)
        if self._waiting:
            self._loop.call_later(POLL_S, self._poll)
        else:
            self._polling = False

    def tick(self, partitions: list[int], received_at: int, books: Books) -> None:
        """One tick to each partition; the first carries what was refused since the last, and books it again if lost."""
        self._log.poll(0)
        self.spoke = False
        for partition in partitions:
            refused = books.refused() if partition == partitions[0] else []
            value = _ENCODE(Tick(TICK_PROPERTY, received_at, refused))

            def told(
                error: object | None, _: Place | None, refused: Refusals = refused, size: int = len(value)
            ) -> None:
                self._heard(error, size)
                if error is not None:
                    books.take_back(refused)

            self._wait(len(value))
            if not self._log.send(BEACONS.name, value, told, None, partition):
                told("no room", None)
