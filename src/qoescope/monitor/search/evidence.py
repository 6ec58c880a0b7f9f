"""Measures: how strongly a slice's window speaks against its baseline: shares, means, ratios of sums, volumes.

Each measure reads sums over a slice and returns `Evidence`: a log-likelihood ratio in favour of "got worse", the
excess, the lift, and the information φ needs. All are vectorised: one call scores every slice of a grouping.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtr, xlogy

from qoescope.monitor.search.baseline import SHRINK, expected_means, expected_rates
from qoescope.monitor.search.counts import Floats, Leaves

_TINY = 1e-12
_EVENTS, _MOST = 4.0, 400.0
"""A slice's history counts for `SHRINK` sessions more, or as many as hold 4 bad ones, at most 400: with fewer, a new
version at twice its parent's rate would alarm and one at ten times would not."""


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


class Measure(Protocol):
    """What the scan asks of a measure."""

    @property
    def window(self) -> tuple[int, ...]:
        """Which of the prepared columns tell of the window alone."""
        ...

    def promise(self, sums: Floats) -> Floats:
        """From the window's columns alone: the score to hope for; where it is nothing the baseline is not counted."""
        ...

    def prepared(self, leaves: Leaves) -> Leaves:
        """The leaves with what the baseline model expects of each one."""
        ...

    def evidence(self, sums: Floats, depth: int) -> Evidence:
        """What these slices' sums (columns x slices) say."""
        ...

    def support(self, sums: Floats) -> Floats:
        """Sessions behind each slice."""
        ...


def log_likelihood(bad: Floats, number: Floats) -> Floats:
    """l(k, n) = k ln(k/n) + (n - k) ln((n - k)/n), 0 for nothing."""
    whole = np.maximum(number, _TINY)
    good = np.maximum(number - bad, 0.0)
    return np.asarray(xlogy(bad, bad / whole) + xlogy(good, good / whole), dtype=np.float64)


def _against(n: Floats, k: Floats, rate: Floats) -> Floats:
    """Log-likelihood ratio of k of n bad against a known rate; 0 where they are not more."""
    ratio = np.zeros(k.shape)
    more = k > n * rate
    n, k, rate = n[more], k[more], rate[more]
    good = n - k
    ratio[more] = xlogy(k, k / np.maximum(n * rate, _TINY)) + xlogy(good, good / np.maximum(n * (1 - rate), _TINY))
    return np.maximum(ratio, 0.0, out=ratio)


@dataclass(frozen=True, slots=True)
class Share:
    """Bad sessions of all sessions. Columns: n, k, base n, base k."""

    window = (0, 1, 4)

    def promise(self, sums: Floats) -> Floats:
        """The likelihood ratio against the model's rate."""
        n, k, mix = sums
        return _against(n, k, np.minimum(mix / np.maximum(n, _TINY), 1.0))

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
        number = np.maximum(n, _TINY)
        added = np.clip(_EVENTS * number / np.maximum(mix, _TINY), SHRINK, _MOST) if depth else 0.0
        prior = np.maximum(SHRINK * mix / number, _TINY)
        rate = np.minimum(mix / number * (base_k + prior) / (base_mix + prior), 1.0)
        history = np.maximum(base_n + added, 1.0)
        known = rate * history
        actual = k / number
        worse = actual > rate
        score = log_likelihood(k, n) + log_likelihood(known, history) - log_likelihood(k + known, n + history)
        spread = np.maximum(rate * (1 - rate) * (1 / number + 1 / history), _TINY)
        return Evidence(
            score=np.where(worse, np.maximum(score, 0.0), 0.0),
            preference=_against(n, k, rate),
            excess=k - n * rate,
            lift=actual / np.maximum(rate, _TINY),
            support=n,
            actual=actual,
            expected=rate,
            error=actual / np.maximum(rate, _TINY) - 1,
            information=rate**2 / spread,
        )


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of logarithms (startup time, bitrate). Columns: n, Σx, Σx², and the baseline's three."""

    higher_is_worse: bool = True
    unseen: float = SHRINK
    """What the model expects of a slice without a past is as sure as so many sessions of it would be."""

    window = (0, 1, 2, 6)

    def promise(self, sums: Floats) -> Floats:
        """`t² / 2` against the model's mean."""
        n, x, xx, mix = sums
        number = np.maximum(n, 1.0)
        spread = np.maximum(xx / number - (x / number) ** 2, _TINY) / number
        worse_by = (x - mix) / number * (1.0 if self.higher_is_worse else -1.0)
        return np.where(worse_by > 0, worse_by**2 / spread / 2, 0.0)

    def prepared(self, leaves: Leaves) -> Leaves:
        """Adds the sums that the model expects in the window and in the baseline."""
        n, _, _, base_n, base_x, _ = leaves.sums
        mean = expected_means(leaves, base_n, base_x)
        return leaves.with_columns(n * mean, base_n * mean)

    def support(self, sums: Floats) -> Floats:
        """Values of the window."""
        return np.asarray(sums[0])

    def evidence(self, sums: Floats, depth: int) -> Evidence:
        """Welch's t between window and shrunk baseline, `t² / 2`; lift is the ratio of geometric means."""
        n, x, xx, base_n, base_x, base_xx, mix, base_mix = sums
        added = self.unseen if depth else 0.0
        number, history = np.maximum(n, 1.0), np.maximum(base_n + added, 1.0)
        actual = x / number
        expected = mix / number + (base_x - base_mix) / np.maximum(base_n + SHRINK, 1.0)
        own = np.maximum(xx / number - actual**2, 0.0)
        old = np.maximum(base_xx / np.maximum(base_n, 1.0) - (base_x / np.maximum(base_n, 1.0)) ** 2, 0.0)
        old = (old * base_n + own * SHRINK) / (base_n + SHRINK)
        spread = np.maximum(own / number + old / history, _TINY)
        worse_by = (actual - expected) * (1.0 if self.higher_is_worse else -1.0)
        distance = worse_by / np.sqrt(np.maximum(old, _TINY))
        return Evidence(
            score=np.where(worse_by > 0, worse_by**2 / spread / 2, 0.0),
            preference=np.where(worse_by > 0, worse_by**2 / np.maximum(own / number, _TINY) / 2, 0.0),
            excess=n * (2 * ndtr(distance / 2) - 1),
            lift=np.exp(np.clip(worse_by, -50, 50)),
            support=n,
            actual=np.exp(actual),
            expected=np.exp(expected),
            error=worse_by,
            information=1 / spread,
        )


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratio of sums (stalled y of watched w). Columns: m, Σw, Σy, Σw², Σwy, Σy² of intervals, then the baseline's."""

    window = (0, 1, 2, 3, 4, 5, 12)

    def promise(self, sums: Floats) -> Floats:
        """`t² / 2` against the model's ratio."""
        _, w, y, ww, wy, yy, mix = sums
        watched = np.maximum(w, _TINY)
        actual = y / watched
        spread = np.maximum(yy - 2 * actual * wy + actual**2 * ww, _TINY) / watched**2
        worse_by = actual - mix / watched
        return np.where(worse_by > 0, worse_by**2 / spread / 2, 0.0)

    def prepared(self, leaves: Leaves) -> Leaves:
        """Adds the sums that the model expects in the window and in the baseline."""
        _, w, _, _, _, _, base_m, base_w, base_y, _, _, _ = leaves.sums
        unit = base_w.sum() / max(base_m.sum(), 1.0)
        rate = expected_rates(leaves, base_w, base_y, max(unit, _TINY))
        return leaves.with_columns(w * rate, base_w * rate)

    def support(self, sums: Floats) -> Floats:
        """Intervals of the window."""
        return np.asarray(sums[0])

    def evidence(self, sums: Floats, depth: int) -> Evidence:
        """Delta method: the variance of Σy/Σw from the residuals y - r·w; `t² / 2`."""
        m, w, y, ww, wy, yy, base_m, base_w, base_y, base_ww, base_wy, base_yy, mix, base_mix = sums
        added = SHRINK if depth else 0.0
        watched = np.maximum(w, _TINY)
        unit = watched / np.maximum(m, 1.0)
        prior = np.maximum(SHRINK * unit * mix / watched, _TINY)
        expected = np.minimum(mix / watched * (base_y + prior) / (base_mix + prior), 1.0)
        actual = y / watched
        own = np.maximum(yy - 2 * actual * wy + actual**2 * ww, 0.0) / watched**2
        usual = base_y / np.maximum(base_w, _TINY)
        old_sum = np.maximum(base_yy - 2 * usual * base_wy + usual**2 * base_ww, 0.0)
        each = old_sum / np.maximum(base_m, 1.0)
        seen = (each * base_m + own * watched**2 / np.maximum(m, 1.0) * SHRINK) / (base_m + SHRINK)
        history = np.maximum(base_m + added, 1.0)
        spread = np.maximum(own + seen / history / unit**2, _TINY)
        worse_by = actual - expected
        return Evidence(
            score=np.where(worse_by > 0, worse_by**2 / spread / 2, 0.0),
            preference=np.where(worse_by > 0, worse_by**2 / np.maximum(own, _TINY) / 2, 0.0),
            excess=worse_by * w,
            lift=actual / np.maximum(expected, _TINY),
            support=m,
            actual=actual,
            expected=expected,
            error=actual / np.maximum(expected, _TINY) - 1,
            information=expected**2 / spread,
        )


@dataclass(frozen=True, slots=True)
class Volume:
    """An additive figure beside its forecast, in both directions. Columns: real, forecast."""

    dispersion: float = 1.0
    """Variance of a unit of forecast: 1 is Poisson."""
    rises: bool = True
    falls: bool = True

    window = (0, 1)

    def promise(self, sums: Floats) -> Floats:
        """The score itself."""
        return self.evidence(sums, 1).score

    def prepared(self, leaves: Leaves) -> Leaves:
        """Nothing to add: the forecast is the expectation."""
        return leaves

    def support(self, sums: Floats) -> Floats:
        """The larger of real and forecast, in units of the dispersion."""
        return np.asarray(np.maximum(np.abs(sums[0]), np.abs(sums[1])) / self.dispersion)

    def evidence(self, sums: Floats, depth: int) -> Evidence:
        """Poisson likelihood ratio v ln(v/f) - (v - f) over the dispersion; `excess` is negative for a fall."""
        real, forecast = np.maximum(sums[0], 0.0), np.maximum(sums[1], 0.0)
        least = np.maximum(forecast, 0.5 * self.dispersion)
        score = (xlogy(real, np.maximum(real, _TINY) / least) - (real - least)) / self.dispersion
        ratio = np.maximum(real, _TINY) / least
        looked_for = np.where(ratio >= 1, self.rises, self.falls)
        score = np.where(looked_for, np.maximum(score, 0.0), 0.0)
        return Evidence(
            score=score,
            preference=score,
            excess=real - forecast,
            lift=np.where(ratio >= 1, ratio, 1 / np.maximum(ratio, _TINY)),
            support=self.support(sums),
            actual=real,
            expected=forecast,
            error=real / least - 1,
            information=forecast / self.dispersion,
        )
