"""Findings: what one look says: per metric the slices that got worse, siblings joined, under one name a cause."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qoescope.monitor.detect.attribution import Naming, codebook, rows
from qoescope.monitor.detect.cusum import Burn, Cusum, shallow
from qoescope.monitor.detect.finding import ALPHA, ONSET_STEPS, Finding, finding
from qoescope.monitor.detect.history import History, Span
from qoescope.monitor.detect.kpis import Kpi, dispersed, forecast
from qoescope.monitor.search.counts import Floats, Leaves, Value
from qoescope.monitor.search.explain import found
from qoescope.monitor.search.overdispersion import drift, errors_by_depth
from qoescope.monitor.search.siblings import siblings

_CLEAN_WINDOWS = 24
_REMEMBER_EVERY = 3
_LEAST_CLEAN = 6
_RECENT = 10


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
        return Naming(self.history, self.kpis, leaves, window, ongoing).named(seen)

    def _of(self, kpi: Kpi, leaves: Leaves, window: range, without: Sequence[Span]) -> list[Finding]:
        counts = kpi.leaves(leaves, len(self.history.columns))
        if kpi.watched.kind == "volume":
            counts = forecast(counts)
        if not counts.size or counts.sums[len(kpi.parts) :].sum() <= 0:
            return []
        measure = dispersed(kpi.measure(), counts)
        limits = kpi.limits(self._drift(kpi))
        limits = replace(limits, alpha=ALPHA, in_order=True)
        slices = found(counts, measure, limits, measured=self._drift(kpi) is not None)
        self._remember(kpi, counts, [s.slice for s in slices], without, window)
        told = siblings(one for one in slices if not one.slice.keys() & set(kpi.watched.apart))
        return [finding(self.history, kpi, one, one.slice, window) for one in told]

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
        codes = codebook(counts)
        keep = np.ones(counts.size, dtype=bool)
        ongoing = [s.chosen for s in without if s.end > window[0]]
        for chosen in [*slices, *ongoing]:
            keep &= ~rows(counts, codes, chosen)
        if keep.mean() < 0.3:  # noqa: PLR2004 - too little is left to be called usual
            return
        measure = kpi.measure()
        rest = measure.prepared(counts.only(keep))
        limits = replace(kpi.limits(None), depth=2)
        strays = errors_by_depth(rest, measure, limits)
        self._strays.setdefault(kpi.watched.metric, deque(maxlen=_CLEAN_WINDOWS)).append(strays)

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
        window = range(max(burn.since, at - ONSET_STEPS), at + 1)
        if not before or len(window) <= 1:
            return []
        counts = kpi.leaves(self.history.against(window, before, ()), len(self.history.columns))
        limits = replace(kpi.limits(self._drift(kpi)), alpha=ALPHA, in_order=True)
        slices = found(counts, kpi.measure(), limits, measured=self._drift(kpi) is not None)
        if not slices:
            cusum.restart(burn.name)
            return []
        named = [finding(self.history, kpi, one, one.slice, window) for one in siblings(slices)]
        return [one for one in named if self._still(kpi, one, at)]

    def _still(self, kpi: Kpi, one: Finding, at: int) -> bool:
        """Whether the last minutes of the slice are bad too: a burn that ended is over."""
        n, k = kpi.sums(self.history.series(range(at + 1 - _RECENT, at + 1), one.slice)).sum(axis=1)
        due = n * one.expected
        return bool(k - due > 2.0 * np.sqrt(max(due, 1.0)))
