"""Alternatives: which other slices could have been named, and why they lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.counts import Leaves, Value
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.scan import SearchLimits, figures
from qoescope.monitor.search.slices import Slice

_SHOWN = 4

SAME_SESSIONS = "the same sessions under another name"
"""The reason of an alternative that is as right as the name that was chosen."""

_MOST_CONSTANT = 12
"""Dimensions that have one value in a slice; of more, those that stand first are combined to names."""

_SAME = 0.98
"""Slices that share this part of their sessions are the same ones."""

_OWN = 0.95
"""A slice of which this part is another's has hardly any sessions of its own."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A slice that also looked bad, with what is left of it without the chosen one."""

    slice: Mapping[str, Value]
    score: float
    excess: float
    alone: float
    """What it would explain without the sessions of the chosen slice, as a share of that one's excess."""
    reason: str


def _reason(best: Slice, other: Slice, rest: Slice, shared: float) -> str:
    """Why `other` lost to `best`; `rest` is `other` without `best`, `shared` the support that both have."""
    if shared >= _SAME * best.support and shared >= _SAME * other.support:
        return "almost the same sessions"
    if shared >= _SAME * other.support:
        return f"only a part: {100 * other.excess / best.excess:.0f} % of the excess"
    if rest.support < (1 - _OWN) * other.support:
        return "hardly any sessions of its own"
    return f"without the named slice it is as usual: {rest.actual:.4g} against {rest.expected:.4g}"


def equivalent_names(best: Slice, leaves: Leaves, model: EvidenceModel, depth: int) -> list[dict[int, int]]:
    """Other names of at most `depth` dimensions for just the sessions of `best`, none longer than it must be.

    A name for them gives dimensions the only value that these sessions have there.
    """
    window = leaves.only(model.support(leaves.sums) > 0)
    inside = matching(window, best.codes)
    mine = window.codes[:, inside]
    if not mine.size or inside.all():
        return []
    constant = np.flatnonzero((mine == mine[:, :1]).all(axis=1) & (window.codes != mine[:, :1]).any(axis=1))
    rows = {int(dim): window.codes[dim] == mine[dim, 0] for dim in constant[:_MOST_CONSTANT]}
    size, names = int(inside.sum()), list[frozenset[int]]()
    for number in range(1, depth + 1):
        for dims in combinations(rows, number):
            if not any(name <= set(dims) for name in names):
                held = np.logical_and.reduce([rows[dim] for dim in dims])
                names += [frozenset(dims)] if int(held.sum()) == size else []
    others = (name for name in names if name != best.codes.keys())
    return [{dim: int(mine[dim, 0]) for dim in sorted(name)} for name in others]


def alternatives_to(
    best: Slice, leaves: Leaves, model: EvidenceModel, limits: SearchLimits, pool: Sequence[Slice]
) -> tuple[Alternative, ...]:
    """Other names for the sessions of `best`, then the strongest slices of the pool that share some; four at most."""
    inside = matching(leaves, best.codes)
    same = equivalent_names(best, leaves, model, limits.depth)[:_SHOWN]
    shown = [Alternative(leaves.named(codes), best.score, best.excess, 0.0, SAME_SESSIONS) for codes in same]
    names = {frozenset(codes.items()) for codes in (best.codes, *same)}
    for other in sorted(pool, key=lambda one: -one.gain):
        name = frozenset(other.codes.items())
        theirs = matching(leaves, other.codes)
        both = inside & theirs
        if name in names or not both.any():
            continue
        if len(shown) >= _SHOWN:
            break
        names.add(name)
        shared = figures(leaves.sums[:, both].sum(axis=1), model, other.codes, limits).support
        rest = figures(leaves.sums[:, theirs & ~inside].sum(axis=1), model, other.codes, limits)
        alone = max(rest.excess / best.excess, 0.0) if best.excess else 0.0
        reason = _reason(best, other, rest, shared)
        shown.append(Alternative(leaves.named(other.codes), other.score, other.excess, alone, reason))
    return tuple(shown)
