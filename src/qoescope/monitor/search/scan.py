"""Scan: score every slice of up to four dimensions, choose the best, peel it off, look again.

A likelihood-ratio scan (Kulldorff 1997) over grouped counts. A slice's gain is its preference over φ - ln(slices in its
grouping) - 2·(depth - 1): of two names for the same sessions the plainer one wins. It stops when L/φ < ln(all slices /
alpha), which is Bonferroni's bound on a false choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

from qoescope.monitor.search.cells import CellCounter, Cells, Grouping, groupings, matching, root_cell, summed
from qoescope.monitor.search.comparison import strongest_cause
from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import Evidence, EvidenceModel
from qoescope.monitor.search.slices import Slice

DEPTH = 4

_KEPT = 50
"""Candidates kept a grouping: the strongest."""

_SHOWN = 200
"""Alternatives that are kept of a choice."""

_HOPE = 1.0
"""A slice that promises less need not have its baseline counted."""

_GROUPINGS = 80
"""Groupings whose baseline is counted: the most promising ones."""

_REMAINDER = 0.25
"""A remainder that shows less of the rise than this is as usual …"""

_SURPRISE = 3.5
"""… if that is this many standard deviations from showing all of it."""

_EXCEPTION = 0.25
"""A remainder with less of the sessions is an exception, for which some values of a dimension do not stand in for all:
what is slower or stricter does not show where there is room to spare, as a lower ceiling on a fast line does not."""

_PARTS = 3
"""Narrower slices that may stand in for a broader one; with more of them, the worst each time, any rest is as usual."""

_WORTH = 1.25
"""Several parts must be so many times as likely as the whole, names' cost included: the worst of some values, hit alike
but for chance and drift, always are a little likelier. Of the bench's windows those with values that are hit unlike
get fewer wrong names by it, and those with causes that share a value a few wholes more. Everything is no name: it says
that nothing is spared, so any parts that leave a rest as usual refute it."""


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """When a slice counts as a candidate, and how sure a finding must be."""

    support: float = 25.0
    excess: float = 8.0
    lift: float = 1.3
    root_lift: float = 1.5
    """For the whole, whose own drift one window cannot tell."""
    alpha: float = 0.01
    findings: int = 8
    depth: int = DEPTH
    floor: float = 0.0
    """The least excess of a further finding, as a part of the largest one's."""
    drift: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    """Variance of a clean slice's drift, by depth: φ = 1 + drift · information."""
    in_order: bool = False
    """Of names for the same sessions the one whose dimensions stand first wins; else the one of fewer slices."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A slice that was chosen, the alternatives to it, and how many slices were scored."""

    best: Slice
    others: tuple[Slice, ...]
    slices: int


def figures(sums: Floats, model: EvidenceModel, codes: Mapping[int, int], limits: SearchLimits) -> Slice:
    """The figures of one slice from its summed columns, whether it is a candidate or not."""
    evidence = model.evidence(sums.reshape(-1, 1), len(codes))
    return _slices(evidence, limits, [codes], np.array([0]), 0.0)[0]


def _slices(
    evidence: Evidence, limits: SearchLimits, codes: Sequence[Mapping[int, int]], picked: NDArray[np.int64], cost: float
) -> list[Slice]:
    """`picked` entries of the evidence as slices; `codes` names them in the same order."""
    drift = limits.drift[min(len(codes[0]) if codes else 0, len(limits.drift) - 1)]
    return [
        Slice(
            codes=where,
            score=float(evidence.score[i] / (1 + drift * evidence.information[i])),
            preference=float(evidence.preference[i] / (1 + drift * evidence.information[i])),
            gain=float(evidence.preference[i] / (1 + drift * evidence.information[i])) - cost,
            excess=float(evidence.excess[i]),
            lift=float(evidence.lift[i]),
            support=float(evidence.support[i]),
            actual=float(evidence.actual[i]),
            expected=float(evidence.expected[i]),
            information=float(evidence.information[i]),
        )
        for where, i in zip(codes, (int(i) for i in picked), strict=True)
    ]


def candidates(cells: Cells, model: EvidenceModel, limits: SearchLimits, number: int) -> list[Slice]:
    """The strongest slices of a grouping with `number` supported ones that pass the limits."""
    depth = len(cells.dims)
    evidence = model.evidence(cells.sums, depth)
    damping = 1 + limits.drift[min(depth, len(limits.drift) - 1)] * evidence.information
    strength = np.maximum(evidence.score, evidence.preference) / damping
    good = (np.abs(evidence.excess) >= limits.excess) & (evidence.lift >= (limits.lift if depth else limits.root_lift))
    good &= (evidence.support >= limits.support) & (strength >= log(1 / limits.alpha))
    picked = np.flatnonzero(good)
    picked = picked[np.argsort(-strength[picked], kind="stable")[:_KEPT]]
    codes = [dict(zip(cells.dims, (int(c) for c in cells.codes[:, i]), strict=True)) for i in picked]
    return _slices(evidence, limits, codes, picked, _cost(depth, number))


def _cost(depth: int, number: int) -> float:
    """What a slice's name costs: one among `number` of its grouping, and 2 for each dimension beyond the first."""
    return log(max(number, 1)) + 2.0 * max(depth - 1, 0)


@dataclass(slots=True)
class Search:
    """One search: what is looked at, and how much was."""

    model: EvidenceModel
    limits: SearchLimits
    wanted: list[Grouping]
    slices: int = 1
    by_dims: dict[Grouping, int] = field(default_factory=dict)

    def promising(self, leaves: Leaves) -> list[tuple[float, Cells]]:
        """Each wanted grouping's best promise and promising slices, counted over the window's leaves alone."""
        support = np.maximum(self.model.support(leaves.sums), 0.0)
        present = support > 0
        window = Leaves(
            leaves.dims, leaves.values, leaves.codes[:, present], leaves.sums[self.model.window, :][:, present]
        )
        first = not self.by_dims
        kept = []
        for cells in CellCounter(window, support[present], self.wanted, self.limits.support).cells():
            if first:
                self.by_dims[cells.dims] = cells.codes.shape[1]
            promise = self.model.promise(cells.sums)
            picked = np.flatnonzero(promise >= _HOPE)
            if picked.size:
                picked = picked[np.argsort(-promise[picked], kind="stable")[:_SHOWN]]
                best = float(promise[picked[0]]) - _cost(len(cells.dims), self.by_dims.get(cells.dims, 1))
                kept.append((best, Cells(cells.dims, cells.codes[:, picked], cells.sums[:, picked])))
        if first:
            self.slices += sum(self.by_dims.values())
            self.wanted = [cells.dims for _, cells in kept]
        return sorted(kept, key=lambda pair: (-pair[0], pair[1].dims))[:_GROUPINGS]

    def ranked(self, leaves: Leaves, *, root: bool = True) -> list[Slice]:
        """Slices that are sure enough, best first. The first call counts all slices and drops barren groupings.

        Without `root` a broader slice is sure already, and only which part of it is to blame stands in question.
        """
        slices = candidates(root_cell(leaves), self.model, self.limits, 1) if root else []
        for _, cells in self.promising(leaves):
            counted = Cells(cells.dims, cells.codes, summed(leaves, cells.dims, cells.codes))
            slices += candidates(counted, self.model, self.limits, self.by_dims.get(cells.dims, 1))
        bar = log(self.slices / self.limits.alpha)
        sure = (one for one in slices if (one.score if root else one.preference) >= bar)
        return by_gain(list(sure), in_order=self.limits.in_order)

    def peel(self, leaves: Leaves) -> list[Choice]:
        """Slices that got worse, each found after the sessions of those before it were taken out."""
        choices: list[Choice] = []
        while len(choices) < self.limits.findings and leaves.size:
            ranked = self.ranked(leaves)
            if not ranked:
                break
            parts = self.parts(leaves, strongest_cause(leaves, self.model, ranked))
            choices += [Choice(part, tuple(ranked[1:_SHOWN]), self.slices) for part in parts]
            leaves = leaves.only(~np.any([matching(leaves, part.codes) for part in parts], axis=0))
        return choices

    def parts(self, leaves: Leaves, best: Slice) -> list[Slice]:
        """`best`, or the narrower slices that account for it while its remainder is as usual and no mere exception."""
        inside = sorted({_without(dims, best) for dims in self.wanted if set(best.codes) < set(dims)})
        inner = Search(self.model, self.limits, inside, self.slices, {d: self.by_dims.get(d, 1) for d in inside})
        rest = leaves.only(matching(leaves, best.codes))
        parts: list[Slice] = []
        while inside and len(parts) < _PARTS and rest.size:
            ranked = inner.ranked(rest, root=False)
            if not ranked:
                break
            part = ranked[0]
            rest = rest.only(~matching(rest, part.codes))
            parts.append(replace(part, codes={**best.codes, **part.codes}, score=max(part.score, best.score)))
            if self._as_usual(rest, best):
                if not _stand_in(parts, best):
                    return [best]
                siblings = len(parts) > 1 and set.intersection(*(set(part.codes) for part in parts)) - set(best.codes)
                left = float(self.model.support(rest.sums).sum())
                return [best] if siblings and left < _EXCEPTION * best.support else parts
        return [best]

    def _as_usual(self, leaves: Leaves, best: Slice) -> bool:
        """Whether the remainder of `best` is large enough to have shown its rise, and does not show it."""
        if not leaves.size:
            return False
        rest = figures(leaves.sums.sum(axis=1), self.model, best.codes, self.limits)
        due = best.excess / max(best.support, 1e-12) * rest.support
        if abs(due) < self.limits.excess:
            return False
        shown = rest.excess / due
        spread = sqrt(abs(due) * (1 + 1 / max(best.lift - 1, 1e-6)))
        return shown < _REMAINDER and abs(due) * (1 - shown) > _SURPRISE * spread


def _stand_in(parts: Sequence[Slice], best: Slice) -> bool:
    """Whether parts that leave a rest as usual say better than `best` what got worse."""
    if not best.codes:
        return True
    return sum(part.gain for part in parts) > best.gain * (_WORTH if len(parts) > 1 else 1.0)


def by_gain(slices: Sequence[Slice], *, in_order: bool) -> list[Slice]:
    """Best first. With `in_order` slices of one depth that hold the same sessions share their best one's gain."""
    if not in_order:
        return sorted(slices, key=lambda one: (-one.gain, one.depth))
    gain: dict[tuple[float, ...], float] = {}
    for one in slices:
        gain[one.fingerprint] = max(one.gain, gain.get(one.fingerprint, -inf))
    return sorted(slices, key=lambda one: (-gain[one.fingerprint], one.depth, one.name_order))


def _without(dims: Grouping, best: Slice) -> Grouping:
    return tuple(dim for dim in dims if dim not in best.codes)


def peel(leaves: Leaves, model: EvidenceModel, limits: SearchLimits) -> list[Choice]:
    """Slices of prepared leaves that got worse, best first."""
    wanted = groupings(leaves.only(model.support(leaves.sums) > 0), limits.depth)
    return Search(model, limits, wanted).peel(leaves)
