"""Experiments: differences are told from chance, at one look and at any number of looks."""

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from qoescope.catalog.metrics import METRIC_BY_NAME, Ratio
from qoescope.serve.analysis import experiments
from qoescope.serve.analysis.experiments import Moments

Floats = NDArray[np.float64]
GOOD = cast(Ratio, METRIC_BY_NAME["good_session_ratio"])
STALLED = cast(Ratio, METRIC_BY_NAME["rebuffer_ratio"])


def of(x: Floats, y: Floats) -> Moments:
    return Moments(
        len(x), float(x.sum()), float(y.sum()), float((x * x).sum()), float((x * y).sum()), float((y * y).sum())
    )


def viewers(random: np.random.Generator, n: int, good: float = 0.7) -> tuple[Floats, Floats]:
    """Good sessions and judged sessions of n viewers who watch often or seldom, and are lucky or not."""
    sessions = random.geometric(0.4, n).astype(float)
    luck = random.beta(good * 4, (1 - good) * 4, n)
    return random.binomial(sessions.astype(int), luck).astype(float), sessions


def test_a_ratio_is_the_ratio_of_sums_and_its_variance_knows_that_viewers_repeat() -> None:
    x, y = np.array([1.0, 0.0, 3.0]), np.array([1.0, 2.0, 3.0])
    moments = of(x, y)
    assert moments.value == pytest.approx(4 / 6)
    residuals = x - 4 / 6 * y
    assert moments.variance == pytest.approx(residuals.var(ddof=1) / 3 / (y.mean() ** 2))


def test_intervals_hold_the_truth_as_often_as_they_promise() -> None:
    random, held, runs = np.random.default_rng(7), 0, 1500
    for _ in range(runs):
        found = experiments.difference(GOOD, of(*viewers(random, 400)), of(*viewers(random, 500, 0.75)))
        held += found.low <= 0.05 <= found.high
    assert 0.93 <= held / runs <= 0.97


def test_two_equal_arms_looked_at_every_day_are_hardly_ever_called_different() -> None:
    random, called, runs = np.random.default_rng(11), 0, 400
    for _ in range(runs):
        a, b = viewers(random, 8000), viewers(random, 8000)
        looks = range(200, 8001, 200)
        called += any(
            experiments.difference(GOOD, of(a[0][:n], a[1][:n]), of(b[0][:n], b[1][:n])).finding in ("better", "worse")
            for n in looks
        )
    assert called / runs <= 0.05


def test_a_real_difference_is_found_and_said_in_words() -> None:
    random = np.random.default_rng(3)
    found = experiments.difference(GOOD, of(*viewers(random, 20_000, 0.70)), of(*viewers(random, 20_000, 0.75)))
    assert found.finding == "better"
    said = experiments.verdict("new", "old", [found], None)
    assert said.text.startswith("new is better than old: good sessions differ by ")


def test_lower_is_better_where_the_catalog_says_so() -> None:
    random = np.random.default_rng(5)
    watched = random.gamma(2.0, 100.0, (2, 20_000))
    found = experiments.difference(
        STALLED, of(watched[0] * 0.02, watched[0]), of(watched[1] * random.uniform(0.0, 0.02, 20_000), watched[1])
    )
    assert found.finding == "better"
    assert found.difference == pytest.approx(-0.01, abs=0.001)


def test_few_viewers_are_not_judged() -> None:
    random = np.random.default_rng(1)
    found = experiments.difference(GOOD, of(*viewers(random, 99)), of(*viewers(random, 5000, 0.1)))
    assert found.finding == "early"
    assert "Not enough data" in experiments.verdict("new", "old", [found], None).text


def test_the_sequence_is_wider_than_the_interval_for_one_look() -> None:
    for n in (200, 2000, 20_000, 200_000):
        assert experiments.sequential_half(0.01 / n, n) > 1.96 * (0.01 / n) ** 0.5


@pytest.mark.parametrize(
    ("counts", "shares", "uneven"),
    [
        ({"a": 5000, "b": 5030}, None, False),
        ({"a": 50_000, "b": 51_500}, None, True),
        ({"a": 5010, "b": 2490, "c": 2500}, {"a": 2.0, "b": 1.0, "c": 1.0}, False),
        ({"a": 5000}, None, False),
    ],
)
def test_arms_that_are_not_filled_as_planned_are_noticed(
    counts: dict[str, int], shares: dict[str, float] | None, uneven: bool
) -> None:
    assert experiments.filling(counts, shares).uneven is uneven


def test_uneven_arms_are_not_read_whatever_they_show() -> None:
    random = np.random.default_rng(3)
    found = experiments.difference(GOOD, of(*viewers(random, 20_000, 0.70)), of(*viewers(random, 20_000, 0.75)))
    said = experiments.verdict("new", "old", [found], experiments.filling({"old": 20_000, "new": 22_000}))
    assert said.finding == "uneven"


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ({"a": 26_580, "b": 13_499, "c": 13_416}, [2, 1, 1]),
        ({"a": 10_000, "b": 10_220}, [1, 1]),
        ({"a": 9_000, "b": 1_010}, [9, 1]),
    ],
)
def test_a_plan_that_nobody_wrote_down_is_the_nearest_simple_split(counts: dict[str, int], parts: list[int]) -> None:
    assert list(experiments.simplest(counts).values()) == parts


def test_moments_are_read_from_a_row_by_their_number() -> None:
    row: dict[str, Any] = {"units": 3, "x1": 4, "y1": 6, "xx1": 10, "xy1": 10, "yy1": 14}
    assert experiments.moments(row, 1) == Moments(3, 4.0, 6.0, 10.0, 10.0, 14.0)
    assert experiments.moments(row, 1, times=60).value == pytest.approx(40)
