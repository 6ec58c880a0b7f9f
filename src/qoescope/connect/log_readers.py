"""Readers of a topic: of planned ranges of offsets, and of its tail."""

from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import ClassVar

import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from qoescope.compile.records.parsing import RECORDS
from qoescope.connect import kafka
from qoescope.settings import Settings

Bounds = Mapping[int, tuple[int, int]]
"""For each partition the first offset to read, and the first one not to read."""
OPTIONS = {
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 10,  # what is asked for lies there already
    "fetch.error.backoff.ms": 50,
    "queued.max.messages.kbytes": 32 * 1024,
}


class RangeReader:
    """Reads ranges of offsets; keeps its connection, and fetches nothing between two reads."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings, self._topic = settings, topic
        self._consumer: Consumer | None = None

    def read(self, bounds: Bounds, most_bytes: int, within_s: float) -> pa.Table | None:
        """The records (`RECORDS`) by partition and offset; None when they exceed `most_bytes`.

        Raises `KafkaException` when they cannot be read, and `TimeoutError` when the broker is too slow.
        """
        try:
            return self._read(bounds, most_bytes, monotonic() + within_s)
        except BaseException:
            self.close()
            raise

    def _read(self, bounds: Bounds, most_bytes: int, deadline: float) -> pa.Table | None:
        reader = self._consumer = self._consumer or kafka.consumer(self._settings, "qoescope-stream", OPTIONS)
        left = {partition: end for partition, (first, end) in bounds.items() if first < end}
        reader.assign([TopicPartition(self._topic, partition, bounds[partition][0]) for partition in left])
        messages: list[Message] = []
        size, count = 0, sum(end - bounds[partition][0] for partition, end in left.items())
        while left and size <= most_bytes:
            if monotonic() > deadline:
                raise TimeoutError(f"{self._topic}: partitions {sorted(left)} were not read in time")
            for message in reader.consume(max(1, count - len(messages)), 0.1):  # more would be waited for
                if not self._is_past(message, left):
                    messages.append(message)
                    size += len(message)
        reader.unassign()
        return _to_table(messages) if size <= most_bytes else None

    @staticmethod
    def _is_past(message: Message, left: dict[int, int]) -> bool:
        """Whether it is beyond the range; removes partitions that are read to their end from `left`."""
        partition, offset = message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
            raise KafkaException(error)
        end = left.get(partition)
        past = end is None or offset >= end or error is not None
        if end is not None and offset + (error is None) >= end:
            del left[partition]
        return past

    def close(self) -> None:
        """Closes the connection; the next read opens a new one."""
        if self._consumer is not None:
            self._consumer.close()
        self._consumer = None


def _to_letter(message: Message) -> tuple[int, int, bytes | None, datetime]:
    if (error := message.error()) is not None:
        raise KafkaException(error)
    logged_ms = message.timestamp()[1]
    return (
        message.partition() or 0,
        message.offset() or 0,
        message.value(),
        datetime.fromtimestamp(logged_ms / 1000, UTC),
    )


def _to_table(messages: list[Message]) -> pa.Table:
    messages.sort(key=lambda message: (message.partition(), message.offset()))
    return pa.table(
        [
            pa.array([message.key() for message in messages], pa.binary()),
            pa.array([message.value() for message in messages], pa.binary()),
            pa.array([message.partition() for message in messages], pa.int64()),
            pa.array([message.offset() for message in messages], pa.int64()),
        ],
        schema=RECORDS,
    )


class Tail:
    """Reads a topic from given offsets on, as records arrive."""

    OPTIONS: ClassVar[dict[str, str | int | float | bool]] = {"fetch.wait.max.ms": 5_000}

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings, self._topic = settings, topic
        self._consumer: Consumer | None = None

    def begin(self, following: Mapping[int, int]) -> None:
        """Starts at these offsets by partition; at the first record of other partitions, and of a topic created again.

        Raises `KafkaException` when the broker is away.
        """
        bounds = kafka.offsets(self._settings, self._topic)
        known = {p: following[p] for p, (low, high) in bounds.items() if low <= following.get(p, low - 1) <= high}
        places = [TopicPartition(self._topic, p, known.get(p, low)) for p, (low, _) in bounds.items()]
        self._consumer = kafka.consumer(self._settings, "qoescope-tail", self.OPTIONS)
        self._consumer.assign(places)

    def letters(self, most: int, timeout_s: float) -> list[tuple[int, int, bytes | None, datetime]]:
        """Up to `most` records since the last call: (partition, offset, record, time in the log).

        Waits up to `timeout_s` for the first. Raises `KafkaException`, and `RuntimeError` before `begin`.
        """
        if self._consumer is None:
            raise RuntimeError("where to begin was not said")
        messages = self._consumer.consume(1, timeout_s)
        if messages and most > 1:
            messages += self._consumer.consume(most - 1, 0.05)
        return [_to_letter(message) for message in messages]

    @property
    def began(self) -> bool:
        """Whether it has been started."""
        return self._consumer is not None

    def close(self) -> None:
        """Closes the connection; it must be started again."""
        if self._consumer is not None:
            self._consumer.close()
        self._consumer = None
