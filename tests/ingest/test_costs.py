"""Costs: told by a body's bytes before anything reads it."""

import json

import pytest

from qoescope.catalog.cmcd import LONGEST_BODY
from qoescope.ingest import costs
from qoescope.ingest.bodies import Refused
from qoescope.ingest.limits import Limits

LIMITS = Limits()
EVENT = {"seq": 1, "at": 1_762_000_000_000, "type": "heartbeat", "state": "playing", "state_ms": 10_000}


def beacon(*events: object) -> bytes:
    return json.dumps({"session": {"session_id": "s"}, "events": events}).encode()


@pytest.mark.parametrize("count", [1, 2, 50, 2_000])
def test_an_honest_beacon_costs_its_events(count: int) -> None:
    body = beacon(*[{**EVENT, "seq": number} for number in range(count)])
    assert costs.estimate_events(body, LIMITS) == costs.count_named_events(body, LIMITS) == count


@pytest.mark.parametrize("body", [b"", b"nope", beacon(), b"[" * 10_000])
def test_what_names_no_event_costs_one(body: bytes) -> None:
    assert costs.estimate_events(body, LIMITS) == costs.count_named_events(body, LIMITS) == 1


def test_many_values_cost_as_many_events_as_could_hold_them() -> None:
    body = beacon(*[[]] * 64_000)
    assert (costs.estimate_events(body, LIMITS), costs.count_named_events(body, LIMITS)) == (1_000, 1)


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        (b"", 1),
        (b'sid="s",v=2\n', 1),
        (b'e=t,sid="s",ts=1,v=2\n' * 63, 63),
        (b'[{"sid":"s"},{"sid":"s"},{"sid":"t"}]', 3),
        (b'sid="s",nor=("' + rb"\"" * 8_180, 15),
        (b"d=," * 16_000, 1_000),
        (b"x" * LONGEST_BODY, 1_024),
    ],
)
def test_cmcd_costs_its_records_or_as_many_as_its_bytes_could_hold(body: bytes, cost: int) -> None:
    assert costs.estimate_reports(body) == cost


def test_a_body_names_no_more_events_than_one_may_hold() -> None:
    assert costs.count_named_events(b'"seq"' * 9_999, LIMITS) == LIMITS.beacon_events


def test_more_values_than_any_beacon_holds_are_refused_unread() -> None:
    most = LIMITS.beacon_events * LIMITS.object_keys
    costs.refuse_crowded(b"," * most, LIMITS)
    with pytest.raises(Refused) as refused:
        costs.refuse_crowded(b"," * (most + 1), LIMITS)
    assert (refused.value.status, len(refused.value.body or b"")) == (413, most + 1)


def test_what_was_inflated_in_vain_is_within_the_limits_on_inflating() -> None:
    assert costs.most_inflated(b"x" * 100, LIMITS) == 10_000
    assert costs.most_inflated(b"x" * 100_000, LIMITS) == LIMITS.inflated_bytes
