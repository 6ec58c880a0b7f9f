"""Alternatives: which other slices could have been named, and why they lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.counts import Leaves, Value
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.scan import SearchLimits, figures
from qoescope.monitor.search.slices import Slice

_SHOWN = 4

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
        return "the same sessions under another name"
    if shared >= _SAME * other.support:
        return f"only a part: {100 * other.excess / best.excess:.0f} % of the excess"
    if rest.support < (1 - _OWN) * other.support:
        return "hardly any sessions of its own"
    return f"without the named slice it is as usual: {rest.actual:.4g} against {rest.expected:.4g}"


def alternatives_to(
    best: Slice, leaves: Leaves, model: EvidenceModel, limits: SearchLimits, pool: Sequence[Slice]
) -> tuple[Alternative, ...]:
    """The strongest slices of the pool that share sessions with `best`, strongest first, four at most."""
    inside = matching(leaves, best.codes)
    shown: list[Alternative] = []
    names = {frozenset(best.codes.items())}
    for other in sorted(pool, key=lambda one: -one.gain):
        name = frozenset(other.codes.items())
        theirs = matching(leaves, other.codes)
        both = inside & theirs
        if name in names or not both.any():
            continue
        names.add(name)
        shared = figures(leaves.sums[:, both].sum(axis=1), model, other.codes, limits).support
        rest = figures(leaves.sums[:, theirs & ~inside].sum(axis=1), model, other.codes, limits)
        alone = max(rest.excess / best.excess, 0.0) if best.excess else 0.0
        reason = _reason(best, other, rest, shared)
        shown.append(Alternative(leaves.named(other.codes), other.score, other.excess, alone, reason))
        if len(shown) == _SHOWN:
            break
    return tuple(shown)
