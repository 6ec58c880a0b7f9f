"""Ratio: one sum over another, as stalled of watched time; the delta method (Cochran 1977, Sampling Techniques, 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qoescope.monitor.search.baseline import SHRINK, expected_rates
from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import TINY, Evidence, Rise, divided, gaussian_evidence

_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class RatioModel:
    """Ratio of sums (stalled y of watched w). Columns: m, Σw, Σy, Σw², Σwy, Σy² of intervals, then the baseline's."""

    window = (0, 1, 2, 3, 4, 5, 12)

    def promise(self, sums: Floats) -> Floats:
        """`t² / 2` against the model's ratio."""
        _, w, y, ww, wy, yy, mix = sums
        watched = np.maximum(w, TINY)
        actual = y / watched
        spread = np.maximum(yy - 2 * actual * wy + actual**2 * ww, TINY) / watched**2
        worse_by = actual - mix / watched
        return np.where(worse_by > 0, worse_by**2 / spread / 2, 0.0)

    def prepared(self, leaves: Leaves) -> Leaves:
        """Adds the sums that the model expects in the window and in the baseline."""
        _, w, _, _, _, _, base_m, base_w, base_y, _, _, _ = leaves.sums
        unit = base_w.sum() / max(base_m.sum(), 1.0)
        rate = expected_rates(leaves, base_w, base_y, max(unit, TINY))
        return leaves.with_columns(w * rate, base_w * rate)

    def support(self, sums: Floats) -> Floats:
        """Intervals of the window."""
        return np.asarray(sums[0])

    def evidence(self, sums: Floats, depth: int) -> Evidence:
        """Delta method: the variance of Σy/Σw from the residuals y - r·w; `t² / 2`."""
        m, w, y, ww, wy, yy, base_m, base_w, base_y, base_ww, base_wy, base_yy, mix, base_mix = sums
        added = SHRINK if depth else 0.0
        watched = np.maximum(w, TINY)
        unit = watched / np.maximum(m, 1.0)
        prior = np.maximum(SHRINK * unit * mix / watched, TINY)
        expected = np.minimum(mix / watched * (base_y + prior) / (base_mix + prior), 1.0)
        actual = y / watched
        own = np.maximum(yy - 2 * actual * wy + actual**2 * ww, 0.0) / watched**2
        usual = base_y / np.maximum(base_w, TINY)
        old_sum = np.maximum(base_yy - 2 * usual * base_wy + usual**2 * base_ww, 0.0)
        each = old_sum / np.maximum(base_m, 1.0)
        pooled = (each * base_m + own * watched**2 / np.maximum(m, 1.0) * SHRINK) / (base_m + SHRINK)
        history = np.maximum(base_m + added, 1.0)
        spread = np.maximum(own + pooled / history / unit**2, TINY)
        worse_by = actual - expected
        return Evidence(
            score=np.where(worse_by > 0, worse_by**2 / spread / 2, 0.0),
            preference=np.where(worse_by > 0, worse_by**2 / np.maximum(own, TINY) / 2, 0.0),
            excess=worse_by * w,
            lift=actual / np.maximum(expected, TINY),
            support=m,
            actual=actual,
            expected=expected,
            error=actual / np.maximum(expected, TINY) - 1,
            information=expected**2 / spread,
        )

    def rise_evidence(self, sums: Floats, like: Floats, rise: Rise, parts: Sequence[float]) -> float:
        """Gaussian; the spread is the larger of the other's residuals and of the slice's own past."""
        each = max(_residual_variance(*part[1:6]) for part in (like[:6], sums[6:12]) if part[1] > 0)
        spread = max(each, _LEAST) / max(float(sums[1]), _LEAST)
        shifts = [part * by for part in parts for by in (rise.difference, rise.expected * (rise.factor - 1))]
        return gaussian_evidence(rise.actual - rise.expected, shifts, spread)

    def excesses(self, sums: Floats, expected: float) -> tuple[Floats, Floats]:
        """Σy - r·Σw; variance Σw times that of the residuals y - r·w a unit of w."""
        _, w, y, ww, wy, yy = sums
        each = np.maximum(yy - 2 * expected * wy + expected**2 * ww, 0.0)
        usual = float(each.sum()) / max(float(w.sum()), TINY)
        return y - w * expected, w * usual + TINY

    def series(self, sums: Floats) -> tuple[Floats, Floats]:
        """Σy / Σw, over m intervals."""
        return divided(sums[2], sums[1]), sums[0]

    def clustered(self, sums: Floats, cluster: float) -> Floats:
        """Fewer intervals, whose squares and products are the larger."""
        together = sums.copy()
        together[0] /= cluster
        together[3:] *= cluster
        return together


def _residual_variance(w: float, y: float, ww: float, wy: float, yy: float) -> float:
    """Variance of y - (Σy/Σw)·w a unit of w."""
    return float((yy - 2 * y / w * wy + (y / w) ** 2 * ww) / w)
