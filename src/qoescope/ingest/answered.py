"""Answered: how far Kafka has acknowledged what senders were answered for, which a topic made again cannot tell."""

from typing import Protocol


class Place(Protocol):
    """A record that Kafka has; `confluent_kafka.Message` is one."""

    def topic(self) -> str | None:
        """Its topic."""

    def partition(self) -> int | None:
        """Its partition of the topic."""

    def offset(self) -> int | None:
        """Its place in the partition."""


class Answered:
    """By topic and partition, behind the last record that was acknowledged."""

    def __init__(self) -> None:
        self._reached: dict[tuple[str, int], int] = {}
        self._noted: dict[tuple[str, int], int] = {}

    def hear(self, record: Place) -> None:
        """Kafka has this record."""
        place, offset = (record.topic() or "", record.partition() or 0), record.offset() or 0
        if offset >= self._reached.get(place, 0):
            self._reached[place] = offset + 1

    def news(self, topic: str) -> dict[int, int]:
        """By partition of the topic, how far it was acknowledged, where that is further than what is noted."""
        return {
            partition: following
            for (name, partition), following in list(self._reached.items())
            if name == topic and following > self._noted.get((name, partition), 0)
        }

    def note(self, topic: str, reached: dict[int, int]) -> None:
        """The books have this."""
        self._noted.update({(topic, partition): following for partition, following in reached.items()})

    def forget(self, topic: str) -> None:
        """The topic is another one: it begins again."""
        for known in (self._reached, self._noted):
            for place in [place for place in known if place[0] == topic]:
                del known[place]
