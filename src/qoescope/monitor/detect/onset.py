"""Onset: since when a slice is bad: the change point of its steps' excesses, by likelihood (Hinkley 1970)."""

import numpy as np

from qoescope.monitor.search.counts import Floats

_TINY = 1e-12


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
