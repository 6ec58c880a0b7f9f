"""Backfit: chosen slices named once more, each without what the others hold; what others make up together is dropped.

Slices are chosen one after the other, and the first is chosen while the sessions of the later ones are still there: it
may be named for what takes a part of another cause in, or be the sessions that two causes share. So each is fitted
again to what the others leave over, as in backfitting (Breiman and Friedman 1985). What shows nothing of its own is
dropped, and values of one dimension that are most of a common parent go by its name.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.comparison import CONTENDERS, HALF_RISE, rise_evidence, strongest_cause
from qoescope.monitor.search.counts import Leaves
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.merge import rose_alike
from qoescope.monitor.search.scan import Choice, SearchLimits, by_gain, figures
from qoescope.monitor.search.slices import Slice

_MINORITY = 1 / 3
"""The part of a parent that may be an exception: fewer sessions than half of those that got worse."""


def backfit(leaves: Leaves, model: EvidenceModel, limits: SearchLimits, choices: Sequence[Choice]) -> list[Choice]:
    """The same choices, best first, each under the name that stands when the others' sessions are left out."""
    kept = _without_made_up(leaves, model, limits, _without_overlaps(leaves, choices))
    for at, one in enumerate(kept if len(kept) > 1 else ()):
        beside = np.any([matching(leaves, other.best.codes) for other in kept if other is not one], axis=0)
        best = _renamed(leaves.only(~beside), model, limits, one)
        if best.codes not in [other.best.codes for other in kept]:
            kept[at] = replace(one, best=best)
    return _under_parents(leaves, model, limits, kept)


def _renamed(rest: Leaves, model: EvidenceModel, limits: SearchLimits, choice: Choice) -> Slice:
    """Which of the slice and its alternatives stands in `rest`; the slice itself where it has too few of its own."""
    again = []
    for known in (choice.best, *choice.others[:CONTENDERS]):
        now = _figures(rest, model, limits, known)
        if abs(now.excess) >= limits.excess and now.support >= limits.support and now.lift >= limits.lift:
            again.append(replace(now, gain=now.preference - known.cost))
    if not again or again[0].codes != choice.best.codes:
        return choice.best
    best = strongest_cause(rest, model, by_gain(again, in_order=limits.in_order))
    return choice.best if best.codes == choice.best.codes else best


def _figures(leaves: Leaves, model: EvidenceModel, limits: SearchLimits, one: Slice) -> Slice:
    """The slice with its figures in these leaves."""
    return figures(leaves.sums[:, matching(leaves, one.codes)].sum(axis=1), model, one.codes, limits)


def _without_overlaps(leaves: Leaves, choices: Sequence[Choice]) -> list[Choice]:
    """Those that are no mere overlap: sessions of two broader choices that are worse by both at once."""
    rows = [matching(leaves, one.best.codes) for one in choices]
    kept = []
    for one, inside in zip(choices, rows, strict=True):
        broader = [
            other.best
            for other, theirs in zip(choices, rows, strict=True)
            if other is not one and not (inside & ~theirs).any()
        ]
        if not any(rose_alike(one.best, _worse_by_both(one.best, pair)) for pair in combinations(broader, 2)):
            kept.append(one)
    return kept


def _worse_by_both(one: Slice, causes: Sequence[Slice]) -> Slice:
    """The slice as it would be if it were worse by what makes these ones so."""
    lift = prod(cause.lift for cause in causes)
    return replace(one, lift=lift, actual=one.expected + sum(cause.actual - cause.expected for cause in causes))


def _without_made_up(
    leaves: Leaves, model: EvidenceModel, limits: SearchLimits, choices: Sequence[Choice]
) -> list[Choice]:
    """Those that show something of their own, the least one dropped first: inside no other one, but made of several."""
    kept = list(choices)
    while len(kept) > 2:  # noqa: PLR2004 - one that is made of others, and at least two of these
        rows = [matching(leaves, one.best.codes) for one in kept]
        idle: list[tuple[float, int]] = []
        for at, (one, inside) in enumerate(zip(kept, rows, strict=True)):
            others = [theirs for i, theirs in enumerate(rows) if i != at]
            if any(not (inside & ~theirs).any() or not (theirs & ~inside).any() for theirs in others):
                continue
            own, whole = (leaves.sums[:, r].sum(axis=1) for r in (inside & ~np.any(others, axis=0), inside))
            excess = abs(figures(own, model, one.best.codes, limits).excess)
            if excess < limits.excess and rise_evidence(model, own, whole, HALF_RISE) <= 0:
                idle.append((excess, at))
        if not idle:
            break
        del kept[min(idle)[1]]
    return kept


def _under_parents(
    leaves: Leaves, model: EvidenceModel, limits: SearchLimits, choices: Sequence[Choice]
) -> list[Choice]:
    """The same with values of one dimension that got worse alike under their parent's name, where that says it better.

    The parent is one of the alternatives. What it holds beside them is an exception, a minority that may be as usual:
    such as have room to spare. What they took in beside it speaks against them, unless that got as much worse.
    """
    kept = list(choices)
    several = len(choices) > 1
    pool = {frozenset(o.codes.items()): o for one in choices for o in one.others if o.codes} if several else {}
    while True:
        claims = [(_claim(leaves, model, limits, kept, parent), parent) for parent in pool.values()]
        gain, parent = max(claims, key=lambda claim: claim[0], default=(0.0, None))
        if parent is None or gain <= 0:
            return kept
        if limits.in_order:
            parents = [one for one in pool.values() if len(_children(kept, one)) > 1]
            parent = _first_name(leaves, model, limits, parent, parents)
        children = _children(kept, parent)
        first, inside = children[0], matching(leaves, parent.codes)
        replaced = [one in children or _same(matching(leaves, one.best.codes), inside) for one in kept]
        left = [one for one, gone in zip(kept, replaced, strict=True) if one is first or not gone]
        kept = [replace(one, best=parent) if one is first else one for one in left]


def _same(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    return bool(np.array_equal(one, other))


def _first_name(
    leaves: Leaves, model: EvidenceModel, limits: SearchLimits, one: Slice, names: Sequence[Slice]
) -> Slice:
    """Of those names that hold the same sessions as `one`, the one whose dimensions stand first.

    Their figures are of different rounds, so they are taken anew before they are compared.
    """
    fingerprint = _figures(leaves, model, limits, one).fingerprint
    same = [name for name in names if _figures(leaves, model, limits, name).fingerprint == fingerprint]
    return min(same, key=lambda name: name.name_order)


def _children(choices: Sequence[Choice], parent: Slice) -> list[Choice]:
    """Those which are, inside the parent, values of one dimension: of the one that has most of them."""
    by_dim: dict[int, list[Choice]] = {}
    for one in choices:
        more = one.best.codes.keys() - parent.codes.keys()
        if len(more) == 1 and all(one.best.codes.get(dim, code) == code for dim, code in parent.codes.items()):
            by_dim.setdefault(more.pop(), []).append(one)
    return max(by_dim.values(), key=len, default=[])


def _claim(
    leaves: Leaves, model: EvidenceModel, limits: SearchLimits, choices: Sequence[Choice], parent: Slice
) -> float:
    """How much likelier the parent but for an exception is than its children, names' cost included; 0 without any."""
    children = [one.best for one in _children(choices, parent)]
    if len(children) < 2:  # noqa: PLR2004 - one child alone was compared with its parent when it was chosen
        return 0.0
    inside = matching(leaves, parent.codes)
    rows = [matching(leaves, child.codes) for child in children]
    named = np.any(rows, axis=0)
    shared, left, beside = (leaves.sums[:, r].sum(axis=1) for r in (inside & named, inside & ~named, named & ~inside))
    if float(model.support(left)) >= _MINORITY * float(model.support(shared + left)):
        return 0.0
    here = [figures(leaves.sums[:, inside & r].sum(axis=1), model, parent.codes, limits) for r in rows]
    if not all(rose_alike(here[0], other) for other in here[1:]):
        return 0.0
    costs = [child.cost for child in children]
    exception = max(rise_evidence(model, left, shared), -max(costs))
    return exception - rise_evidence(model, beside, shared) + sum(costs) - parent.cost
