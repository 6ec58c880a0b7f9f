"""Refit: found slices named once more, each without what the others hold; what others make up together is dropped.

Slices are found one after the other, and the first is chosen while the sessions of the later ones are still there: it
may be named for what takes a part of another cause in, or be the sessions that two causes share.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from math import prod

import numpy as np

from qoescope.monitor.cells import matching
from qoescope.monitor.counts import Leaves
from qoescope.monitor.duel import RIVALS, settled
from qoescope.monitor.measures import Measure
from qoescope.monitor.rivals import alike
from qoescope.monitor.scan import Limits, Peeled, Slice, by_gain, figures


def refitted(leaves: Leaves, measure: Measure, limits: Limits, steps: Sequence[Peeled]) -> list[Peeled]:
    """The same slices, best first, each under the name that stands when the others' sessions are left out."""
    kept = _without_products(leaves, steps)
    for at, one in enumerate(kept if len(kept) > 1 else ()):
        beside = np.any([matching(leaves, other.best.codes) for other in kept if other is not one], axis=0)
        best = _renamed(leaves.only(~beside), measure, limits, one)
        if best.codes not in [other.best.codes for other in kept]:
            kept[at] = replace(one, best=best)
    return kept


def _renamed(rest: Leaves, measure: Measure, limits: Limits, one: Peeled) -> Slice:
    """Who of the slice and its rivals stands in these sessions; the slice itself where it has too few of its own."""
    again = []
    for known in (one.best, *one.others[:RIVALS]):
        rows = matching(rest, known.codes)
        seen = figures(rest.sums[:, rows].sum(axis=1), measure, known.codes, limits)
        if abs(seen.excess) >= limits.excess and seen.support >= limits.support and seen.lift >= limits.lift:
            again.append(replace(seen, gain=seen.preference - (known.preference - known.gain)))
    if not again or again[0].codes != one.best.codes:
        return one.best
    best = settled(rest, measure, by_gain(again, in_order=limits.in_order))
    return one.best if best.codes == one.best.codes else best


def _without_products(leaves: Leaves, steps: Sequence[Peeled]) -> list[Peeled]:
    """Those that are no mere overlap: sessions of two broader found slices that are worse by both at once."""
    rows = [matching(leaves, one.best.codes) for one in steps]
    kept = []
    for one, mine in zip(steps, rows, strict=True):
        broader = [o.best for o, theirs in zip(steps, rows, strict=True) if o is not one and not (mine & ~theirs).any()]
        pairs = combinations(broader, 2)
        if not any(alike(one.best, _both(one.best, pair)) for pair in pairs):
            kept.append(one)
    return kept


def _both(one: Slice, causes: Sequence[Slice]) -> Slice:
    """The slice as it would be if it were worse by what makes these ones so."""
    lift = prod(cause.lift for cause in causes)
    return replace(one, lift=lift, actual=one.expected + sum(cause.actual - cause.expected for cause in causes))
