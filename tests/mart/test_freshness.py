"""Freshness is exact to a tick: from the player's clock to the commit."""

from datetime import UTC, datetime, timedelta

from qoescope.lake import freshness as told
from qoescope.mart import freshness

COMMITTED = datetime(2026, 1, 2, 12, 0, 10, tzinfo=UTC)


def tick(seconds_before: float) -> int:
    return int((COMMITTED - timedelta(seconds=seconds_before)).timestamp() * 10)


def stored(*ticks: tuple[int | None, int]) -> freshness.Freshness:
    row = told.row("q", 1, ticks, COMMITTED)
    return freshness.freshness([tuple(row[n] for n in ("committed_at", "first_at", "tick_ms", "sent", "older"))])  # type: ignore[list-item]


def test_ages_are_counted_by_event() -> None:
    assert stored((tick(1), 90), (tick(2), 9), (tick(8), 1)) == freshness.Freshness(100, 0, 1000, 2000, 8000)


def test_what_a_player_kept_back_is_counted_apart() -> None:
    found = stored((tick(1), 10), (tick(86_400), 5))
    assert (found.events, found.older, found.worst_ms) == (10, 5, 1000)


def test_no_events_have_no_age() -> None:
    assert stored() == freshness.Freshness(0, 0, None, None, None)


def test_players_that_do_not_say_when_they_sent_are_left_out() -> None:
    assert stored((None, 7), (tick(3), 1)).p50_ms == 3000
