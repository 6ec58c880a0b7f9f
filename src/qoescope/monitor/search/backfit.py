"""Refit: found slices named once more, each without what the others hold; what others make up together is dropped.

Slices are found one after the other, and the first is chosen while the sessions of the later ones are still there: it
may be named for what takes a part of another cause in, or be the sessions that two causes share. What shows nothing of
its own is dropped, and values of one dimension that are most of a common parent go by its name.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from math import prod

import numpy as np

from qoescope.monitor.search.alternatives import alike
from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.comparison import HALF, RIVALS, as_bad, settled
from qoescope.monitor.search.counts import Leaves
from qoescope.monitor.search.evidence import Measure
from qoescope.monitor.search.scan import Limits, Peeled, by_gain, figures
from qoescope.monitor.search.slices import Slice

_MINORITY = 1 / 3
"""The part of a parent that may be an exception: fewer sessions than half of those that got worse."""


def refitted(leaves: Leaves, measure: Measure, limits: Limits, steps: Sequence[Peeled]) -> list[Peeled]:
    """The same slices, best first, each under the name that stands when the others' sessions are left out."""
    kept = _without_made_up(leaves, measure, limits, _without_products(leaves, steps))
    for at, one in enumerate(kept if len(kept) > 1 else ()):
        beside = np.any([matching(leaves, other.best.codes) for other in kept if other is not one], axis=0)
        best = _renamed(leaves.only(~beside), measure, limits, one)
        if best.codes not in [other.best.codes for other in kept]:
            kept[at] = replace(one, best=best)
    return _under_parents(leaves, measure, limits, kept)


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


def _without_made_up(leaves: Leaves, measure: Measure, limits: Limits, steps: Sequence[Peeled]) -> list[Peeled]:
    """Those that show something of their own, the least one dropped first: inside no other one, but made of several."""
    kept = list(steps)
    while len(kept) > 2:  # noqa: PLR2004 - one that is made of others, and at least two of these
        rows = [matching(leaves, one.best.codes) for one in kept]
        idle: list[tuple[float, int]] = []
        for at, (one, mine) in enumerate(zip(kept, rows, strict=True)):
            others = [theirs for place, theirs in enumerate(rows) if place != at]
            if any(not (mine & ~theirs).any() or not (theirs & ~mine).any() for theirs in others):
                continue
            own, whole = (leaves.sums[:, r].sum(axis=1) for r in (mine & ~np.any(others, axis=0), mine))
            excess = abs(figures(own, measure, one.best.codes, limits).excess)
            if excess < limits.excess and as_bad(measure, own, whole, HALF) <= 0:
                idle.append((excess, at))
        if not idle:
            break
        del kept[min(idle)[1]]
    return kept


def _under_parents(leaves: Leaves, measure: Measure, limits: Limits, steps: Sequence[Peeled]) -> list[Peeled]:
    """The same with values of one dimension that got worse alike under their parent's name, where that says it better.

    The parent stood for choice, too. What it holds beside them is an exception, a minority that may be as usual: such
    as have room to spare. What they took in beside it speaks against them, unless that got as much worse.
    """
    kept = list(steps)
    pool = {frozenset(o.codes.items()): o for one in steps for o in one.others if o.codes} if len(steps) > 1 else {}
    while True:
        claims = [(_claim(leaves, measure, limits, kept, parent), parent) for parent in pool.values()]
        gain, parent = max(claims, key=lambda claim: claim[0], default=(0.0, None))
        if parent is None or gain <= 0:
            return kept
        if limits.in_order:
            parent = _first_name(leaves, kept, parent, list(pool.values()))
        children = _children(kept, parent)
        first, inside = children[0], matching(leaves, parent.codes)
        gone = [one in children or np.array_equal(matching(leaves, one.best.codes), inside) for one in kept]
        left = [one for one, out in zip(kept, gone, strict=True) if one is first or not out]
        kept = [replace(one, best=parent) if one is first else one for one in left]


def _first_name(leaves: Leaves, steps: Sequence[Peeled], parent: Slice, pool: Sequence[Slice]) -> Slice:
    """Of the parents that hold the same sessions by as many dimensions, the one whose dimensions stand first."""
    inside = matching(leaves, parent.codes)
    names = (one for one in pool if one.depth == parent.depth and len(_children(steps, one)) > 1)
    same = (one for one in names if np.array_equal(matching(leaves, one.codes), inside))
    return min(same, key=lambda one: sorted(one.codes))


def _children(steps: Sequence[Peeled], parent: Slice) -> list[Peeled]:
    """Those which are, inside the parent, values of one dimension: of the one that has most of them."""
    by_dim: dict[int, list[Peeled]] = {}
    for one in steps:
        more = one.best.codes.keys() - parent.codes.keys()
        if len(more) == 1 and all(one.best.codes.get(dim, code) == code for dim, code in parent.codes.items()):
            by_dim.setdefault(more.pop(), []).append(one)
    return max(by_dim.values(), key=len, default=[])


def _claim(leaves: Leaves, measure: Measure, limits: Limits, steps: Sequence[Peeled], parent: Slice) -> float:
    """How much likelier the parent but for an exception is than its children, names' cost included; 0 without any."""
    children = [one.best for one in _children(steps, parent)]
    if len(children) < 2:  # noqa: PLR2004 - one child alone was held against its parent when it was chosen
        return 0.0
    inside = matching(leaves, parent.codes)
    rows = [matching(leaves, child.codes) for child in children]
    named = np.any(rows, axis=0)
    shared, left, beside = (leaves.sums[:, r].sum(axis=1) for r in (inside & named, inside & ~named, named & ~inside))
    if float(measure.support(left)) >= _MINORITY * float(measure.support(shared + left)):
        return 0.0
    here = [figures(leaves.sums[:, inside & r].sum(axis=1), measure, parent.codes, limits) for r in rows]
    if not all(alike(here[0], other) for other in here[1:]):
        return 0.0
    costs = [child.preference - child.gain for child in children]
    exception = max(as_bad(measure, left, shared), -max(costs))
    return exception - as_bad(measure, beside, shared) + sum(costs) - (parent.preference - parent.gain)


def _both(one: Slice, causes: Sequence[Slice]) -> Slice:
    """The slice as it would be if it were worse by what makes these ones so."""
    lift = prod(cause.lift for cause in causes)
    return replace(one, lift=lift, actual=one.expected + sum(cause.actual - cause.expected for cause in causes))
