"""Offsets that Kafka acknowledged belong to the topic they were of, however often it is deleted and created again."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from qoescope.ingest.acknowledged import AcknowledgedOffsets

NAME = "beacons"


@dataclass
class Record:
    """A record that Kafka has."""

    at: int
    where: int = 0

    def topic(self) -> str:
        return NAME

    def partition(self) -> int:
        return self.where

    def offset(self) -> int:
        return self.at


class Collector:
    """Sends to topics in turn, and saves as the collector does; `saved` is what Postgres has, by topic."""

    def __init__(self) -> None:
        self.offsets, self.saved, self.known = AcknowledgedOffsets(), {}, 0  # type: ignore[var-annotated]

    def save(self, now: int, ends: dict[int, int]) -> None:
        unsaved = self.offsets.unsaved(NAME)
        if not unsaved:
            return
        if self.known == now:
            self.store(now, unsaved.reached)
            self.offsets.mark_saved(NAME, unsaved)
        else:
            earlier, current = unsaved.split(ends)
            self.store(self.known, earlier)
            self.store(now, current)
            self.offsets.restart(NAME, unsaved, current)
        self.known = now

    def store(self, topic: int, offsets: dict[int, int]) -> None:
        for p, following in offsets.items():
            self.saved[topic, p] = max(following, self.saved.get((topic, p), 0))


sendings = st.lists(st.integers(0, 3), max_size=12)
topics = st.lists(st.lists(st.tuples(sendings, st.booleans()), min_size=1, max_size=3), min_size=1, max_size=5)


@given(topics)
def test_each_acknowledged_record_is_saved_under_its_own_topic(story: list[list[tuple[list[int], bool]]]) -> None:
    """Of the present topic all of it; of one before, what a partition had when it was last saved or began anew."""
    collector = Collector()
    for topic, rounds in enumerate(story):
        ends: dict[int, int] = {}
        for partitions, _ in rounds:
            for p in partitions:
                collector.offsets.add(Record(ends.get(p, 0), p))
                ends[p] = ends.get(p, 0) + 1
            collector.save(topic, ends)
        for p, end in ends.items():
            assert collector.saved[topic, p] == end


def test_a_smaller_offset_is_news_and_ends_what_was_there_before() -> None:
    collector = Collector()
    for at in range(100):
        collector.offsets.add(Record(at))
    collector.save(0, {0: 100})
    for at in range(20):
        collector.offsets.add(Record(at))
    assert collector.offsets.unsaved(NAME)
    collector.save(1, {0: 20})
    assert collector.saved == {(0, 0): 100, (1, 0): 20}


def test_partitions_that_only_the_new_topic_has_are_not_noted_under_the_old_one() -> None:
    collector = Collector()
    for p in (0, 1):
        collector.offsets.add(Record(7, p))
    collector.save(0, {0: 8, 1: 8})
    for p, at in ((3, 3), (0, 0), (3, 4)):
        collector.offsets.add(Record(at, p))
    collector.save(1, {0: 1, 1: 0, 2: 0, 3: 6})
    assert collector.saved == {(0, 0): 8, (0, 1): 8, (1, 0): 1, (1, 3): 5}


def test_a_topic_that_came_and_went_between_two_savings_counts_with_the_one_before() -> None:
    offsets = AcknowledgedOffsets()
    for last in (9, 4, 1):
        for at in range(last + 1):
            offsets.add(Record(at))
    assert offsets.unsaved(NAME).split({0: 2}) == ({0: 10 + 5}, {0: 2})


def test_what_is_acknowledged_while_it_is_saved_is_news_afterwards() -> None:
    offsets = AcknowledgedOffsets()
    for at in range(50):
        offsets.add(Record(at))
    taken = offsets.unsaved(NAME)
    for at in range(3):
        offsets.add(Record(at))
    offsets.mark_saved(NAME, taken)
    assert (offsets.unsaved(NAME).reached, offsets.unsaved(NAME).ended) == ({0: 3}, {0: 50})
    offsets.add(Record(-1001))  # an offset that Kafka did not name
    offsets.restart(NAME, offsets.unsaved(NAME), {0: 3})
    assert not offsets.unsaved(NAME)
