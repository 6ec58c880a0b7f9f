"""Freshness is exact to a tick: from the player's clock to the commit."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from qoescope.lake import freshness as told
from qoescope.mart import freshness

COMMITTED = datetime(2026, 1, 2, 12, 0, 10, tzinfo=UTC)


def tick(seconds_before: float) -> int:
    return int((COMMITTED - timedelta(seconds=seconds_before)).timestamp() * 10)


def stored(*ticks: tuple[int | None, int]) -> freshness.Freshness:
    row = told.freshness_row("q", 1, ticks, COMMITTED)
    return freshness.freshness([tuple(row[n] for n in ("committed_at", "first_at", "tick_ms", "sent", "older"))])  # type: ignore[list-item]


def test_ages_are_counted_by_event() -> None:
    assert stored((tick(1), 90), (tick(2), 9), (tick(8), 1)) == freshness.Freshness(100, 0, 1000, 2000, 8000)


def test_what_a_player_kept_back_is_counted_apart() -> None:
    found = stored((tick(1), 10), (tick(86_400), 5))
    assert (found.events, found.older, found.worst_ms) == (10, 5, 1000)


def test_no_events_have_no_age() -> None:
    assert stored() == freshness.Freshness(0, 0, None, None, None)


def seen(*senders: tuple[float | None, float]) -> freshness.Freshness:
    """Events by when they were sent (by the player) and received (by the collector), in seconds before the commit."""
    at = [None if sent is None else COMMITTED - timedelta(seconds=sent) for sent, _ in senders]
    came = [COMMITTED - timedelta(seconds=received) for _, received in senders]
    kind = pa.timestamp("us", "UTC")
    events = pa.table({"sent_at": pa.array(at, kind), "received_at": pa.array(came, kind)})
    ticks = told.sent_ticks(events).to_pylist()
    return stored(*((row["tick"], row["events"]) for row in ticks))


def test_players_that_do_not_say_when_they_sent_count_from_when_it_came() -> None:
    assert seen((None, 4), (3, 2)) == freshness.Freshness(2, 0, 3000, 4000, 4000)


def test_a_player_whose_clock_is_ahead_sent_no_later_than_it_came() -> None:
    assert seen((-6.7, 2)) == freshness.Freshness(1, 0, 2000, 2000, 2000)


@given(senders=st.lists(st.tuples(st.none() | st.floats(-400, 400), st.floats(-100, 400)), min_size=1))
def test_no_age_is_negative_and_every_event_is_counted_whatever_the_clocks(
    senders: list[tuple[float | None, float]],
) -> None:
    found = seen(*senders)
    assert found.events + found.older == len(senders)
    assert all(age is None or age >= 0 for age in (found.p50_ms, found.p95_ms, found.worst_ms))
