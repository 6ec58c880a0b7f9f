"""Intervals: how sure a share is, from counts of sessions; pure."""

import math
from collections.abc import Mapping
from typing import Any

from qoescope.catalog.measures import ALL
from qoescope.catalog.metrics import Metric, Ratio

Z95 = 1.959964


def wilson(k: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The 95 % interval of a share of n by Wilson's score (1927): right also for few and for extreme shares."""
    if n <= 0:
        return 0.0, 1.0
    share, inflated = k / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / inflated
    half = z / inflated * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def counted(metric: Metric) -> bool:
    """Whether the metric is a share of sessions, so that an interval follows from its counts."""
    if not isinstance(metric, Ratio) or metric.unit != "ratio":
        return False
    return all(ALL[name].of == "1" for name in (*metric.numerator, *metric.denominator))


def interval(metric: Metric, sums: Mapping[str, Any]) -> tuple[float, float] | None:
    """The metric's 95 % interval over summed measures; None where counts do not give one."""
    if not counted(metric) or not isinstance(metric, Ratio):
        return None
    k, n = (float(sum(sums[name] for name in names)) for names in (metric.numerator, metric.denominator))
    return wilson(k, n) if n else None
