"""Onset: since when a slice is bad: the change point that its steps' excesses speak for most."""

import numpy as np

from qoescope.catalog.watch import Kind
from qoescope.monitor.search.counts import Floats

_TINY = 1e-12


def excesses(kind: Kind, sums: Floats, expected: float, *, higher_is_worse: bool = True) -> tuple[Floats, Floats]:
    """Excess and its variance of each step, from a metric's sums (sums x steps) and the expected value."""
    match kind:
        case "share":
            n, k = sums
            return k - n * expected, n * expected * (1 - expected) + 0.05
        case "mean":
            n, x, xx = sums
            level = float(np.log(max(expected, _TINY)))
            total = max(float(n.sum()), 1.0)
            spread = max(float(xx.sum()) / total - (float(x.sum()) / total) ** 2, _TINY)
            sign = 1.0 if higher_is_worse else -1.0
            return sign * (x - n * level), n * spread + _TINY
        case "ratio":
            _, w, y, ww, wy, yy = sums
            each = np.maximum(yy - 2 * expected * wy + expected**2 * ww, 0.0)
            usual = float(each.sum()) / max(float(w.sum()), _TINY)
            return y - w * expected, w * usual + _TINY
        case "volume":
            real = sums[0]
            return (1.0 if higher_is_worse else -1.0) * (real - expected), np.full(real.shape, max(expected, 1.0))


def change_point(excess: Floats, variance: Floats) -> int:
    """The step from which on (until the end) the level lies furthest above the level before it, by likelihood.

    The level before is what its own steps say, not nothing: a slice may lie a little above expectation all day, and
    that adds up.
    """
    since, before = np.cumsum(excess[::-1])[::-1], np.cumsum(excess) - excess
    chance, chance_before = np.cumsum(variance[::-1])[::-1], np.cumsum(variance) - variance
    rise = since / np.maximum(chance, _TINY) - before / np.maximum(chance_before, _TINY)
    strength = rise**2 / (1 / np.maximum(chance, _TINY) + 1 / np.maximum(chance_before, _TINY))
    strength = np.where((rise > 0) & (since > 0) & (chance_before > _TINY), strength, 0.0)
    return int(np.argmax(strength)) if strength.size else 0
