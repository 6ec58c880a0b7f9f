"""Detector: one window against its baseline: per metric the slices that got worse, then one name a cause."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qoescope.monitor.detect.attribution import Attribution, codebook, rows_of
from qoescope.monitor.detect.cusum import Cusum, SlowBurn, counts_by_value
from qoescope.monitor.detect.finding import ALPHA, ONSET_STEPS, Finding, make_finding
from qoescope.monitor.detect.history import History, SliceSpan
from qoescope.monitor.detect.kpis import Kpi, dispersed, forecast
from qoescope.monitor.search.counts import Floats, Leaves, Value
from qoescope.monitor.search.find import find_root_causes
from qoescope.monitor.search.merge import merge_values
from qoescope.monitor.search.overdispersion import drift_variance, errors_by_depth
from qoescope.monitor.search.scan import SearchLimits

_CLEAN_WINDOWS = 24
"""Windows of which the strays of clean slices are remembered …"""
_REMEMBER_EVERY = 3
"""… at most one of so many, for they overlap …"""
_LEAST_CLEAN = 6
"""… and with fewer of them the drift is read off the window itself."""
_LEAST_REST = 0.3
"""With less of the leaves outside any incident a window says nothing of what is usual."""
_RECENT = 10
"""Steps in which a slow burn must still show."""

Strays = list[tuple[Floats, Floats]]
"""For each depth the relative errors of clean slices, and their information."""


@dataclass(slots=True)
class Detector:
    """Looks at a history, window after window; remembers how clean windows stray, and what burns slowly."""

    history: History
    kpis: Sequence[Kpi]
    _strays: dict[str, deque[Strays]] = field(default_factory=dict)
    _cusums: dict[str, Cusum] = field(default_factory=dict)

    def findings(
        self,
        window: range,
        baseline: Sequence[int],
        without: Sequence[SliceSpan] = (),
        known: Sequence[SliceSpan] = (),
        *,
        burns: bool = True,
    ) -> list[Finding]:
        """What the window's counts say against the baseline's, strongest first.

        `without` are incidents: they are no history, and one that goes on lends its name to what fits it as well. What
        is `known` already is taken out of the window, too. With `burns` slow burns of shares are looked for.
        """
        if not baseline:
            return []
        leaves = self.history.against(window, baseline, without, known)
        findings: list[Finding] = []
        for kpi in self.kpis:
            fast = self._fast(kpi, leaves, window, without)
            slow = burns and kpi.watched.kind == "share"
            findings += fast
            findings += self._slow(kpi, window[-1], baseline, without, fast) if slow else []
        ongoing = [s for s in without if s.end > window[-1]]
        return Attribution(self.history, self.kpis, leaves, window, ongoing).attribute(findings)

    def _fast(self, kpi: Kpi, leaves: Leaves, window: range, without: Sequence[SliceSpan]) -> list[Finding]:
        """What one metric says of the window."""
        counts = kpi.leaves(leaves, len(self.history.columns))
        if kpi.watched.kind == "volume":
            counts = forecast(counts)
        if not counts.size or counts.sums[len(kpi.parts) :].sum() <= 0:
            return []
        drift = self._drift(kpi)
        model = dispersed(kpi.model(), counts)
        causes = find_root_causes(counts, model, _limits(kpi, drift), measured=drift is not None)
        self._remember(kpi, counts, [c.slice for c in causes], without, window)
        news = merge_values(c for c in causes if not c.slice.keys() & set(kpi.watched.apart))
        return [make_finding(self.history, kpi, c, c.slice, window) for c in news]

    def _drift(self, kpi: Kpi) -> tuple[float, ...] | None:
        """The drift of clean slices by depth; None while too few clean windows are known."""
        strays = self._strays.get(kpi.watched.metric)
        if strays is None or len(strays) < _LEAST_CLEAN:
            return None
        pooled = [
            drift_variance(np.concatenate([w[d][0] for w in strays]), np.concatenate([w[d][1] for w in strays]))
            for d in range(len(strays[0]))
        ]
        pooled[0] = max(pooled[0], pooled[1]) if len(pooled) > 1 else pooled[0]
        return tuple(pooled)

    def _remember(
        self,
        kpi: Kpi,
        counts: Leaves,
        causes: Sequence[Mapping[str, Value]],
        without: Sequence[SliceSpan],
        window: range,
    ) -> None:
        """Keeps how the slices outside any incident strayed in this window."""
        every = max(len(window), _REMEMBER_EVERY)
        if window[-1] % every or kpi.watched.kind == "volume":
            return
        codes = codebook(counts)
        keep = np.ones(counts.size, dtype=bool)
        ongoing = [s.named for s in without if s.end > window[0]]
        for slice_ in [*causes, *ongoing]:
            keep &= ~rows_of(counts, codes, slice_)
        if keep.mean() < _LEAST_REST:
            return
        model = kpi.model()
        rest = model.prepared(counts.only(keep))
        limits = replace(kpi.limits(None), depth=2)
        strays = errors_by_depth(rest, model, limits)
        self._strays.setdefault(kpi.watched.metric, deque(maxlen=_CLEAN_WINDOWS)).append(strays)

    def _slow(
        self, kpi: Kpi, at: int, baseline: Sequence[int], without: Sequence[SliceSpan], fast: Sequence[Finding]
    ) -> list[Finding]:
        """Slow burns of a share: the CUSUM says since when to look, the search names the slice."""
        last = kpi.leaves(self.history.against([at], [], ()), len(self.history.columns))
        cusum = self._cusums.setdefault(kpi.watched.metric, Cusum())
        burning = cusum.step(at, counts_by_value(last.codes, last.values, last.dims, last.sums[:2]))
        if fast or not burning or without:
            return []
        return self._burning(kpi, burning[0], at, baseline, cusum)

    def _burning(self, kpi: Kpi, burn: SlowBurn, at: int, baseline: Sequence[int], cusum: Cusum) -> list[Finding]:
        """The root causes since the burn began that still show; its evidence starts anew where there are none."""
        before = [step for step in baseline if step < burn.since]
        window = range(max(burn.since, at - ONSET_STEPS), at + 1)
        if not before or len(window) <= 1:
            return []
        counts = kpi.leaves(self.history.against(window, before, ()), len(self.history.columns))
        drift = self._drift(kpi)
        causes = find_root_causes(counts, kpi.model(), _limits(kpi, drift), measured=drift is not None)
        if not causes:
            cusum.restart(burn.name)
            return []
        findings = [make_finding(self.history, kpi, c, c.slice, window) for c in merge_values(causes)]
        return [one for one in findings if self._still_shows(kpi, one, at)]

    def _still_shows(self, kpi: Kpi, one: Finding, at: int) -> bool:
        """Whether the last minutes of the slice are bad too: a burn that ended is over."""
        n, k = kpi.sums(self.history.series(range(at + 1 - _RECENT, at + 1), one.slice)).sum(axis=1)
        due = n * one.expected
        return bool(k - due > 2.0 * np.sqrt(max(due, 1.0)))


def _limits(kpi: Kpi, drift: Sequence[float] | None) -> SearchLimits:
    return replace(kpi.limits(drift), alpha=ALPHA, in_order=True)
