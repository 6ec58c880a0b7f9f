"""Sends records to Kafka, waits for their acknowledgement, and knows whether Kafka is reachable."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from qoescope.catalog.topics import BEACONS_TOPIC, TICK_PROPERTY
from qoescope.compile.wire import Tick
from qoescope.ingest.acknowledged import AcknowledgedOffsets, DeliveredRecord
from qoescope.ingest.counters import CollectorCounters
from qoescope.ingest.limits import InFlight
from qoescope.ingest.records import Outgoing

POLL_S = 0.004
"""How often delivery reports are polled for: Kafka gathers records for 10 ms, and each poll costs a wake-up."""
OnDelivery = Callable[[object | None, DeliveredRecord | None], None]
"""Called once a record with an error, or None when Kafka has it, and the record."""
Refusals = list[tuple[str, int, int]]
_ENCODE = msgspec.json.Encoder().encode


class RecordLog(Protocol):
    """Where records go; `connect.kafka.Producer` is one."""

    def send(self, topic: str, value: bytes, done: OnDelivery, key: bytes | None = None, partition: int = -1) -> bool:
        """Queues one record; `poll` reports its delivery. False when the queue is full."""

    def poll(self, timeout_s: float = 0.0) -> None:
        """Calls the callbacks of records whose delivery is known."""


class Delivery:
    """Sends records and waits for their delivery reports, on one event loop."""

    def __init__(self, log: RecordLog, in_flight: InFlight, silence_s: float) -> None:
        self._log, self.in_flight, self.silence_s = log, in_flight, silence_s
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._polling = False
        self.has_sent = True
        """Whether anything but ticks was sent since the last tick."""
        self.was_refused = False
        """Whether the last delivery report was an error: without traffic, ticks are too rare to rely on."""
        self.acknowledged = AcknowledgedOffsets()
        self._acknowledged_at = self._loop.time() - 2 * silence_s

    @property
    def silent_s(self) -> float:
        """Seconds since Kafka last acknowledged a record."""
        return self._loop.time() - self._acknowledged_at

    @property
    def is_away(self) -> bool:
        """Whether Kafka has acknowledged nothing for longer than a delivery may take; ticks would have been."""
        return self.silent_s > self.silence_s

    async def put(self, records: list[Outgoing]) -> bool:
        """Sends the records; True once Kafka has acknowledged all. False: the sender must send them again."""
        self.has_sent = True
        future: asyncio.Future[bool] = self._loop.create_future()
        size, left, good = sum([len(record.value) for record in records]), len(records), True

        def on_delivery(error: object | None, record: DeliveredRecord | None) -> None:
            nonlocal left, good
            left -= 1
            if error is None and record is not None:
                self.acknowledged.add(record)
            good = good and error is None
            if left == 0:
                self._on_answer(error, size)
                if not future.done():
                    future.set_result(good)

        self._wait(size)
        for record in records:
            if not self._log.send(record.topic, record.value, on_delivery, record.key):
                on_delivery("no room", None)
        return await future

    def _wait(self, size: int) -> None:
        """Counts bytes on their way, and starts polling."""
        self._waiting += 1
        self.in_flight.bytes += size
        if not self._polling:
            self._polling = True
            self._loop.call_later(POLL_S, self._poll)

    def _on_answer(self, error: object | None, size: int) -> None:
        """Counts a delivery report."""
        self._waiting -= 1
        self.in_flight.bytes -= size
        self.was_refused = error is not None
        if error is None:
            self._acknowledged_at = self._loop.time()

    def _poll(self) -> None:
        self._log.poll(0)
        if self._waiting:
            self._loop.call_later(POLL_S, self._poll)
        else:
            self._polling = False

    def tick(self, partitions: list[int], received_at: int, counters: CollectorCounters) -> None:
        """Sends one tick to each partition; the first carries the refused events, restored if it is lost."""
        self._log.poll(0)
        self.has_sent = False
        for partition in partitions:
            refused = counters.take_refused() if partition == partitions[0] else []
            value = _ENCODE(Tick(TICK_PROPERTY, received_at, refused))

            def on_delivery(
                error: object | None, _: DeliveredRecord | None, refused: Refusals = refused, size: int = len(value)
            ) -> None:
                self._on_answer(error, size)
                if error is not None:
                    counters.restore_refused(refused)

            self._wait(len(value))
            if not self._log.send(BEACONS_TOPIC.name, value, on_delivery, None, partition):
                on_delivery("no room", None)
