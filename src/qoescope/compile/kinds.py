"""The one place that distinguishes the five kinds of metrics."""

from typing import Protocol, TypeVar

from qoescope.catalog.metrics import Count, Distinct, DistinctRatio, Metric, Quantile, Ratio

Output = TypeVar("Output")
Output_co = TypeVar("Output_co", covariant=True)


class Engine(Protocol[Output_co]):
    """How one engine expresses a metric: as a number, as SQL, or as a formula."""

    def count(self, metric: Count) -> Output_co:
        """A measure."""
        ...

    def ratio(self, metric: Ratio) -> Output_co:
        """The sum of some measures over the sum of others."""
        ...

    def quantile(self, metric: Quantile) -> Output_co:
        """A quantile of a histogram."""
        ...

    def distinct(self, metric: Distinct) -> Output_co:
        """The number of distinct values in a sketch."""
        ...

    def distinct_ratio(self, metric: DistinctRatio) -> Output_co:
        """A measure over the number of distinct values in a sketch."""
        ...


def translate(metric: Metric, engine: Engine[Output]) -> Output:
    """The metric as the engine expresses it."""
    match metric:
        case Count():
            return engine.count(metric)
        case Ratio():
            return engine.ratio(metric)
        case Quantile():
            return engine.quantile(metric)
        case Distinct():
            return engine.distinct(metric)
        case DistinctRatio():
            return engine.distinct_ratio(metric)
