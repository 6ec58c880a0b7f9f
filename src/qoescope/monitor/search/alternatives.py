"""Rivals: which other slices stood for choice, and why they lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt

from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.counts import Leaves, Value
from qoescope.monitor.search.evidence import Measure
from qoescope.monitor.search.scan import Limits, figures
from qoescope.monitor.search.slices import Slice

_ALIKE = 1.5
"""Two lifts within this factor are alike."""

_SHOWN = 4

_SAME = 0.98
"""Slices that share this part of their sessions are the same ones."""

_OWN = 0.95
""" A slice of which this part is another's has hardly any sessions of its own."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A slice that also looked bad, with what is left of it without the chosen one."""

    slice: Mapping[str, Value]
    score: float
    excess: float
    alone: float
    """What it would explain without the sessions of the chosen slice, as a share of that one's excess."""
    reason: str


def alike(one: Slice, other: Slice) -> bool:
    """Whether the two got worse alike: by the same factor or by as many more of each hundred, within chance."""
    for a, b in ((one.lift, other.lift), (one.actual - one.expected, other.actual - other.expected)):
        if a <= 0 or b <= 0:
            continue
        bad = 1 / max(one.support * one.actual, 1.0) + 1 / max(other.support * other.actual, 1.0)
        if abs(log(a / b)) <= max(log(_ALIKE), 2.5 * sqrt(bad)):
            return True
    return False


def joined(leaves: Leaves, measure: Measure, limits: Limits, chosen: Sequence[Slice]) -> list[Slice]:
    """`chosen` with each slice given up to a broader chosen one whose rest got worse alike.

    A narrow slice may be chosen first because its base rate is higher; what remains of the true cause comes later.
    """
    kept = list(chosen)
    rows = {id(c): matching(leaves, c.codes) for c in chosen}
    for late, parent in enumerate(chosen):
        inside = rows[id(parent)]
        inner = [c for c in chosen[:late] if c in kept and alike(c, parent) and not (rows[id(c)] & ~inside).any()]
        if inner:
            here = inside.copy()
            for other in kept:
                if other is not parent and other not in inner:
                    here &= ~rows[id(other)]
            broad = figures(leaves.sums[:, here].sum(axis=1), measure, parent.codes, limits)
            rows[id(broad)] = inside
            kept = [broad if c is parent else c for c in kept if c not in inner]
    return kept


def _reason(best: Slice, other: Slice, rest: Slice, here: float) -> str:
    """Why `other` lost to `best`; `rest` is `other` without `best`, `here` the sessions that both have."""
    if here >= _SAME * best.support and here >= _SAME * other.support:
        return "the same sessions under another name"
    if here >= _SAME * other.support:
        return f"only a part: {100 * other.excess / best.excess:.0f} % of the excess"
    if rest.support < (1 - _OWN) * other.support:
        return "hardly any sessions of its own"
    return f"without the named slice it is as usual: {rest.actual:.4g} against {rest.expected:.4g}"


def rivals(leaves: Leaves, measure: Measure, limits: Limits, best: Slice, pool: Sequence[Slice]) -> tuple[Rival, ...]:
    """The strongest other slices that share sessions with `best`, strongest first."""
    mine = matching(leaves, best.codes)
    shown: list[Rival] = []
    seen = {frozenset(best.codes.items())}
    for other in sorted(pool, key=lambda one: -one.gain):
        mark = frozenset(other.codes.items())
        theirs = matching(leaves, other.codes)
        both = mine & theirs
        if mark in seen or not both.any():
            continue
        seen.add(mark)
        here = figures(leaves.sums[:, both].sum(axis=1), measure, other.codes, limits).support
        rest = figures(leaves.sums[:, theirs & ~mine].sum(axis=1), measure, other.codes, limits)
        alone = max(rest.excess / best.excess, 0.0) if best.excess else 0.0
        name = leaves.named(other.codes)
        shown.append(Rival(name, other.score, other.excess, alone, _reason(best, other, rest, here)))
        if len(shown) == _SHOWN:
            break
    return tuple(shown)
