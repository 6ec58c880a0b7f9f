"""Merge: slices that got worse alike, as one: narrow ones inside a broad one, and values of one dimension."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from math import log, sqrt

from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.counts import Leaves
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.root_cause import RootCause
from qoescope.monitor.search.scan import SearchLimits, figures
from qoescope.monitor.search.slices import Slice

_SAME_LIFT = 1.5
"""Two lifts within this factor are alike."""

_SAME_LIFT_OF_VALUES = 1.6
"""The same for values of one dimension."""


def rose_alike(one: Slice, other: Slice) -> bool:
    """Whether the two got worse by the same factor or by as many more of each hundred, within chance."""
    for a, b in ((one.lift, other.lift), (one.actual - one.expected, other.actual - other.expected)):
        if a <= 0 or b <= 0:
            continue
        bad = 1 / max(one.support * one.actual, 1.0) + 1 / max(other.support * other.actual, 1.0)
        if abs(log(a / b)) <= max(log(_SAME_LIFT), 2.5 * sqrt(bad)):
            return True
    return False


def merge_nested(leaves: Leaves, model: EvidenceModel, limits: SearchLimits, chosen: Sequence[Slice]) -> list[Slice]:
    """`chosen` with each slice given up to a broader chosen one whose rest got worse alike.

    A narrow slice may be chosen first because its base rate is higher; what remains of the true cause comes later.
    """
    kept = list(chosen)
    rows = {id(c): matching(leaves, c.codes) for c in chosen}
    for late, parent in enumerate(chosen):
        inside = rows[id(parent)]
        inner = [c for c in chosen[:late] if c in kept and rose_alike(c, parent) and not (rows[id(c)] & ~inside).any()]
        if inner:
            here = inside.copy()
            for other in kept:
                if other is not parent and other not in inner:
                    here &= ~rows[id(other)]
            broad = figures(leaves.sums[:, here].sum(axis=1), model, parent.codes, limits)
            rows[id(broad)] = inside
            kept = [broad if c is parent else c for c in kept if c not in inner]
    return kept


def merge_values(causes: Iterable[RootCause]) -> list[RootCause]:
    """The causes, largest excess first; those that differ in one dimension's value and rose alike are one.

    Such a one has a tuple of values in that dimension.
    """
    rest = sorted(causes, key=lambda c: (sorted(c.slice), -c.excess))
    out: list[RootCause] = []
    for _, group in groupby(rest, key=lambda c: sorted(c.slice)):
        pending = list(group)
        while pending:
            first = pending.pop(0)
            name, family = _family(first, pending)
            if family:
                pending = [c for c in pending if c not in family]
                first = _union([first, *family], name)
            out.append(first)
    return sorted(out, key=lambda c: -abs(c.excess))


def _family(first: RootCause, others: Sequence[RootCause]) -> tuple[str, list[RootCause]]:
    """The dimension in which others differ from `first` alone, with alike lift, and those others."""
    for name in first.slice:
        family = [
            c
            for c in others
            if all(c.slice[n] == v for n, v in first.slice.items() if n != name)
            and c.slice[name] != first.slice[name]
            and 1 / _SAME_LIFT_OF_VALUES <= c.lift / first.lift <= _SAME_LIFT_OF_VALUES
            and (c.excess > 0) == (first.excess > 0)
        ]
        if family:
            return name, family
    return "", []


def _union(family: Sequence[RootCause], name: str) -> RootCause:
    support = sum(c.support for c in family)
    values = sorted((c.slice[name] for c in family), key=str)
    return replace(
        family[0],
        slice={**family[0].slice, name: tuple(values)},  # type: ignore[dict-item]
        score=sum(c.score for c in family),
        excess=sum(c.excess for c in family),
        support=support,
        share=sum(c.share for c in family),
        actual=sum(c.actual * c.support for c in family) / support,
        expected=sum(c.expected * c.support for c in family) / support,
    )
