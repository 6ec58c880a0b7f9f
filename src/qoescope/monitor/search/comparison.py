"""Duel: which of two slices that share bad sessions holds the cause: what only one of them holds decides.

A slice may score best because its sessions are alike, or because its bad ones are the worst. So the level that the
shared sessions reached is held against the others: do they show it, or are they as usual?
"""

from collections.abc import Sequence
from math import log

import numpy as np

from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import Mean, Measure, Ratio, Share, Volume
from qoescope.monitor.search.slices import Slice

RIVALS = 20
"""Slices that the best one is held against."""

_ROUNDS = 4
_TINY = 1e-9
ALL, HALF = (1.0,), (1.0, 0.5)
"""What sessions must show of the rise: all of it to be taken in, half of it to be kept, for some are less sensitive."""


def as_bad(measure: Measure, sums: Floats, like: Floats, parts: Sequence[float] = ALL) -> float:
    """Log-likelihood ratio of "got as much worse as `like`, or a part of it" to "as usual", for summed sessions.

    0 where there are no sessions, or none that show the level.
    """
    if measure.support(sums) <= 0 or measure.support(like) <= 0:
        return 0.0
    one, other = (measure.evidence(each.reshape(-1, 1), 1) for each in (sums, like))
    expected, lift = float(one.expected[0]), float(other.lift[0])
    more = float(other.actual[0] - other.expected[0])
    match measure:
        case Share():
            n, k = (float(v) for v in sums[:2])
            usual = min(max(expected, _TINY), 0.99)
            rises = (part * rise for part in parts for rise in (usual * (lift - 1), more))
            rates = (min(max(usual + rise, usual), 0.995) for rise in rises)
            return max(k * log(rate / usual) + (n - k) * log((1 - rate) / (1 - usual)) for rate in rates)
        case Volume():
            real, forecast = (max(float(v), _TINY) for v in sums[:2])
            rise = max(float(like[0]), 0.5) / max(float(like[1]), 0.5) - 1
            return max(real * log(1 + part * rise) - forecast * part * rise for part in parts) / measure.dispersion
        case Mean():
            variance = max(xx / n - (x / n) ** 2 for n, x, xx in (like[:3], sums[3:6]) if n > 0)
            spread = max(float(variance), _TINY) / float(sums[0])
            return _between(
                log(max(float(one.lift[0]), _TINY)), [part * log(max(lift, _TINY)) for part in parts], spread
            )
        case Ratio():
            each = max(_residue(*part[1:6]) for part in (like[:6], sums[6:12]) if part[1] > 0)
            spread = max(each, _TINY) / max(float(sums[1]), _TINY)
            shifts = [part * rise for part in parts for rise in (more, expected * (lift - 1))]
            return _between(float(one.actual[0]) - expected, shifts, spread)
    raise TypeError(type(measure))


def _residue(w: float, y: float, ww: float, wy: float, yy: float) -> float:
    """Variance of y - (Σy/Σw)·w a unit of w."""
    return float((yy - 2 * y / w * wy + (y / w) ** 2 * ww) / w)


def _between(seen: float, shifts: Sequence[float], spread: float) -> float:
    """Gaussian log-likelihood ratio of one of the shifts, whichever fits, to none."""
    return max((seen * shift - shift**2 / 2) / spread for shift in shifts)


def settled(leaves: Leaves, measure: Measure, ranked: Sequence[Slice]) -> Slice:
    """The slice that stands against all others which share sessions with it; begins with the first one.

    Of names for the same sessions it is the one that ranks first.
    """
    best = ranked[0]
    for _ in range(_ROUNDS):
        mine = matching(leaves, best.codes)
        gains = [_gain(leaves, measure, mine, best, other) for other in ranked[:RIVALS]]
        most = int(np.argmax(gains))
        if gains[most] <= 0:
            break
        best = ranked[most]
    return next(one for one in ranked if held(one) == held(best))


def held(one: Slice) -> tuple[float, ...]:
    """What two names of as many dimensions for the same sessions have in common."""
    return (one.depth, *(round(figure, 6) for figure in (one.support, one.excess, one.score)))


def _gain(leaves: Leaves, measure: Measure, mine: np.ndarray, best: Slice, other: Slice) -> float:
    """How much likelier `other` is than `best`, names' cost included; 0 where they hold the same sessions."""
    theirs = matching(leaves, other.codes)
    shared, added, lost = (leaves.sums[:, rows].sum(axis=1) for rows in (mine & theirs, theirs & ~mine, mine & ~theirs))
    held = [float(measure.support(sums)) for sums in (shared, added, lost)]
    if held[0] <= 0 or not (held[1] or held[2]):
        return 0.0
    cheaper = (best.preference - best.gain) - (other.preference - other.gain)
    return as_bad(measure, added, shared) - as_bad(measure, lost, shared, HALF) + cheaper
