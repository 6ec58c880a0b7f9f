"""When an incident counts as over while its last minutes still hold bad sessions."""

import numpy as np
import pytest

from qoescope.monitor.detect.recovery import recedes

BROKEN, USUAL = 0.5, 0.01


def looks(bad: list[int], plays: int = 20) -> list[bool]:
    """What each look at the last five minutes says; `bad` of so many plays break off in each minute."""
    sums = np.array([[plays] * len(bad), bad], dtype=float)
    return [recedes(sums[:, at - 5 : at], BROKEN, USUAL) for at in range(5, len(bad) + 1)]


def in_a_row(said: list[bool]) -> int:
    """The longest run of looks that say it ebbs."""
    runs = "".join("x" if one else " " for one in said).split()
    return max(map(len, runs), default=0)


@pytest.mark.parametrize("plays", [20, 200])
def test_plays_of_before_the_repair_break_off_less_and_less_and_do_not_keep_it_open(plays: int) -> None:
    bad = [round(plays * BROKEN * left) for left in (1, 1, 1, 1, 1, 0.8, 0.55, 0.37, 0.25, 0.16, 0.1, 0.07, 0.05, 0)]
    said = looks(bad, plays)
    assert not any(said[:4])
    assert all(said[5:])


def test_what_falls_at_once_and_stays_there_goes_on() -> None:
    assert in_a_row(looks([10] * 8 + [3] * 12)) < 3


def test_what_goes_on_as_bad_does_not_ebb() -> None:
    assert not any(looks([10, 9, 11, 8, 10, 12, 9, 10, 10, 8]))


def test_as_usual_again_is_over_and_a_handful_of_plays_says_nothing() -> None:
    assert looks([10, 10, 0, 0, 0]) == [True]
    assert looks([1, 1, 0, 0, 0], plays=2) == [False]
