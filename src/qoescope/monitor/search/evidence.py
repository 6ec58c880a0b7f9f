"""Evidence: how strongly slices speak against their baseline, and what a model of one kind of metric must tell.

A model reads sums over slices and gives `Evidence`: a log-likelihood ratio in favour of "got worse", the excess, the
lift, and the information that over-dispersion needs. It is vectorised: one call scores every slice of a grouping.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qoescope.monitor.search.counts import Floats, Leaves

TINY = 1e-12
"""Stands in for 0 in a denominator or a logarithm."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One entry a slice. `score` is 0 where the slice did not get worse."""

    score: Floats
    """Log-likelihood ratio before over-dispersion."""
    preference: Floats
    """The same with the expectation taken as known: it ranks slices of unequal history, where `score` says how sure."""
    excess: Floats
    """Bad sessions (stalled minutes, viewers …) above what the baseline explains."""
    lift: Floats
    """Actual over expected; over 1 is worse."""
    support: Floats
    """Sessions, intervals or values behind the actual figure."""
    actual: Floats
    expected: Floats
    error: Floats
    """Relative error, signed: error² · information is χ² where nothing happens."""
    information: Floats
    """expected² / variance of the difference: a drift of variance τ makes φ = 1 + τ · information."""


@dataclass(frozen=True, slots=True)
class Rise:
    """A slice's own figures, and the rise of another slice that it is compared with."""

    expected: float
    actual: float
    lift: float
    """The slice's own, actual over expected."""
    factor: float
    """The other's rise, as actual over expected …"""
    difference: float
    """… and as actual less expected."""


class EvidenceModel(Protocol):
    """The statistics of one kind of metric. Its columns are the metric's sums in the window, then in the baseline."""

    @property
    def window(self) -> tuple[int, ...]:
        """Which of the prepared columns tell of the window alone."""
        ...

    def promise(self, sums: Floats) -> Floats:
        """From the window's columns alone: the score to hope for; where it is nothing the baseline is not counted."""
        ...

    def prepared(self, leaves: Leaves) -> Leaves:
        """The leaves with columns of what the baseline model expects of each one."""
        ...

    def evidence(self, sums: Floats, depth: int) -> Evidence:
        """What these slices' sums (columns x slices) say; `depth` is the number of dimensions that name them."""
        ...

    def support(self, sums: Floats) -> Floats:
        """Sessions, intervals or values behind each slice."""
        ...

    def rise_evidence(self, sums: Floats, like: Floats, rise: Rise, parts: Sequence[float]) -> float:
        """Log-likelihood ratio of "got worse by one of `parts` of the rise of `like`" to "as usual".

        `sums` and `like` are the summed columns of two slices, `rise` their figures.
        """
        ...

    def excesses(self, sums: Floats, expected: float) -> tuple[Floats, Floats]:
        """Excess over the expected value and its variance at each step, from the metric's sums (sums x steps)."""
        ...

    def series(self, sums: Floats) -> tuple[Floats, Floats]:
        """The metric and its audience at each step, from its sums (sums x steps); NaN where there is no audience."""
        ...

    def clustered(self, sums: Floats, cluster: float) -> Floats:
        """The metric's sums when `cluster` intervals that go up and down together count as one."""
        ...


def gaussian_evidence(shift: float, expected_shifts: Sequence[float], variance: float) -> float:
    """Log-likelihood ratio of the best fitting of the expected shifts of a mean to none: (x·s - s²/2) / variance."""
    return max((shift * each - each**2 / 2) / variance for each in expected_shifts)


def divided(top: Floats, bottom: Floats) -> Floats:
    """`top / bottom`; NaN where `bottom` is not above 0."""
    quotient: Floats = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return quotient
