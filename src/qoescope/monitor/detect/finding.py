"""Finding: one slice that one metric says got worse in one window, and since when."""

from dataclasses import dataclass
from math import exp, log

from qoescope.catalog.watch import Watched
from qoescope.monitor.detect.history import Chosen, History, name_of
from qoescope.monitor.detect.kpis import Kpi
from qoescope.monitor.detect.onset import change_point, excesses
from qoescope.monitor.search.alternatives import Rival
from qoescope.monitor.search.explain import Found

ALPHA = 0.001
"""Of a metric and window; there are some ten metrics."""

MOST_VOTE = 60.0
"""What one window's finding may speak for a name at most."""

ONSET_STEPS = 60
"""An onset is looked for this far back."""


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
        return max(0.0, 1.0 - exp(-max(self.score - log(1 / ALPHA), 0.0)))

    @property
    def name(self) -> str:
        """The slice as one text."""
        return name_of(self.slice)


def finding(history: History, kpi: Kpi, one: Found, chosen: Chosen, window: range) -> Finding:
    """What was found in `window`, as a finding of the slice `chosen`, with its onset out of the history."""
    steps = range(window[-1] + 1 - ONSET_STEPS, window[-1] + 1)
    sums = kpi.sums(history.series(steps, chosen))
    expected = one.expected / max(len(window), 1) if kpi.watched.kind == "volume" else one.expected
    excess, variance = excesses(kpi.watched.kind, sums, expected, higher_is_worse=kpi.watched.higher_is_worse)
    return Finding(
        watched=kpi.watched,
        slice=chosen,
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
