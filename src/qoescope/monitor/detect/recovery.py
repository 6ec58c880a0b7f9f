"""Recovery: whether what a window still shows of an incident is only what is left of it.

Plays that began while a release was broken go on breaking off after its repair, fewer each minute. A window of five
minutes shows them long after; the last three beside the two before say that the rise is gone, or going.
"""

import numpy as np

from qoescope.monitor.search.counts import Floats

LAST, BEFORE = 3, 2
"""Minutes that must be as usual or falling, and those that they are compared with."""
_SHOWN = 8.0
"""Bad sessions that the last minutes would hold if nothing had changed: with fewer they say nothing."""
_LEFT = 0.4
"""What may be left of the rise …"""
_FALLING = 0.85
"""… and of what the minutes before had. What falls at once and then stays does so in no three looks: it goes on."""


def recedes(sums: Floats, actual: float, expected: float) -> bool:
    """Whether a share's rise from `expected` to `actual` is gone or going, from n and k of the last five minutes."""
    (n, k), (n_before, k_before) = sums[:, -LAST:].sum(axis=1), sums[:, -LAST - BEFORE : -LAST].sum(axis=1)
    rise = actual - expected
    if n * rise < _SHOWN:
        return False
    left = k / n - expected
    if k - n * expected <= 2.0 * np.sqrt(max(n * expected, 1.0)):
        return True
    before = k_before / n_before - expected if n_before > 0 else 0.0
    return bool(left <= _LEFT * rise and left <= _FALLING * before)
