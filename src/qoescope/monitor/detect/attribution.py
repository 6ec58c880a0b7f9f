"""Naming: one name a cause: what several metrics say of one window's sessions, under the names that tell the most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log

import numpy as np

from qoescope.monitor.detect.finding import ALPHA, MOST_VOTE, Finding, finding
from qoescope.monitor.detect.history import Chosen, History, Span, listed, name_of
from qoescope.monitor.detect.kpis import Kpi
from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.comparison import HALF, as_bad
from qoescope.monitor.search.counts import Floats, Leaves, Value
from qoescope.monitor.search.explain import Found
from qoescope.monitor.search.scan import figures
from qoescope.monitor.search.slices import Slice

_AS_GOOD = 0.8
"""An incident keeps its name while that scores this part of the best one."""
_AS_USUAL = -5.0
"""… unless this much speaks for the rest of its sessions being as usual, where the best one is a plain part of it."""
_STILL_CLEAN = 5.0
"""What a remainder may score and still be as usual."""


@dataclass(slots=True)
class Seen:
    """What one metric counted in the window: leaves with what is expected of them, and its judgement of any of them."""

    kpi: Kpi
    counts: Leaves
    codes: dict[str, dict[Value, int]]

    def rows(self, chosen: Chosen) -> np.ndarray:
        """Which leaves lie in the slice."""
        return rows(self.counts, self.codes, chosen)

    def sums(self, inside: np.ndarray) -> Floats:
        """The summed columns of these leaves."""
        return np.asarray(self.counts.sums[:, inside].sum(axis=1))

    def figures(self, inside: np.ndarray) -> Slice:
        """The figures of these leaves, as those of a slice of one dimension."""
        return figures(self.sums(inside), self.kpi.measure(), {0: 0}, self.kpi.limits(None))

    def clean(self, inside: np.ndarray) -> bool:
        """Whether these leaves are as usual, or too few to say."""
        one = self.figures(inside)
        return one.score < _STILL_CLEAN or one.support < self.kpi.limits(None).support


@dataclass(slots=True)
class Naming:
    """One window's findings and the incidents that go on."""

    history: History
    kpis: Sequence[Kpi]
    leaves: Leaves
    window: range
    ongoing: Sequence[Span]
    _seen: dict[str, Seen] = field(default_factory=dict)

    def named(self, found: Sequence[Finding]) -> list[Finding]:
        """The findings, strongest first, under the names that they go by, each with its kin."""
        kept = [self._kept_name(f) for f in sorted(found, key=lambda f: -f.score)]
        causes = [s.chosen for s in self.ongoing] + [f.slice for f in kept if f.slice and not f.watched.symptom]
        return [replace(f, kin=self._kin(f)) for f in self._one_name(self._own(kept, causes))]

    def _kept_name(self, f: Finding) -> Finding:
        """The finding under the name of an incident that goes on, if that holds nearly the same bad sessions.

        Not where less spoke for that name so far than speaks for the finding's own now: first windows see little.
        """
        if any(name_of(s.chosen) == f.name for s in self.ongoing):
            return f
        known = [s.chosen for s in self.ongoing if s.votes >= min(f.score, MOST_VOTE)]
        return self._as_one_of(f, [chosen for chosen in known if self._explains(chosen, f, least=_AS_GOOD)])

    def _one_name(self, found: Sequence[Finding]) -> list[Finding]:
        """The same with one name a cause: a metric whose slice is bad only where another's is bad goes by that one."""
        named: list[Finding] = []
        for f in found:
            taken = {a.name for a in named if a.watched is f.watched} | {f.name}
            others = [a.slice for a in named if a.watched is not f.watched and a.name not in taken]
            named.append(self._as_one_of(f, [chosen for chosen in others if self._explains(chosen, f)]))
        return named

    def _as_one_of(self, f: Finding, names: Sequence[Chosen]) -> Finding:
        """The finding under the first of the names, if there is one."""
        if not names:
            return f
        return replace(self._told(f, names[0]), score=f.score, rivals=f.rivals, onset=f.onset)

    def _own(self, found: Sequence[Finding], causes: Sequence[Chosen]) -> list[Finding]:
        """The same without symptoms that are clean outside the causes: they go by those of them that they show in.

        So viewers who tire of waiting in two places at once are no third cause, named for what the two have in common.
        """
        own: dict[tuple[str, str], Finding] = {}
        for f in found:
            showing = self._shown_in(f, causes) if f.watched.symptom else None
            for one in [f] if showing is None else showing:
                own.setdefault((f.watched.metric, one.name), one)
        return list(own.values())

    def _shown_in(self, f: Finding, causes: Sequence[Chosen]) -> list[Finding] | None:
        """What a symptom says of the causes that it shows in; None where it has sessions of its own."""
        others = {name_of(chosen): chosen for chosen in causes}
        if f.name in others:
            return None
        seen = self._of(f)
        told = [self._told(f, chosen) for chosen in others.values()]
        showing = [one for one in told if one.lift >= seen.kpi.limits(None).lift]
        beside = seen.rows(f.slice)
        for one in showing:
            beside &= ~seen.rows(one.slice)
        return [one for one in showing if one.score >= log(1 / ALPHA)] if seen.clean(beside) else None

    def _explains(self, other: Chosen, f: Finding, least: float = 0.0) -> bool:
        """Whether `f`'s metric is bad all over the `other` slice, and not in its own slice outside of that one."""
        if not other or not f.slice or f.watched.kind == "volume":
            return False
        seen = self._of(f)
        limits, mine, theirs = seen.kpi.limits(None), seen.rows(f.slice), seen.rows(other)
        there, besides = seen.figures(theirs), seen.figures(theirs & ~mine)
        own = seen.figures(mine).score
        bad = there.lift >= limits.lift and there.score >= max(log(1 / ALPHA), least * own)
        as_both = as_bad(seen.kpi.measure(), seen.sums(theirs & ~mine), seen.sums(mine & theirs), HALF) > _AS_USUAL
        if not least:
            bad &= (besides.lift >= limits.lift and as_both) or besides.support < limits.support
        elif all(len(listed(value)) == 1 for value in f.slice.values()):
            bad &= as_both
        return bool(seen.clean(mine & ~theirs) and bad and seen.figures(mine & theirs).score >= own / 3)

    def _told(self, f: Finding, other: Chosen) -> Finding:
        """What the finding's metric says of another slice."""
        seen = self._of(f)
        one = seen.figures(seen.rows(other))
        root = figures(seen.counts.sums.sum(axis=1), seen.kpi.measure(), {}, seen.kpi.limits(None))
        share = one.excess / max(root.excess, one.excess, 1e-12)
        told = Found({}, one.score, one.excess, one.lift, one.support, one.actual, one.expected, share)
        return finding(self.history, seen.kpi, told, other, self.window)

    def _kin(self, f: Finding) -> tuple[Chosen, ...]:
        """Slices of ongoing incidents that hold all of the finding's sessions, or are held by it."""
        codes = codebook(self.leaves)
        mine = rows(self.leaves, codes, f.slice)
        spans = [(s.chosen, rows(self.leaves, codes, s.chosen)) for s in self.ongoing]
        return tuple(chosen for chosen, theirs in spans if not (mine & ~theirs).any() or not (theirs & ~mine).any())

    def _of(self, f: Finding) -> Seen:
        metric = f.watched.metric
        if metric not in self._seen:
            kpi = next(k for k in self.kpis if k.watched is f.watched)
            counts = kpi.measure().prepared(kpi.leaves(self.leaves, len(self.history.columns)))
            self._seen[metric] = Seen(kpi, counts, codebook(counts))
        return self._seen[metric]


def codebook(counts: Leaves) -> dict[str, dict[Value, int]]:
    """The code of each value of each dimension."""
    return {dim: {v: c for c, v in enumerate(counts.values[d])} for d, dim in enumerate(counts.dims)}


def rows(counts: Leaves, codes: Mapping[str, Mapping[Value, int]], chosen: Chosen) -> np.ndarray:
    """Which leaves lie in the slice, whose dimensions may have several values."""
    inside = np.ones(counts.size, dtype=bool)
    for name, value in chosen.items():
        some = np.zeros(counts.size, dtype=bool)
        for v in listed(value):
            code = codes.get(name, {}).get(v)
            if code is not None:
                some |= matching(counts, {counts.dims.index(name): code})
        inside &= some
    return inside
