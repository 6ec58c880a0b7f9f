"""Find: counts by leaf in, root causes out: scan and peel, backfit, merge, and hold against the drift of the rest."""

from collections.abc import Sequence
from dataclasses import replace
from math import log

import numpy as np

from qoescope.monitor.search.alternatives import alternatives_to
from qoescope.monitor.search.backfit import backfit
from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.counts import Leaves
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.large_and_small import besides_the_largest
from qoescope.monitor.search.merge import merge_nested
from qoescope.monitor.search.overdispersion import residual_drift
from qoescope.monitor.search.root_cause import RootCause
from qoescope.monitor.search.scan import SearchLimits, figures, peel
from qoescope.monitor.search.slices import Slice


def find_root_causes(
    counts: Leaves, model: EvidenceModel, limits: SearchLimits | None = None, *, measured: bool = False
) -> list[RootCause]:
    """The root causes among all slices of `counts`, largest excess first.

    Columns of `counts` are those of the model. `measured` says that `limits` carry the drift of clean history; else it
    is read off the slices that are left over.
    """
    given = limits or SearchLimits()
    if not counts.size or not counts.dims:
        return []
    prepared = model.prepared(counts)
    choices = backfit(prepared, model, given, peel(prepared, model, given))
    if not choices:
        return []
    kept = merge_nested(prepared, model, given, [choice.best for choice in choices])
    if not measured:
        kept = _beyond_left_over(prepared, model, given, kept, log(choices[0].slices / given.alpha))
    kept = besides_the_largest(prepared, model, given, kept)
    pool = [other for choice in choices for other in choice.others]
    return _named(prepared, model, given, kept, pool)


def _beyond_left_over(
    prepared: Leaves, model: EvidenceModel, limits: SearchLimits, kept: Sequence[Slice], bar: float
) -> list[Slice]:
    """Those of `kept` that stand out even if all slices drift as the left-over ones do."""
    rest = ~np.any([matching(prepared, one.codes) for one in kept], axis=0)
    if not rest.any():
        return list(kept)
    drift = residual_drift(prepared.only(rest), model, limits)
    damped = [replace(one, score=one.score / (1 + drift[one.depth] * one.information)) for one in kept]
    return [one for one in damped if one.score >= bar]


def _named(
    prepared: Leaves, model: EvidenceModel, limits: SearchLimits, kept: Sequence[Slice], pool: Sequence[Slice]
) -> list[RootCause]:
    root = abs(figures(prepared.sums.sum(axis=1), model, {}, limits).excess)
    total = max(root, sum(abs(one.excess) for one in kept), 1e-12)
    return [
        RootCause(
            slice=prepared.named(one.codes),
            score=one.score,
            excess=one.excess,
            lift=one.lift,
            support=one.support,
            actual=one.actual,
            expected=one.expected,
            share=abs(one.excess) / total,
            alternatives=alternatives_to(one, prepared, model, limits, pool),
        )
        for one in sorted(kept, key=lambda one: -abs(one.excess))
    ]
