"""Attribution: one name a cause: what several metrics say of one window, under the names that explain the most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from qoescope.monitor.detect.finding import ALPHA, MOST_VOTE, Finding, make_finding
from qoescope.monitor.detect.history import History, SliceSpan
from qoescope.monitor.detect.kpis import Kpi
from qoescope.monitor.detect.named_slices import NamedSlice, slice_key, values_of
from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.comparison import HALF_RISE, rise_evidence
from qoescope.monitor.search.counts import Floats, Leaves, Value
from qoescope.monitor.search.root_cause import RootCause
from qoescope.monitor.search.scan import figures
from qoescope.monitor.search.slices import Slice

_AS_GOOD = 0.8
"""An incident keeps its name while that scores this part of the best one …"""
_AS_USUAL = -5.0
"""… unless this much speaks for the rest of its sessions being as usual, where the best one is a plain part of it."""
_STILL_CLEAN = 5.0
"""What a remainder may score and still be as usual."""

Rows = NDArray[np.bool_]
"""Which leaves, one entry a leaf."""
Codebook = Mapping[str, Mapping[Value, int]]
"""Dimension → value → its code."""


def codebook(counts: Leaves) -> dict[str, dict[Value, int]]:
    """The code of each value of each dimension."""
    return {dim: {v: c for c, v in enumerate(counts.values[d])} for d, dim in enumerate(counts.dims)}


def rows_of(counts: Leaves, codes: Codebook, slice_: NamedSlice) -> Rows:
    """Which leaves lie in the slice, whose dimensions may have several values."""
    inside = np.ones(counts.size, dtype=bool)
    for name, value in slice_.items():
        some = np.zeros(counts.size, dtype=bool)
        for v in values_of(value):
            code = codes.get(name, {}).get(v)
            if code is not None:
                some |= matching(counts, {counts.dims.index(name): code})
        inside &= some
    return inside


@dataclass(slots=True)
class MetricCounts:
    """What one metric counted in the window: leaves with what is expected of them, and its judgement of any of them."""

    kpi: Kpi
    counts: Leaves
    codes: Codebook

    def rows(self, slice_: NamedSlice) -> Rows:
        """Which leaves lie in the slice."""
        return rows_of(self.counts, self.codes, slice_)

    def sums(self, inside: Rows) -> Floats:
        """The summed columns of these leaves."""
        return np.asarray(self.counts.sums[:, inside].sum(axis=1))

    def figures(self, inside: Rows) -> Slice:
        """The figures of these leaves, as those of a slice of one dimension."""
        return figures(self.sums(inside), self.kpi.model(), {0: 0}, self.kpi.limits(None))

    def is_clean(self, inside: Rows) -> bool:
        """Whether these leaves are as usual, or too few to say."""
        one = self.figures(inside)
        return one.score < _STILL_CLEAN or one.support < self.kpi.limits(None).support

    def rise_evidence(self, inside: Rows, like: Rows) -> float:
        """The evidence that these leaves rose like the others, or half as much."""
        return rise_evidence(self.kpi.model(), self.sums(inside), self.sums(like), HALF_RISE)


@dataclass(slots=True)
class Attribution:
    """Findings of one window, beside the incidents that go on."""

    history: History
    kpis: Sequence[Kpi]
    leaves: Leaves
    window: range
    ongoing: Sequence[SliceSpan]
    _counts: dict[str, MetricCounts] = field(default_factory=dict)

    def attribute(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings, strongest first, under one name a cause, each with the ongoing slices that overlap its own."""
        kept = [self._under_ongoing_name(f) for f in sorted(findings, key=lambda f: -f.score)]
        causes = [s.named for s in self.ongoing] + [f.slice for f in kept if f.slice and not f.watched.symptom]
        return [
            replace(f, overlapping=self._overlapping(f)) for f in self._one_name_a_cause(self._symptoms(kept, causes))
        ]

    def _under_ongoing_name(self, f: Finding) -> Finding:
        """The finding under the name of an ongoing incident, if that holds nearly the same bad sessions.

        Not where the evidence for that name so far is weaker than the finding's own: first windows see little.
        """
        if any(slice_key(s.named) == f.name for s in self.ongoing):
            return f
        known = [s.named for s in self.ongoing if s.votes >= min(f.score, MOST_VOTE)]
        return self._renamed(f, [slice_ for slice_ in known if self._explains(slice_, f, least=_AS_GOOD)])

    def _one_name_a_cause(self, findings: Sequence[Finding]) -> list[Finding]:
        """The same, but a metric whose slice is bad only where another's is bad goes by that one."""
        named: list[Finding] = []
        for f in findings:
            taken = {a.name for a in named if a.watched is f.watched} | {f.name}
            others = [a.slice for a in named if a.watched is not f.watched and a.name not in taken]
            named.append(self._renamed(f, [slice_ for slice_ in others if self._explains(slice_, f)]))
        return named

    def _renamed(self, f: Finding, names: Sequence[NamedSlice]) -> Finding:
        """The finding under the first of the names, if there is one."""
        if not names:
            return f
        return replace(self._of_slice(f, names[0]), score=f.score, alternatives=f.alternatives, onset=f.onset)

    def _symptoms(self, findings: Sequence[Finding], causes: Sequence[NamedSlice]) -> list[Finding]:
        """The same, but symptoms that are clean outside the causes go by those of them that they show in.

        So viewers who tire of waiting in two slices at once are no third cause, named for what the two have in common.
        """
        out: dict[tuple[str, str], Finding] = {}
        for f in findings:
            showing = self._causes_showing(f, causes) if f.watched.symptom else None
            for one in [f] if showing is None else showing:
                out.setdefault((f.watched.metric, one.name), one)
        return list(out.values())

    def _causes_showing(self, f: Finding, causes: Sequence[NamedSlice]) -> list[Finding] | None:
        """A symptom's findings in the causes that it shows in; None where it has sessions of its own."""
        others = {slice_key(slice_): slice_ for slice_ in causes}
        if f.name in others:
            return None
        counts = self._counts_of(f)
        findings = [self._of_slice(f, slice_) for slice_ in others.values()]
        showing = [one for one in findings if one.lift >= counts.kpi.limits(None).lift]
        beside = counts.rows(f.slice)
        for one in showing:
            beside &= ~counts.rows(one.slice)
        return [one for one in showing if one.score >= log(1 / ALPHA)] if counts.is_clean(beside) else None

    def _explains(self, other: NamedSlice, f: Finding, least: float = 0.0) -> bool:
        """Whether `f`'s metric is bad all over the `other` slice, and not in its own slice outside of that one.

        With `least` the other slice must score that part of what the finding's own does.
        """
        if not other or not f.slice or f.watched.kind == "volume":
            return False
        counts = self._counts_of(f)
        limits, mine, theirs = counts.kpi.limits(None), counts.rows(f.slice), counts.rows(other)
        there, besides = counts.figures(theirs), counts.figures(theirs & ~mine)
        own = counts.figures(mine).score
        bad = there.lift >= limits.lift and there.score >= max(log(1 / ALPHA), least * own)
        rose = counts.rise_evidence(theirs & ~mine, mine & theirs) > _AS_USUAL
        if not least:
            bad &= (besides.lift >= limits.lift and rose) or besides.support < limits.support
        elif all(len(values_of(value)) == 1 for value in f.slice.values()):
            bad &= rose
        return bool(counts.is_clean(mine & ~theirs) and bad and counts.figures(mine & theirs).score >= own / 3)

    def _of_slice(self, f: Finding, other: NamedSlice) -> Finding:
        """What the finding's metric says of another slice."""
        counts = self._counts_of(f)
        one = counts.figures(counts.rows(other))
        root = figures(counts.counts.sums.sum(axis=1), counts.kpi.model(), {}, counts.kpi.limits(None))
        share = one.excess / max(root.excess, one.excess, 1e-12)
        cause = RootCause({}, one.score, one.excess, one.lift, one.support, one.actual, one.expected, share)
        return make_finding(self.history, counts.kpi, cause, other, self.window)

    def _overlapping(self, f: Finding) -> tuple[NamedSlice, ...]:
        """Slices of ongoing incidents that hold all of the finding's sessions, or of which it holds all."""
        codes = codebook(self.leaves)
        mine = rows_of(self.leaves, codes, f.slice)
        spans = [(s.named, rows_of(self.leaves, codes, s.named)) for s in self.ongoing]
        return tuple(slice_ for slice_, theirs in spans if not (mine & ~theirs).any() or not (theirs & ~mine).any())

    def _counts_of(self, f: Finding) -> MetricCounts:
        """The window's counts of the finding's metric, prepared once."""
        metric = f.watched.metric
        if metric not in self._counts:
            kpi = next(k for k in self.kpis if k.watched is f.watched)
            counts = kpi.model().prepared(kpi.leaves(self.leaves, len(self.history.columns)))
            self._counts[metric] = MetricCounts(kpi, counts, codebook(counts))
        return self._counts[metric]
