"""Mean: means of logarithms, as of startup time and bitrate; Welch's t (1947) between window and baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from scipy.special import ndtr

from qoescope.monitor.search.baseline import SHRINK, expected_means
from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import TINY, Evidence, Rise, divided, gaussian_evidence

_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class MeanModel:
    """Mean of logarithms (startup time, bitrate). Columns: n, Σx, Σx², and the baseline's three."""

    higher_is_worse: bool = True
    unseen: float = SHRINK
    """What the model expects of a slice without a past is as sure as so many sessions of it would be."""

    window = (0, 1, 2, 6)

    def promise(self, sums: Floats) -> Floats:
        """`t² / 2` against the model's mean."""
        n, x, xx, mix = sums
        number = np.maximum(n, 1.0)
        spread = np.maximum(xx / number - (x / number) ** 2, TINY) / number
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
        spread = np.maximum(own / number + old / history, TINY)
        worse_by = (actual - expected) * (1.0 if self.higher_is_worse else -1.0)
        distance = worse_by / np.sqrt(np.maximum(old, TINY))
        return Evidence(
            score=np.where(worse_by > 0, worse_by**2 / spread / 2, 0.0),
            preference=np.where(worse_by > 0, worse_by**2 / np.maximum(own / number, TINY) / 2, 0.0),
            excess=n * (2 * ndtr(distance / 2) - 1),
            lift=np.exp(np.clip(worse_by, -50, 50)),
            support=n,
            actual=np.exp(actual),
            expected=np.exp(expected),
            error=worse_by,
            information=1 / spread,
        )

    def rise_evidence(self, sums: Floats, like: Floats, rise: Rise, parts: Sequence[float]) -> float:
        """Gaussian, on logarithms; the spread is the larger of the other's and of the slice's own past."""
        variance = max(xx / n - (x / n) ** 2 for n, x, xx in (like[:3], sums[3:6]) if n > 0)
        shifts = [part * log(max(rise.factor, _LEAST)) for part in parts]
        return gaussian_evidence(log(max(rise.lift, _LEAST)), shifts, max(float(variance), _LEAST) / float(sums[0]))

    def excesses(self, sums: Floats, expected: float) -> tuple[Floats, Floats]:
        """Σx - n·ln(expected), the worse way; variance n·s²."""
        n, x, xx = sums
        level = float(np.log(max(expected, TINY)))
        total = max(float(n.sum()), 1.0)
        spread = max(float(xx.sum()) / total - (float(x.sum()) / total) ** 2, TINY)
        sign = 1.0 if self.higher_is_worse else -1.0
        return sign * (x - n * level), n * spread + TINY

    def series(self, sums: Floats) -> tuple[Floats, Floats]:
        """The geometric mean, over n values."""
        return np.exp(divided(sums[1], sums[0])), sums[0]

    def clustered(self, sums: Floats, cluster: float) -> Floats:
        """All sums of so many fewer values."""
        return sums / cluster
