"""Engagement: who is in a bucket is not what the bucket does."""

import numpy as np
import pytest

from qoescope.serve.analysis import engagement
from qoescope.serve.analysis.engagement import Cell


def cells(random: np.random.Generator, effect: float, plays: int = 40_000) -> list[Cell]:
    """Televisions watch longer and stall less; stalling itself costs `effect` minutes a bucket."""
    device = random.integers(0, 3, plays)
    bucket = np.clip(random.poisson(0.4 + 0.9 * device), 0, 3)
    minutes = 40.0 - 12.0 * device + effect * bucket + random.normal(0, 9, plays)
    found = []
    for b in range(4):
        for d in range(3):
            mine = minutes[(bucket == b) & (device == d)]
            found.append(Cell(b, d, len(mine), float(mine.sum()), float((mine * mine).sum())))
    return found


def test_a_naive_comparison_blames_stalls_for_the_device() -> None:
    plain = {m.bucket: m.mean for m in engagement.naive(cells(np.random.default_rng(1), effect=0.0))}
    assert plain[3] - plain[0] < -5


def test_with_the_device_held_nothing_is_left_of_it() -> None:
    for effect in engagement.adjusted(cells(np.random.default_rng(1), effect=0.0), reference=0):
        assert effect.low <= 0 <= effect.high
        assert abs(effect.difference) < 0.6


def test_a_true_cost_is_found_with_its_size() -> None:
    found = engagement.adjusted(cells(np.random.default_rng(2), effect=-3.0), reference=0)
    assert [round(e.difference / e.bucket) for e in found] == [-3, -3, -3]
    assert all(e.high < 0 for e in found)


def test_intervals_hold_the_truth_as_often_as_they_promise() -> None:
    random, held, runs = np.random.default_rng(5), 0, 300
    for _ in range(runs):
        first = engagement.adjusted(cells(random, effect=-1.0, plays=3000), reference=0)[0]
        held += first.low <= -1.0 <= first.high
    assert 0.92 <= held / runs <= 0.98


def test_only_strata_that_have_both_buckets_are_compared() -> None:
    alone = [Cell(0, "tv", 10, 100.0, 1100.0), Cell(1, "web", 10, 50.0, 300.0)]
    assert engagement.adjusted(alone, reference=0) == []


def test_a_mean_has_an_interval_and_one_play_has_none() -> None:
    (mean,) = engagement.naive([Cell(0, "tv", 4, 40.0, 420.0), Cell(1, "tv", 1, 3.0, 9.0)])
    assert (mean.bucket, mean.mean) == (0, 10.0)
    assert mean.high - mean.mean == pytest.approx(1.959964 * (20 / 3 / 4) ** 0.5)
