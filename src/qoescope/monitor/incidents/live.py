"""Live watch: minute after minute of one property: which window against which baseline, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from qoescope.catalog.watch import HISTORY_MINUTES, WATCHED, WINDOW_MINUTES, Watched
from qoescope.monitor.detect.detector import Detector
from qoescope.monitor.detect.finding import Finding
from qoescope.monitor.detect.history import History
from qoescope.monitor.detect.kpis import kpi_of, live_kpis
from qoescope.monitor.detect.named_slices import are_related
from qoescope.monitor.detect.recovery import recedes
from qoescope.monitor.incidents.lifecycle import LIVE, Clock, Incident, advance, confirmed_spans

DAY, WEEK = 1440, 10_080
AROUND = 20
"""Minutes around the same time of yesterday, a week, two, three and four weeks ago."""

LEAST_HISTORY = 20
"""Minutes of history before anything is judged."""


def seasonal(minute: int) -> list[int]:
    """Minutes of other days that tell what this one should be: the same time of the day before, of 1 to 4 weeks ago."""
    return [minute - back + d for back in (DAY, *(WEEK * w for w in range(1, 5))) for d in range(-AROUND, AROUND + 1)]


def wanted(minute: int) -> set[int]:
    """Minutes that a look at this one needs."""
    return {*range(minute - WINDOW_MINUTES - HISTORY_MINUTES, minute + 1), *seasonal(minute)}


@dataclass(slots=True)
class LiveWatch:
    """The watch over one property."""

    dims: Sequence[str]
    columns: Sequence[str]
    watched: Sequence[Watched] = WATCHED
    incidents: list[Incident] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    history: History = field(init=False)
    detector: Detector = field(init=False)

    def __post_init__(self) -> None:
        self.history = History(tuple(self.dims), tuple(self.columns))
        self.detector = Detector(self.history, live_kpis(self.watched, tuple(self.columns)))

    def look(self, minute: int) -> list[Incident]:
        """The incidents that the window ending with this minute changed."""
        window = range(minute - WINDOW_MINUTES + 1, minute + 1)
        present = set(self.history.steps)
        before = [m for m in range(window[0] - HISTORY_MINUTES, window[0]) if m in present]
        if len(before) < LEAST_HISTORY:
            return []
        baseline = [*(m for m in seasonal(minute) if m in present and m < before[0]), *before]
        findings = self.detector.findings(window, baseline, confirmed_spans(self.incidents, self.clock, minute + 1))
        return self.take([f for f in findings if not self._is_left_over(f, window)], minute)

    def _is_left_over(self, f: Finding, window: range) -> bool:
        """Whether the finding is what is left of an incident that is over, or ends."""
        since = self.clock.time(window.stop - 2 * WINDOW_MINUTES)
        for one in self.incidents:
            known = one.confirmed_at is not None and (one.open or (one.closed_at is not None and one.closed_at > since))
            if not known or one.best.watched is not f.watched or f.watched.kind != "share":
                continue
            if are_related(one.slice, f.slice):
                sums = kpi_of(f.watched, self.columns).sums(self.history.series(window, one.slice))
                if recedes(sums, one.best.actual, one.best.expected):
                    return True
        return False

    def take(self, findings: Sequence[Finding], minute: int) -> list[Incident]:
        """Takes findings into the incidents; returns the changed ones."""
        before = {one.id: one for one in self.incidents}
        after = advance(self.incidents, findings, self.clock.time(minute + 1), self.clock, LIVE)
        horizon = self.clock.time(minute - DAY)
        self.incidents = [one for one in after if one.open or one.closed_at is None or one.closed_at >= horizon]
        return [one for one in after if before.get(one.id) is not one]
