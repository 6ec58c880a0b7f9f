"""Computes metrics from measures: ratios of sums, quantiles of histograms, counts of sketches."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from qoescope.catalog.measures import HISTOGRAM_EDGES_MS
from qoescope.catalog.metrics import Count, Distinct, DistinctRatio, Metric, Quantile, Ratio
from qoescope.compile import sketch
from qoescope.compile.kinds import translate

Value = float | int | None
Number = float | int | Decimal


@dataclass(frozen=True, slots=True)
class _RowEngine:
    """Metrics as numbers over one row of summed measures."""

    sums: Mapping[str, Any]

    def count(self, metric: Count) -> Value:
        total = self.sums[metric.measure]
        return total if metric.per == 1 else total / metric.per

    def ratio(self, metric: Ratio) -> Value:
        above, below = (sum(self.sums[m] for m in names) for names in (metric.numerator, metric.denominator))
        return _ratio(metric.times * above, below)

    def quantile(self, metric: Quantile) -> Value:
        return quantile(self.sums[metric.histogram], metric.q)

    def distinct(self, metric: Distinct) -> Value:
        return distinct(self.sums[metric.sketch])

    def distinct_ratio(self, metric: DistinctRatio) -> Value:
        return _ratio(self.sums[metric.numerator], distinct(self.sums[metric.sketch]))


def evaluate(metric: Metric, row: Mapping[str, Any]) -> Value:
    """The metric over a row of summed measures; None where the denominator is zero."""
    return translate(metric, _RowEngine(row))


def _ratio(numerator: Number, denominator: Number) -> float | None:
    return float(numerator) / float(denominator) if denominator else None


def distinct(registers: npt.ArrayLike) -> int:
    """The number of distinct values in a sketch, or in several concatenated ones."""
    return sketch.estimate(np.asarray(registers, dtype=np.int32))


def quantile(histogram: Sequence[int], q: float) -> int | None:
    """The q-quantile in ms for q in (0, 1], geometric within its bucket; None for an empty histogram.

    Linear below the first edge; from the last edge up it is that edge, to be read as "at least".
    """
    until = list(accumulate(histogram))
    if not until or not until[-1]:
        return None
    rank = q * until[-1]
    bucket = bisect_left(until, rank)
    share = (rank - (until[bucket] - histogram[bucket])) / histogram[bucket]
    if bucket == len(HISTOGRAM_EDGES_MS):
        return HISTOGRAM_EDGES_MS[-1]
    if bucket == 0:
        return math.floor(HISTOGRAM_EDGES_MS[0] * share + 0.5)
    low, high = HISTOGRAM_EDGES_MS[bucket - 1], HISTOGRAM_EDGES_MS[bucket]
    return math.floor(low * (high / low) ** share + 0.5)
