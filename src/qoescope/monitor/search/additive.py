"""Additive: a figure beside its forecast, leaf by leaf; forecasts err by a part of the figure as well as by chance.

A leaf's deviation is (v - f) / max(v, f), between -1 and 1; its variance is `chance` / max(v, f) + `error`², where the
first is that of counts and the second that of the forecast. A slice's shift is the mean of its leaves' deviations,
weighted by 1 / variance (inverse-variance weighting, Cochran 1954), so that many small leaves which moved alike tell as
much as a large one. Both variances are read off most leaves, so that a few causes do not move them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import TINY, Evidence, Rise, divided, gaussian_evidence

_GAUSSIAN = 1.4826
"""Standard deviations in a median of absolute deviations."""

_LEAST_ERROR = 0.01
"""No forecast is better than this."""

_BINS = 20
_LEAST_IN_BIN = 20


@dataclass(frozen=True, slots=True)
class AdditiveModel:
    """An additive figure beside its forecast, in both directions. Columns: real, forecast."""

    chance: float = 1.0
    """Variance of a unit of the figure: 1 is Poisson."""
    error: float = 0.0
    """Standard deviation of the forecast, as a part of the figure."""

    window = (0, 1, 2, 3)

    def promise(self, sums: Floats) -> Floats:
        """The score itself."""
        return self.evidence(sums, 1).score

    def prepared(self, leaves: Leaves) -> Leaves:
        """Adds each leaf's weight, and its deviation times that."""
        real, forecast = leaves.sums[:2]
        larger = np.maximum(np.maximum(real, forecast), 0.0)
        weight = np.divide(larger, self.chance + self.error**2 * larger, out=np.zeros(leaves.size), where=larger > 0)
        return leaves.with_columns(weight, weight * deviations(real, forecast))

    def support(self, sums: Floats) -> Floats:
        """Independent units of the figure: the weights' sum."""
        return np.asarray(sums[2]) if len(sums) > 2 else np.maximum(np.abs(sums[0]), np.abs(sums[1]))  # noqa: PLR2004

    def evidence(self, sums: Floats, depth: int) -> Evidence:
        """Gaussian likelihood ratio of the slice's shift to none; `excess` is negative for a fall."""
        real, forecast, weight, moved = sums
        known = np.maximum(weight, TINY)
        shift = moved / known
        ratio = np.maximum(real, TINY) / np.maximum(forecast, TINY)
        agrees = (real - forecast) * moved > 0
        score = np.where(agrees, moved**2 / known / 2, 0.0)
        return Evidence(
            score=score,
            preference=score,
            excess=real - forecast,
            lift=np.where(ratio >= 1, ratio, 1 / np.maximum(ratio, TINY)),
            support=self.support(sums),
            actual=real,
            expected=forecast,
            error=shift,
            information=weight,
        )

    def rise_evidence(self, sums: Floats, like: Floats, rise: Rise, parts: Sequence[float]) -> float:
        """Gaussian, on mean deviations."""
        weight, other = max(float(sums[2]), TINY), max(float(like[2]), TINY)
        shift = float(like[3]) / other
        return gaussian_evidence(float(sums[3]) / weight, [part * shift for part in parts], 1 / weight)

    def excesses(self, sums: Floats, expected: float) -> tuple[Floats, Floats]:
        """Real less expected; the variance of both kinds."""
        level = max(expected, 1.0)
        return sums[0] - expected, np.full(sums[0].shape, self.chance * level + (self.error * level) ** 2)

    def series(self, sums: Floats) -> tuple[Floats, Floats]:
        """The figure, which is its own audience."""
        return divided(sums[0], np.ones(sums[0].shape)), sums[0]

    def clustered(self, sums: Floats, cluster: float) -> Floats:
        """The same: a figure has no intervals."""
        return sums


def deviations(real: Floats, forecast: Floats) -> Floats:
    """(v - f) / max(v, f); 0 where there is neither."""
    larger = np.maximum(np.maximum(real, forecast), 0.0)
    apart = np.divide(real - forecast, larger, out=np.zeros(larger.shape), where=larger > 0)
    return np.asarray(np.clip(apart, -1.0, 1.0))


def fitted_noise(real: Floats, forecast: Floats) -> AdditiveModel:
    """The model with the variances that most leaves show, by sizes: chance / size + error², neither below 0.

    Where most leaves are as forecast to the last digit nothing is known of the noise, and counts are taken for Poisson.
    """
    larger = np.maximum(real, forecast)
    known = np.flatnonzero(larger > 0)
    if not known.size:
        return AdditiveModel()
    known = known[np.argsort(larger[known], kind="stable")]
    apart = np.abs(deviations(real[known], forecast[known]))
    bins = np.array_split(np.arange(known.size), max(min(_BINS, known.size // _LEAST_IN_BIN), 1))
    spread = np.array([(_GAUSSIAN * np.median(apart[rows])) ** 2 for rows in bins])
    if not spread.any():
        return AdditiveModel()
    small = np.array([np.mean(1 / larger[known[rows]]) for rows in bins])
    scale = 1 / np.maximum(spread, _LEAST_ERROR**2)
    parts = np.column_stack([small, np.ones(len(bins))]) * scale[:, None]
    (chance, error), _ = nnls(parts, spread * scale)
    return AdditiveModel(float(chance), max(float(error) ** 0.5, _LEAST_ERROR))
