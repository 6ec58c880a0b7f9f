"""The witness: a topic that was made again is told from the one that was read, and goes on where that one ended."""

from dataclasses import replace

import pytest

from qoescope.connect.kafka import TopicDescription
from qoescope.connect.topic_history import TopicHistory, TopicState, compare, join

READ = TopicHistory("one", {0: 0, 1: 0}, {}, {0: 50, 1: 70}, {0: 60, 1: 70})
"""Of partition 0, ten records were answered and not read."""


def topic(topic_id: str, *ends: int, first: int = 0) -> TopicDescription:
    return TopicDescription("beacons", "cluster", topic_id, {p: (first, end) for p, end in enumerate(ends)})


def met(known: TopicHistory, now: TopicDescription) -> TopicState:
    return TopicState(known, now, compare(known, now))


def test_the_topic_that_was_read_goes_on_as_it_is() -> None:
    same = met(READ, topic("one", 60, 90))
    assert (same.broken, same.shifts) == (None, {0: 0, 1: 0})
    assert met(TopicHistory(), topic("one", 60, 90)).broken is None


def test_partitions_that_were_added_go_on_by_themselves() -> None:
    more = met(READ, topic("one", 60, 70, 5))
    assert (more.broken, more.shifts) == (None, {0: 0, 1: 0, 2: 0})


@pytest.mark.parametrize("ends", [(5, 5), (5,), (5, 5, 5), (500, 500)], ids=["same", "fewer", "more", "further"])
def test_a_topic_made_again_is_named_with_what_was_answered_and_is_gone(ends: tuple[int, ...]) -> None:
    again = met(READ, topic("two", *ends))
    assert str(again.broken) == (
        "topic 'beacons' is another one than that which was read: it was deleted and made again; "
        "10 records that were answered are gone unread"
    )
    assert again.shifts == {p: {0: 60, 1: 70}.get(p, 0) for p in range(len(ends))}


def test_its_first_offset_follows_the_last_one_that_was_answered() -> None:
    assert met(READ, topic("two", 20, 20, first=10)).shifts == {0: 50, 1: 60}
    beyond = TopicHistory("one", {0: 0, 1: 0}, {}, {0: 5, 1: 5})
    assert met(beyond, topic("two", 20, 20, first=10)).shifts == {0: 0, 1: 0}  # what it lost itself counts, too


def test_a_topic_of_which_nobody_knew_the_id_is_known_by_what_was_read_of_it() -> None:
    older = TopicHistory(next_offsets={0: 50, 1: 70})
    assert met(older, topic("any", 60, 70)).broken is None
    fewer, shorter = met(older, topic("any", 60)).broken, met(older, topic("any", 60, 8)).broken
    assert str(fewer).startswith("topic 'beacons' has no partition 1 any more; 0 records")
    assert str(shorter).startswith("topic 'beacons' is shorter than what was read of it (partition 1 ends at 8 and was")


def test_a_topic_that_lost_its_end_goes_on_behind_what_was_read() -> None:
    cut = met(READ, topic("one", 60, 40))
    assert cut.broken is not None
    assert cut.shifts == {0: 0, 1: 30}


def test_a_partition_that_went_and_came_again_goes_on_where_it_was() -> None:
    once = TopicHistory("two", {0: 60}, {1: 70}, {0: 65, 1: 70})
    assert met(once, topic("two", 5)).broken is None
    assert met(once, topic("two", 5, 3)).shifts == {0: 60, 1: 70}
    assert join(once, topic("three", 5, 3), compare(once, topic("three", 5, 3))) == {0: 65, 1: 70}


def test_records_answered_by_a_topic_that_came_between_are_gone_and_have_offsets_of_their_own() -> None:
    known = replace(READ, elsewhere={"two": {0: 4, 2: 3}, "three": {1: 9}})
    again = met(known, topic("three", 5, 12, 1))
    assert again.broken is not None
    assert again.broken.lost == {0: 10 + 4, 2: 3}  # those of the present topic can be read
    assert again.shifts == {0: 64, 1: 70, 2: 3}
    assert met(known, topic("one", 60, 90)).broken is None
    assert known.gone_elsewhere("one") == {0: 4, 2: 3, 1: 9}
