"""Budgets: what a key may take, and when it may come again; and who gives way where a process is full."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.ingest.limits import InFlight, KeyBudget
from qoescope.ingest.requests import Request


def bucket(now_s: float = 0.0) -> KeyBudget:
    return KeyBudget(events_a_second=100, bytes_a_second=1000, burst_s=10, now_s=now_s)


def test_a_burst_is_taken_at_once_and_then_no_more() -> None:
    b = bucket()
    assert [b.take(500, 1, 0.0), b.take(500, 1, 0.0), b.take(1, 1, 0.0)] == [0, 0, pytest.approx(0.01)]


def test_what_is_refused_costs_nothing() -> None:
    b = bucket()
    b.take(1000, 0, 0.0)
    assert [b.take(10, 0, 0.0), b.take(10, 0, 0.1)] == [pytest.approx(0.1), 0]


def test_what_is_owed_is_paid_before_the_next_is_taken() -> None:
    b = bucket()
    assert b.take(1, 1, 0.0) == 0
    b.owe(1499, 0)
    assert [b.take(1, 0, 0.0), b.take(1, 0, 5.0), b.take(1, 0, 5.02)] == [pytest.approx(5.01), pytest.approx(0.01), 0]


def test_bytes_are_a_budget_of_their_own() -> None:
    b = bucket()
    assert [b.take(1, 10_000, 0.0), b.take(1, 500, 0.0), b.take(1, 500, 0.5)] == [0, 0.5, 0]


def test_a_request_larger_than_the_burst_needs_a_full_one() -> None:
    b = bucket()
    assert b.take(5000, 0, 0.0) == 0
    assert b.take(1, 0, 1.0) > 0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    b = bucket(100.0)
    b.take(1000, 0, 100.0)
    assert b.take(1, 0, 50.0) > 0


@given(steps=st.lists(st.tuples(st.integers(1, 400), st.floats(0, 3)), max_size=60))
def test_no_order_of_requests_gets_more_than_burst_and_rate(steps: list[tuple[int, float]]) -> None:
    b, now_s, taken = bucket(), 0.0, 0
    for events, pause_s in steps:
        now_s += pause_s
        if b.take(events, 0, now_s) == 0:
            taken += events
    assert taken <= 1000 + 100 * now_s + 1e-6


def test_a_process_is_full_by_requests_or_by_bytes() -> None:
    held = InFlight(most_requests=2, most_bytes=100)
    assert not held.full
    held.requests = 2
    assert held.full
    held.requests, held.bytes = 0, 100
    assert held.full


def test_bodies_that_are_still_coming_fill_nothing_and_the_slowest_gives_way_to_the_next() -> None:
    held = InFlight(most_requests=2, most_bytes=100)
    first, second, third = (cast("Request", object()) for _ in range(3))
    held.requests = 3
    assert [held.await_body(first), held.await_body(second)] == [None, None]
    assert not held.full
    assert held.await_body(third) is first
    assert list(held.coming) == [second, third]
    held.requests = 4  # two that are here, and two that are coming
    assert held.full
