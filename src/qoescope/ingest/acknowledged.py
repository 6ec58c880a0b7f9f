"""How far Kafka has acknowledged each partition, so that a topic that was deleted and created again is noticed."""

from typing import Protocol


class DeliveredRecord(Protocol):
    """A record that Kafka has acknowledged; `confluent_kafka.Message` is one."""

    def topic(self) -> str | None:
        """The record's topic."""

    def partition(self) -> int | None:
        """Its partition of the topic."""

    def offset(self) -> int | None:
        """Its offset in the partition."""


class AcknowledgedOffsets:
    """The offset behind the last acknowledged record, by topic and partition."""

    def __init__(self) -> None:
        self._reached: dict[tuple[str, int], int] = {}
        self._noted: dict[tuple[str, int], int] = {}

    def add(self, record: DeliveredRecord) -> None:
        """Takes the offset of a record that Kafka has acknowledged."""
        place, offset = (record.topic() or "", record.partition() or 0), record.offset() or 0
        if offset >= self._reached.get(place, 0):
            self._reached[place] = offset + 1

    def unsaved(self, topic: str) -> dict[int, int]:
        """(partition: next offset) of the topic's partitions that have advanced since they were last saved."""
        return {
            partition: following
            for (name, partition), following in list(self._reached.items())
            if name == topic and following > self._noted.get((name, partition), 0)
        }

    def mark_saved(self, topic: str, reached: dict[int, int]) -> None:
        """Notes that these next offsets are stored in Postgres."""
        self._noted.update({(topic, partition): following for partition, following in reached.items()})

    def reset(self, topic: str) -> None:
        """Forgets the topic, which was created again and starts at offset 0."""
        for known in (self._reached, self._noted):
            for place in [place for place in known if place[0] == topic]:
                del known[place]
