"""Siblings: values of one dimension that got worse alike, as one slice with a set of values."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from qoescope.monitor.search.explain import Found

_ALIKE = 1.6
"""Lifts within this factor are alike."""


def siblings(slices: Iterable[Found]) -> list[Found]:
    """Values of one dimension with the same parent and alike lift, as one slice with a set of values."""
    rest = sorted(slices, key=lambda f: (sorted(f.slice), -f.excess))
    out: list[Found] = []
    for _, group in groupby(rest, key=lambda f: sorted(f.slice)):
        pending = list(group)
        while pending:
            first = pending.pop(0)
            name, family = _family(first, pending)
            if family:
                pending = [f for f in pending if f not in family]
                first = _union([first, *family], name)
            out.append(first)
    return sorted(out, key=lambda f: -abs(f.excess))


def _family(first: Found, others: Sequence[Found]) -> tuple[str, list[Found]]:
    """The dimension in which others differ from `first` alone, with alike lift, and those others."""
    for name in first.slice:
        family = [
            f
            for f in others
            if all(f.slice[n] == v for n, v in first.slice.items() if n != name)
            and f.slice[name] != first.slice[name]
            and 1 / _ALIKE <= f.lift / first.lift <= _ALIKE
            and (f.excess > 0) == (first.excess > 0)
        ]
        if family:
            return name, family
    return "", []


def _union(family: Sequence[Found], name: str) -> Found:
    support = sum(f.support for f in family)
    values = sorted((f.slice[name] for f in family), key=str)
    return replace(
        family[0],
        slice={**family[0].slice, name: tuple(values)},  # type: ignore[dict-item]
        score=sum(f.score for f in family),
        excess=sum(f.excess for f in family),
        support=support,
        share=sum(f.share for f in family),
        actual=sum(f.actual * f.support for f in family) / support,
        expected=sum(f.expected * f.support for f in family) / support,
    )
