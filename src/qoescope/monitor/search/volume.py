"""Volume: an additive figure beside its forecast; the Poisson likelihood ratio over the dispersion (Kulldorff 1997)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from scipy.special import xlogy

from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import TINY, Evidence, Rise, divided

_LEAST = 1e-9
_MINUTE_MS = 60_000.0


@dataclass(frozen=True, slots=True)
class VolumeModel:
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
        score = (xlogy(real, np.maximum(real, TINY) / least) - (real - least)) / self.dispersion
        ratio = np.maximum(real, TINY) / least
        looked_for = np.where(ratio >= 1, self.rises, self.falls)
        score = np.where(looked_for, np.maximum(score, 0.0), 0.0)
        return Evidence(
            score=score,
            preference=score,
            excess=real - forecast,
            lift=np.where(ratio >= 1, ratio, 1 / np.maximum(ratio, TINY)),
            support=self.support(sums),
            actual=real,
            expected=forecast,
            error=real / least - 1,
            information=forecast / self.dispersion,
        )

    def rise_evidence(self, sums: Floats, like: Floats, rise: Rise, parts: Sequence[float]) -> float:
        """Poisson, over the dispersion; the rise is the other's factor."""
        real, forecast = (max(float(v), _LEAST) for v in sums[:2])
        by = max(float(like[0]), 0.5) / max(float(like[1]), 0.5) - 1
        return max(real * log(1 + part * by) - forecast * part * by for part in parts) / self.dispersion

    def excesses(self, sums: Floats, expected: float) -> tuple[Floats, Floats]:
        """Real less expected, or the other way round where only falls are looked for; Poisson variance."""
        real = sums[0]
        return (1.0 if self.rises else -1.0) * (real - expected), np.full(real.shape, max(expected, 1.0))

    def series(self, sums: Floats) -> tuple[Floats, Floats]:
        """Of milliseconds watched in a minute: viewers, who are the audience, too."""
        return divided(sums[0], np.full(sums[0].shape, _MINUTE_MS)), sums[0] / _MINUTE_MS

    def clustered(self, sums: Floats, cluster: float) -> Floats:
        """The same: a figure has no intervals."""
        return sums


def usual_dispersion(real: Floats, forecast: Floats) -> float:
    """Variance of a unit of forecast among most leaves: (1.4826 · median |v - f| / √f)²."""
    known = forecast > 0
    if not known.any():
        return 1.0
    strays = np.abs(real[known] - forecast[known]) / np.sqrt(forecast[known])
    usual = float((1.4826 * np.median(strays)) ** 2)
    return usual if usual > 0 else 1.0
