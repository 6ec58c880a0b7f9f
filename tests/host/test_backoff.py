"""Backoff: pauses double up to the longest one and begin again after a success."""

from qoescope.host.backoff import Backoff, doubled_s


def test_pauses_double_up_to_the_longest_and_begin_again_after_a_reset() -> None:
    backoff = Backoff()
    assert [backoff.next_s() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next_s() == 1


def test_a_thousand_failures_are_still_the_longest_pause() -> None:
    assert doubled_s(10_000, 0.1, 5.0) == 5.0
