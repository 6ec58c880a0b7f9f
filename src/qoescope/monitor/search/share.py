"""Share: bad sessions of all sessions; binomial likelihood ratios, as in a scan statistic (Kulldorff 1997)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from scipy.special import xlogy

from qoescope.monitor.search.baseline import SHRINK, expected_rates
from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import TINY, Evidence, Rise, divided

_LEAST_RATE = 1e-9
_EVENTS, _MOST = 4.0, 400.0
"""A slice's history counts for `SHRINK` sessions more, or as many as hold 4 bad ones, at most 400: with fewer, a new
version at twice its parent's rate would alarm and one at ten times would not."""


def log_likelihood(bad: Floats, number: Floats) -> Floats:
    """l(k, n) = k ln(k/n) + (n - k) ln((n - k)/n), 0 for nothing."""
    whole = np.maximum(number, TINY)
    good = np.maximum(number - bad, 0.0)
    return np.asarray(xlogy(bad, bad / whole) + xlogy(good, good / whole), dtype=np.float64)


def _against(n: Floats, k: Floats, rate: Floats) -> Floats:
    """Log-likelihood ratio of k of n bad against a known rate; 0 where they are not more."""
    ratio = np.zeros(k.shape)
    more = k > n * rate
    n, k, rate = n[more], k[more], rate[more]
    good = n - k
    ratio[more] = xlogy(k, k / np.maximum(n * rate, TINY)) + xlogy(good, good / np.maximum(n * (1 - rate), TINY))
    return np.maximum(ratio, 0.0, out=ratio)


@dataclass(frozen=True, slots=True)
class ShareModel:
    """Bad sessions of all sessions. Columns: n, k, base n, base k."""

    window = (0, 1, 4)

    def promise(self, sums: Floats) -> Floats:
        """The likelihood ratio against the model's rate."""
        n, k, mix = sums
        return _against(n, k, np.minimum(mix / np.maximum(n, TINY), 1.0))

    def prepared(self, leaves: Leaves) -> Leaves:
        """Adds the bad sessions that the model expects in the window and in the baseline."""
        n, _, base_n, base_k = leaves.sums
        rate = expected_rates(leaves, base_n, base_k)
        return leaves.with_columns(n * rate, base_n * rate)

    def support(self, sums: Floats) -> Floats:
        """Sessions of the window."""
        return np.asarray(sums[0])

    def evidence(self, sums: Floats, depth: int) -> Evidence:
        """Likelihood ratio of two binomials, the baseline shrunk towards what the model expects of this mix."""
        n, k, base_n, base_k, mix, base_mix = sums
        number = np.maximum(n, TINY)
        added = np.clip(_EVENTS * number / np.maximum(mix, TINY), SHRINK, _MOST) if depth else 0.0
        prior = np.maximum(SHRINK * mix / number, TINY)
        rate = np.minimum(mix / number * (base_k + prior) / (base_mix + prior), 1.0)
        history = np.maximum(base_n + added, 1.0)
        known = rate * history
        actual = k / number
        worse = actual > rate
        score = log_likelihood(k, n) + log_likelihood(known, history) - log_likelihood(k + known, n + history)
        spread = np.maximum(rate * (1 - rate) * (1 / number + 1 / history), TINY)
        return Evidence(
            score=np.where(worse, np.maximum(score, 0.0), 0.0),
            preference=_against(n, k, rate),
            excess=k - n * rate,
            lift=actual / np.maximum(rate, TINY),
            support=n,
            actual=actual,
            expected=rate,
            error=actual / np.maximum(rate, TINY) - 1,
            information=rate**2 / spread,
        )

    def rise_evidence(self, sums: Floats, like: Floats, rise: Rise, parts: Sequence[float]) -> float:
        """Two binomials; the rise is a factor or a difference, whichever fits."""
        n, k = (float(v) for v in sums[:2])
        usual = min(max(rise.expected, _LEAST_RATE), 0.99)
        rises = (part * by for part in parts for by in (usual * (rise.factor - 1), rise.difference))
        rates = (min(max(usual + by, usual), 0.995) for by in rises)
        return max(k * log(rate / usual) + (n - k) * log((1 - rate) / (1 - usual)) for rate in rates)

    def excesses(self, sums: Floats, expected: float) -> tuple[Floats, Floats]:
        """Bad sessions above n·p, variance n·p·(1 - p)."""
        n, k = sums
        return k - n * expected, n * expected * (1 - expected) + 0.05

    def series(self, sums: Floats) -> tuple[Floats, Floats]:
        """K / n, over n sessions."""
        return divided(sums[1], sums[0]), sums[0]

    def clustered(self, sums: Floats, cluster: float) -> Floats:
        """The same: sessions stand alone."""
        return sums
