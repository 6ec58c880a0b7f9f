"""Costs: a slice costs what it has beyond the rest's rate, and only if that is sure."""

import pytest

from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.serve.analysis import costs, intervals

FAILURES = METRIC_BY_NAME["start_failure_ratio"]


def slices(**counts: tuple[int, int]) -> list[dict[str, object]]:
    return [{"device_type": name, "start_failures_technical": k, "attempts": n} for name, (k, n) in counts.items()]


def test_the_excess_is_against_the_rest_and_the_impact_is_of_all_badness() -> None:
    found = {
        c.value: c
        for c in costs.costs(FAILURES, "device_type", slices(tv=(60, 1000), web=(10, 1000), mobile=(10, 1000)))
    }
    assert found["tv"].rest == pytest.approx(0.01)
    assert found["tv"].excess == pytest.approx(50)
    assert found["tv"].impact == pytest.approx(50 / 80)
    assert found["web"].excess < 0


def test_where_higher_is_better_the_missing_ones_are_the_bad_ones() -> None:
    rows = [
        {"isp": "a", "good_sessions": 50, "judged_sessions": 100},
        {"isp": "b", "good_sessions": 90, "judged_sessions": 100},
    ]
    found = {c.value: c for c in costs.costs(METRIC_BY_NAME["good_session_ratio"], "isp", rows)}
    assert (found["a"].here, found["a"].rest, found["a"].excess) == pytest.approx((0.5, 0.9, 40))


def test_the_worst_are_sure_and_few_sessions_are_not_judged() -> None:
    found = costs.costs(FAILURES, "device_type", slices(tv=(60, 1000), web=(14, 1000), tiny=(9, 10), mobile=(10, 1000)))
    assert [c.value for c in costs.worst(found, 5)] == ["tv"]


def test_nearly_the_same_sessions_are_named_once() -> None:
    found = costs.costs(FAILURES, "device_type", slices(tv=(60, 1000), web=(10, 1000)))
    assert len(costs.worst([*found, *found], 5)) == 1


def test_a_metric_without_direction_costs_nothing() -> None:
    assert costs.costs(METRIC_BY_NAME["exit_ratio"], "isp", [{"isp": "a", "plays_exited": 1, "plays": 2}]) == []


@pytest.mark.parametrize(
    ("k", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)]
)
def test_wilsons_interval_is_right_for_few_and_for_extremes(k: int, n: int, low: float, high: float) -> None:
    assert intervals.wilson(k, n) == pytest.approx((low, high), abs=1e-4)


def test_only_shares_of_sessions_have_an_interval_from_counts() -> None:
    counted = {name for name, metric in METRIC_BY_NAME.items() if intervals.counted(metric)}
    assert {"start_failure_ratio", "good_session_ratio", "completion_ratio"} <= counted
    assert not {"rebuffer_ratio", "startup_p50_ms", "experience_score", "engagement_ratio"} & counted
    assert intervals.interval(METRIC_BY_NAME["rebuffer_ratio"], {"stall_ms": 1, "watched_ms": 2}) is None
