"""Findings: what one look says: per metric the slices that got worse, siblings joined, with their onset."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log

import numpy as np

from qoescope.catalog.watch import Watched
from qoescope.monitor.cells import matching
from qoescope.monitor.counts import Floats, Leaves, Value
from qoescope.monitor.cusum import Burn, Cusum, shallow
from qoescope.monitor.duel import HALF, as_bad
from qoescope.monitor.explain import Found, found
from qoescope.monitor.history import Chosen, History, Span, listed
from qoescope.monitor.kpis import Kpi, dispersed, forecast
from qoescope.monitor.noise import drift, errors_by_depth
from qoescope.monitor.onset import change_point, excesses
from qoescope.monitor.rivals import Rival
from qoescope.monitor.scan import figures
from qoescope.monitor.siblings import siblings

_ONSET_STEPS = 60
_CLEAN_WINDOWS = 24
_REMEMBER_EVERY = 3
_LEAST_CLEAN = 6
_RECENT = 10
_AS_GOOD = 0.8
"""An incident keeps its name while that scores this part of the best one."""
_AS_USUAL = -5.0
"""… unless this much speaks for the rest of its sessions being as usual, where the best one is a plain part of it."""
_STILL_CLEAN = 5.0
"""What a remainder may score and still be as usual."""
MOST_VOTE = 60.0
"""What one window's finding may speak for a name at most."""
_ALPHA = 0.001
"""Of a metric and window; there are some ten metrics."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A slice that one metric says got worse in one window."""

    watched: Watched
    slice: Chosen
    score: float
    excess: float
    lift: float
    support: float
    actual: float
    expected: float
    share: float
    onset: int
    """Step of the change point."""
    rivals: tuple[Rival, ...] = ()
    kin: tuple[Chosen, ...] = ()
    """Slices of incidents that go on, of which it holds a part of the sessions, or that are a part of it."""

    @property
    def confidence(self) -> float:
        """1 - exp(ln(1/alpha) - score), 0 at the bar's foot."""
        return max(0.0, 1.0 - exp(-max(self.score - log(1 / _ALPHA), 0.0)))


@dataclass(slots=True)
class Watcher:
    """Looks at a history, window after window; remembers how clean windows stray, and what burns slowly."""

    history: History
    kpis: Sequence[Kpi]
    _strays: dict[str, deque[list[tuple[Floats, Floats]]]] = field(default_factory=dict)
    _cusums: dict[str, Cusum] = field(default_factory=dict)

    def findings(
        self,
        window: range,
        baseline: Sequence[int],
        without: Sequence[Span] = (),
        told: Sequence[Span] = (),
        *,
        burns: bool = True,
    ) -> list[Finding]:
        """What the window's counts say against the baseline's, strongest first.

        `without` are incidents: they are no history, and one that goes on lends its name to what fits it as well. What
        is `told` already is taken out of the window, too.
        """
        if not baseline:
            return []
        leaves = self.history.against(window, baseline, without, told)
        seen: list[Finding] = []
        for kpi in self.kpis:
            mine = self._of(kpi, leaves, window, without)
            if burns and kpi.watched.kind == "share":
                mine += self._slow(kpi, window[-1], baseline, without, mine)
            seen += mine
        ongoing = [s for s in without if s.end > window[-1]]
        kept = [self._kept_name(f, ongoing, leaves, window) for f in sorted(seen, key=lambda f: -f.score)]
        causes = [s.chosen for s in ongoing] + [f.slice for f in kept if f.slice and not f.watched.symptom]
        named = self._one_name(self._own(kept, causes, leaves, window), leaves, window)
        return [replace(f, kin=_kin(f, ongoing, leaves)) for f in named]

    def _kept_name(self, f: Finding, ongoing: Sequence[Span], leaves: Leaves, window: range) -> Finding:
        """The finding under the name of an incident that goes on, if that holds nearly the same bad sessions.

        Not where less spoke for that name so far than speaks for the finding's own now: first windows see little.
        """
        known = [replace(f, slice=s.chosen) for s in ongoing if s.votes >= min(f.score, MOST_VOTE)]
        if any(name(replace(f, slice=s.chosen)) == name(f) for s in ongoing):
            return f
        kpi = next(k for k in self.kpis if k.watched is f.watched)
        other = next((one for one in known if self._explains(kpi, one, f, leaves, least=_AS_GOOD)), None)
        told = self._told(kpi, other, leaves, window) if other else None
        return replace(told, score=f.score, rivals=f.rivals, onset=f.onset) if told else f

    def _one_name(self, seen: Sequence[Finding], leaves: Leaves, window: range) -> list[Finding]:
        """The same with one name a cause: a metric whose slice is bad only where another's is bad goes by that one."""
        named: list[Finding] = []
        for f in seen:
            kpi = next(k for k in self.kpis if k.watched is f.watched)
            others = [a for a in named if a.watched is not f.watched and name(a) != name(f)]
            taken = {name(a) for a in named if a.watched is f.watched}
            other = next((a for a in others if name(a) not in taken and self._explains(kpi, a, f, leaves)), None)
            known = self._told(kpi, other, leaves, window) if other else f
            named.append(replace(known, score=f.score, rivals=f.rivals, onset=f.onset))
        return named

    def _own(self, seen: Sequence[Finding], told: Sequence[Chosen], leaves: Leaves, window: range) -> list[Finding]:
        """The same without symptoms that are clean outside what is `told`: they go by those of its names they show in.

        So viewers who tire of waiting in two places at once are no third cause, named for what the two have in common.
        """
        own: dict[tuple[str, str], Finding] = {}
        for f in seen:
            showing = self._shown_in(f, told, leaves, window) if f.watched.symptom else None
            for one in [f] if showing is None else showing:
                own.setdefault((f.watched.metric, name(one)), one)
        return list(own.values())

    def _shown_in(self, f: Finding, told: Sequence[Chosen], leaves: Leaves, window: range) -> list[Finding] | None:
        """What a symptom says of the slices that it shows in; None where it has sessions of its own."""
        others = {name(one): one for one in (replace(f, slice=chosen) for chosen in told)}
        if name(f) in others:
            return None
        kpi = next(k for k in self.kpis if k.watched is f.watched)
        limits = kpi.limits(None)
        showing = [
            one for one in (self._told(kpi, o, leaves, window) for o in others.values()) if one.lift >= limits.lift
        ]
        counts, codes = self._counted(kpi, leaves)
        beside = _rows(counts, codes, f.slice)
        for one in showing:
            beside &= ~_rows(counts, codes, one.slice)
        rest = figures(counts.sums[:, beside].sum(axis=1), kpi.measure(), {0: 0}, limits)
        if rest.score >= _STILL_CLEAN and rest.support >= limits.support:
            return None
        return [one for one in showing if one.score >= log(1 / _ALPHA)]

    def _counted(self, kpi: Kpi, leaves: Leaves) -> tuple[Leaves, dict[str, dict[Value, int]]]:
        """The metric's counts with what is expected of them, and the codes of their values."""
        counts = kpi.measure().prepared(kpi.leaves(leaves, len(self.history.columns)))
        return counts, _codebook(counts)

    def _explains(self, kpi: Kpi, other: Finding, f: Finding, leaves: Leaves, least: float = 0.0) -> bool:
        """Whether `f`'s metric is bad all over `other`'s slice, and not in its own slice outside of that one."""
        if not other.slice or not f.slice or kpi.watched.kind == "volume":
            return False
        counts, codes = self._counted(kpi, leaves)
        mine, theirs = _rows(counts, codes, f.slice), _rows(counts, codes, other.slice)
        limits = kpi.limits(None)
        both, beside = (counts.sums[:, rows].sum(axis=1) for rows in (mine & theirs, theirs & ~mine))
        there, outside = (
            figures(counts.sums[:, rows].sum(axis=1), kpi.measure(), {0: 0}, limits)
            for rows in (theirs, mine & ~theirs)
        )
        shared, besides = (figures(sums, kpi.measure(), {0: 0}, limits) for sums in (both, beside))
        clean = outside.score < _STILL_CLEAN or outside.support < limits.support
        own = figures(counts.sums[:, mine].sum(axis=1), kpi.measure(), {0: 0}, limits).score
        bad = there.lift >= limits.lift and there.score >= max(log(1 / _ALPHA), least * own)
        if not least:
            bad &= besides.lift >= limits.lift or besides.support < limits.support
        elif all(len(listed(value)) == 1 for value in f.slice.values()):
            bad &= as_bad(kpi.measure(), beside, both, HALF) > _AS_USUAL
        return bool(clean and bad and shared.score >= own / 3)

    def _told(self, kpi: Kpi, other: Finding, leaves: Leaves, window: range) -> Finding:
        """What the metric says of another finding's slice."""
        counts, codes = self._counted(kpi, leaves)
        rows = _rows(counts, codes, other.slice)
        one = figures(counts.sums[:, rows].sum(axis=1), kpi.measure(), {0: 0}, kpi.limits(None))
        root = figures(counts.sums.sum(axis=1), kpi.measure(), {}, kpi.limits(None))
        share = one.excess / max(root.excess, one.excess, 1e-12)
        told = Found({}, one.score, one.excess, one.lift, one.support, one.actual, one.expected, share)
        return replace(self._finding(kpi, replace(told, slice=other.slice), window), slice=other.slice)  # type: ignore[arg-type]

    def _of(self, kpi: Kpi, leaves: Leaves, window: range, without: Sequence[Span]) -> list[Finding]:
        counts = kpi.leaves(leaves, len(self.history.columns))
        if kpi.watched.kind == "volume":
            counts = forecast(counts)
        if not counts.size or counts.sums[len(kpi.parts) :].sum() <= 0:
            return []
        measure = dispersed(kpi.measure(), counts)
        limits = kpi.limits(self._drift(kpi))
        limits = replace(limits, alpha=_ALPHA, in_order=True)
        slices = found(counts, measure, limits, measured=self._drift(kpi) is not None)
        self._remember(kpi, counts, [s.slice for s in slices], without, window)
        return [self._finding(kpi, one, window) for one in siblings(slices)]

    def _drift(self, kpi: Kpi) -> tuple[float, ...] | None:
        strays = self._strays.get(kpi.watched.metric)
        if strays is None or len(strays) < _LEAST_CLEAN:
            return None
        pooled = [
            drift(np.concatenate([w[d][0] for w in strays]), np.concatenate([w[d][1] for w in strays]))
            for d in range(len(strays[0]))
        ]
        pooled[0] = max(pooled[0], pooled[1]) if len(pooled) > 1 else pooled[0]
        return tuple(pooled)

    def _remember(
        self, kpi: Kpi, counts: Leaves, slices: Sequence[Mapping[str, Value]], without: Sequence[Span], window: range
    ) -> None:
        """How the slices outside any incident strayed in this window; each fifth window, for they overlap."""
        every = max(len(window), _REMEMBER_EVERY)
        if window[-1] % every or kpi.watched.kind == "volume":
            return
        codes = _codebook(counts)
        keep = np.ones(counts.size, dtype=bool)
        ongoing = [s.chosen for s in without if s.end > window[0]]
        for chosen in [*slices, *ongoing]:
            keep &= ~_rows(counts, codes, chosen)
        if keep.mean() < 0.3:  # noqa: PLR2004 - too little is left to be called usual
            return
        measure = kpi.measure()
        rest = measure.prepared(counts.only(keep))
        limits = replace(kpi.limits(None), depth=2)
        strays = errors_by_depth(rest, measure, limits)
        self._strays.setdefault(kpi.watched.metric, deque(maxlen=_CLEAN_WINDOWS)).append(strays)

    def _finding(self, kpi: Kpi, one: Found, window: range) -> Finding:
        steps = range(window[-1] + 1 - _ONSET_STEPS, window[-1] + 1)
        sums = kpi.sums(self.history.series(steps, one.slice))
        expected = one.expected / max(len(window), 1) if kpi.watched.kind == "volume" else one.expected
        excess, variance = excesses(kpi.watched.kind, sums, expected, higher_is_worse=kpi.watched.higher_is_worse)
        return Finding(
            watched=kpi.watched,
            slice=one.slice,
            score=one.score,
            excess=one.excess,
            lift=one.lift,
            support=one.support,
            actual=one.actual,
            expected=one.expected,
            share=one.share,
            onset=steps[change_point(excess, variance)],
            rivals=one.rivals,
        )

    def _slow(
        self, kpi: Kpi, at: int, baseline: Sequence[int], without: Sequence[Span], fast: Sequence[Finding]
    ) -> list[Finding]:
        """Slow burns of a share: the CUSUM says since when to look, the scan names the slice."""
        last = kpi.leaves(self.history.against([at], [], ()), len(self.history.columns))
        cusum = self._cusums.setdefault(kpi.watched.metric, Cusum())
        burning = cusum.step(at, shallow(last.codes, last.values, last.dims, last.sums[:2]))
        if fast or not burning or without:
            return []
        return self._burning(kpi, burning[0], at, baseline, cusum)

    def _burning(self, kpi: Kpi, burn: Burn, at: int, baseline: Sequence[int], cusum: Cusum) -> list[Finding]:
        before = [step for step in baseline if step < burn.since]
        window = range(max(burn.since, at - _ONSET_STEPS), at + 1)
        if not before or len(window) <= 1:
            return []
        counts = kpi.leaves(self.history.against(window, before, ()), len(self.history.columns))
        limits = replace(kpi.limits(self._drift(kpi)), alpha=_ALPHA, in_order=True)
        slices = found(counts, kpi.measure(), limits, measured=self._drift(kpi) is not None)
        if not slices:
            cusum.restart(burn.name)
            return []
        named = [self._finding(kpi, one, window) for one in siblings(slices)]
        return [one for one in named if self._still(kpi, one, at)]

    def _still(self, kpi: Kpi, one: Finding, at: int) -> bool:
        """Whether the last minutes of the slice are bad too: a burn that ended is over."""
        n, k = kpi.sums(self.history.series(range(at + 1 - _RECENT, at + 1), one.slice)).sum(axis=1)
        due = n * one.expected
        return bool(k - due > 2.0 * np.sqrt(max(due, 1.0)))


def name(f: Finding) -> str:
    """The finding's slice as one text."""
    return str(sorted((n, tuple(map(str, listed(v)))) for n, v in f.slice.items()))


def _kin(f: Finding, ongoing: Sequence[Span], leaves: Leaves) -> tuple[Chosen, ...]:
    codes = _codebook(leaves)
    mine = _rows(leaves, codes, f.slice)
    spans = [(s.chosen, _rows(leaves, codes, s.chosen)) for s in ongoing]
    return tuple(chosen for chosen, theirs in spans if not (mine & ~theirs).any() or not (theirs & ~mine).any())


def _codebook(counts: Leaves) -> dict[str, dict[Value, int]]:
    return {dim: {v: c for c, v in enumerate(counts.values[d])} for d, dim in enumerate(counts.dims)}


def _rows(counts: Leaves, codes: Mapping[str, Mapping[Value, int]], chosen: Chosen) -> np.ndarray:
    rows = np.ones(counts.size, dtype=bool)
    for name, value in chosen.items():
        some = np.zeros(counts.size, dtype=bool)
        for v in listed(value):
            code = codes.get(name, {}).get(v)
            if code is not None:
                some |= matching(counts, {counts.dims.index(name): code})
        rows &= some
    return rows
