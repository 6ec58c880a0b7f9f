"""How far Kafka has acknowledged each partition, so that a topic that was deleted and created again is noticed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class DeliveredRecord(Protocol):
    """A record that Kafka has acknowledged; `confluent_kafka.Message` is one."""

    def topic(self) -> str | None:
        """The record's topic."""

    def partition(self) -> int | None:
        """Its partition of the topic."""

    def offset(self) -> int | None:
        """Its offset in the partition; negative where Kafka did not name it."""


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What is not stored yet of a topic: by partition, the offset behind the last acknowledged record."""

    reached: dict[int, int]
    """Of partitions that have advanced, or begun anew."""
    ended: dict[int, int] = field(default_factory=dict)
    """Of partitions that began anew, where they had been before: this belongs to the topic that was there before."""

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return bool(self.reached or self.ended)

    def split(self, ends: Mapping[int, int]) -> tuple[dict[int, int], dict[int, int]]:
        """(offsets of the topic before, offsets of the present topic), where the topic was created again.

        `ends` are the present topic's ends by partition: an offset that it does not have was of the topic before.
        """
        now = {p: following for p, following in self.reached.items() if following <= ends.get(p, 0)}
        before = {p: following for p, following in self.reached.items() if p not in now and p not in self.ended}
        return {**before, **self.ended}, now


class AcknowledgedOffsets:
    """The offset behind the last acknowledged record, by topic and partition."""

    def __init__(self) -> None:
        self._reached: dict[tuple[str, int], int] = {}
        self._saved: dict[tuple[str, int], int] = {}
        self._ended: dict[tuple[str, int], int] = {}

    def add(self, record: DeliveredRecord) -> None:
        """Takes the offset of a record that Kafka has acknowledged.

        Offsets of a partition only grow, so a smaller one is of another topic of this name.
        """
        place, offset = (record.topic() or "", record.partition() or 0), record.offset()
        if offset is None or offset < 0:
            return
        if offset < self._reached.get(place, 0):
            self._ended[place] = self._ended.get(place, 0) + self._reached[place]
            self._saved.pop(place, None)
        self._reached[place] = offset + 1

    def unsaved(self, topic: str) -> Unsaved:
        """What of the topic has changed since it was last saved."""
        reached = {
            p: following
            for (name, p), following in self._reached.items()
            if name == topic and following > self._saved.get((name, p), 0)
        }
        return Unsaved(reached, {p: following for (name, p), following in self._ended.items() if name == topic})

    def mark_saved(self, topic: str, unsaved: Unsaved) -> None:
        """Notes that these are stored, of the topic that is still the same."""
        for p, following in unsaved.reached.items():
            if not self._has_begun_anew((topic, p), unsaved):
                self._saved[topic, p] = following
        self._drop_ended(topic, unsaved)

    def restart(self, topic: str, unsaved: Unsaved, now: Mapping[int, int]) -> None:
        """Notes that these are stored and that the topic was created again, of which only `now` is; forgets the rest.

        What was acknowledged since `unsaved` was taken is of the present topic.
        """
        for place in [place for place in self._reached if place[0] == topic]:
            _, p = place
            known = unsaved.reached.get(p, self._saved.get(place))
            if self._has_begun_anew(place, unsaved):
                continue
            if p in now:
                self._saved[place] = now[p]
                continue
            self._saved.pop(place, None)
            if self._reached[place] == known:
                del self._reached[place]
        self._drop_ended(topic, unsaved)

    def _has_begun_anew(self, place: tuple[str, int], unsaved: Unsaved) -> bool:
        """Whether the partition began anew since `unsaved` was taken."""
        return self._ended.get(place, 0) != unsaved.ended.get(place[1], 0)

    def _drop_ended(self, topic: str, unsaved: Unsaved) -> None:
        for p, following in unsaved.ended.items():
            if self._ended.get((topic, p)) == following:
                del self._ended[topic, p]
