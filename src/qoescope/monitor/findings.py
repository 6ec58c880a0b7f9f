"""Findings: what one look says: per metric the slices that got worse, siblings joined, with their onset."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import exp, log

import numpy as np

from qoescope.catalog.watch import Watched
from qoescope.monitor.cells import matching
from qoescope.monitor.counts import Floats, Leaves, Value
from qoescope.monitor.cusum import Burn, Cusum, shallow
from qoescope.monitor.explain import Found, found
from qoescope.monitor.history import Chosen, History, Span, listed
from qoescope.monitor.kpis import Kpi, dispersed, forecast
from qoescope.monitor.noise import drift, errors_by_depth
from qoescope.monitor.onset import change_point, excesses
from qoescope.monitor.rivals import Rival

_ALIKE = 1.6
_ONSET_STEPS = 60
_CLEAN_WINDOWS = 24
_LEAST_CLEAN = 6
_RECENT = 10
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
        self, window: range, baseline: Sequence[int], without: Sequence[Span] = (), *, burns: bool = True
    ) -> list[Finding]:
        """What the window's counts say against the baseline's, strongest first."""
        if not baseline:
            return []
        leaves = self.history.against(window, baseline, without)
        seen: list[Finding] = []
        for kpi in self.kpis:
            mine = self._of(kpi, leaves, window, without)
            if burns and kpi.watched.kind == "share":
                mine += self._slow(kpi, window[-1], baseline, without, mine)
            seen += mine
        return sorted(seen, key=lambda f: -f.score)

    def _of(self, kpi: Kpi, leaves: Leaves, window: range, without: Sequence[Span]) -> list[Finding]:
        counts = kpi.leaves(leaves, len(self.history.columns))
        if kpi.watched.kind == "volume":
            counts = forecast(counts)
        if not counts.size or counts.sums[len(kpi.parts) :].sum() <= 0:
            return []
        measure = dispersed(kpi.measure(), counts)
        limits = kpi.limits(self._drift(kpi))
        limits = replace(limits, alpha=_ALPHA)
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
        if window[-1] % len(window) or kpi.watched.kind == "volume":
            return
        codes = {name: {v: c for c, v in enumerate(counts.values[d])} for d, name in enumerate(counts.dims)}
        keep = np.ones(counts.size, dtype=bool)
        ongoing = [{n: list(v) for n, v in s.slice} for s in without if s.end > window[0]]
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
        limits = replace(kpi.limits(self._drift(kpi)), alpha=_ALPHA)
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
