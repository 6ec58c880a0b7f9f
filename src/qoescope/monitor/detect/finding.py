"""Finding: one slice that one metric says got worse in one window, and since when."""

from dataclasses import dataclass
from math import exp, log

from qoescope.catalog.watch import Watched
from qoescope.monitor.detect.history import History
from qoescope.monitor.detect.kpis import Kpi
from qoescope.monitor.detect.named_slices import NamedSlice, slice_key
from qoescope.monitor.detect.onset import change_point
from qoescope.monitor.search.alternatives import Alternative
from qoescope.monitor.search.root_cause import RootCause

ALPHA = 0.001
"""The chance of a false finding, of a metric and window; there are some ten metrics."""

MOST_VOTE = 60.0
"""The most evidence that one window's finding adds to a name."""

ONSET_STEPS = 60
"""An onset is looked for this far back."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A slice that one metric says got worse in one window."""

    watched: Watched
    slice: NamedSlice
    score: float
    excess: float
    lift: float
    support: float
    actual: float
    expected: float
    share: float
    onset: int
    """Step of the change point."""
    alternatives: tuple[Alternative, ...] = ()
    overlapping: tuple[NamedSlice, ...] = ()
    """Open incidents whose sessions overlap this slice: all of one are sessions of the other."""

    @property
    def confidence(self) -> float:
        """1 - exp(ln(1/alpha) - score), 0 at the bar's foot."""
        return max(0.0, 1.0 - exp(-max(self.score - log(1 / ALPHA), 0.0)))

    @property
    def name(self) -> str:
        """The slice as one text."""
        return slice_key(self.slice)


def make_finding(history: History, kpi: Kpi, cause: RootCause, slice_: NamedSlice, window: range) -> Finding:
    """The root cause of `window` as a finding of the named slice, with its onset out of the history."""
    steps = range(window[-1] + 1 - ONSET_STEPS, window[-1] + 1)
    sums = kpi.sums(history.series(steps, slice_))
    expected = cause.expected / max(len(window), 1) if kpi.watched.kind == "volume" else cause.expected
    excess, variance = kpi.model().excesses(sums, expected)
    return Finding(
        watched=kpi.watched,
        slice=slice_,
        score=cause.score,
        excess=cause.excess,
        lift=cause.lift,
        support=cause.support,
        actual=cause.actual,
        expected=cause.expected,
        share=cause.share,
        onset=steps[change_point(excess, variance)],
        alternatives=cause.alternatives,
    )
