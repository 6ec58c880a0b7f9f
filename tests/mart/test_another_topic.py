"""Another topic under the name is a difference that shows two values, also where nothing was lost."""

import pytest

from qoescope.connect.kafka import TopicDescription
from qoescope.connect.topic_history import TopicHistory, compare
from qoescope.mart.jobs.ledger_log import _name_break


@pytest.mark.parametrize(
    ("answered", "now", "ends"),
    [
        ({0: 60}, TopicDescription("beacons", "c", "two", {0: (0, 5)}), (0, 10)),
        ({0: 50}, TopicDescription("beacons", "c", "two", {0: (0, 5)}), ("topic one", "topic two")),
        ({}, TopicDescription("beacons", "", "", {}), ("topic one", "topic none")),
        ({}, TopicDescription("beacons", "c", "one", {0: (0, 5)}), ("50 records or more", "5")),
    ],
)
def test_the_two_values_differ(
    answered: dict[int, int], now: TopicDescription, ends: tuple[int | str, int | str]
) -> None:
    known = TopicHistory("one", {0: 0}, {}, {0: 50}, answered)
    broken = compare(known, now)
    assert broken is not None
    found = _name_break("log", known, now, broken)
    assert (found.expected, found.found) == ends
