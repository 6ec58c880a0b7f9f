"""Since when a slice is bad: the change is sought against what the slice itself showed before."""

import numpy as np
import pytest

from qoescope.monitor.detect.onset import change_point

STEPS, CHANGE = 40, 35


@pytest.mark.parametrize("before", [0.0, 3.0, -3.0])
def test_a_level_that_was_always_off_is_no_onset(before: float) -> None:
    excess = np.where(np.arange(STEPS) < CHANGE, before, 30.0)
    assert change_point(excess, np.full(STEPS, 25.0)) == CHANGE


def test_an_earlier_pulse_that_ended_is_not_the_onset() -> None:
    at = np.arange(STEPS)
    excess = np.where(at >= CHANGE, 30.0, np.where((at >= 5) & (at < 10), 30.0, 0.0))
    assert change_point(excess, np.full(STEPS, 25.0)) == CHANGE


def test_steps_without_sessions_before_say_nothing() -> None:
    empty = np.arange(STEPS) < CHANGE - 5
    excess = np.where(np.arange(STEPS) < CHANGE, 0.0, 30.0)
    assert change_point(excess, np.where(empty, 0.0, 25.0)) == CHANGE
