"""Metrics as formulas for people."""

from collections.abc import Sequence

from qoescope.catalog.metrics import Count, Distinct, DistinctRatio, Quantile, Ratio


class Formulas:
    """Metrics as formulas of measures."""

    def count(self, metric: Count) -> str:
        """A measure, or a fraction of it."""
        return metric.measure if metric.per == 1 else f"{metric.measure} / {metric.per:,}"

    def ratio(self, metric: Ratio) -> str:
        """Sums over sums."""
        times = "" if metric.times == 1 else f"{metric.times:,} × "
        return f"{times}{_sum(metric.numerator)} / {_sum(metric.denominator)}"

    def quantile(self, metric: Quantile) -> str:
        """A quantile of a histogram."""
        return f"quantile {metric.q:g} of {metric.histogram}"

    def distinct(self, metric: Distinct) -> str:
        """The number of distinct values in a sketch."""
        return f"distinct({metric.sketch})" + _look_back(metric.look_back_s)

    def distinct_ratio(self, metric: DistinctRatio) -> str:
        """A measure over the number of distinct values."""
        return f"{metric.numerator} / distinct({metric.sketch})" + _look_back(metric.look_back_s)


def _sum(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({' + '.join(names)})"


def _look_back(seconds: int) -> str:
    return f", with the {seconds} s before" if seconds else ""
