"""Closed sessions: what only they tell (ends that never came), by the five minutes in which they ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from qoescope.catalog.watch import SESSION_DIMENSIONS, WATCHED, Watched
from qoescope.monitor.detect.detector import Detector
from qoescope.monitor.detect.history import History
from qoescope.monitor.detect.kpis import session_columns, session_kpis
from qoescope.monitor.incidents import restated
from qoescope.monitor.incidents.lifecycle import LIVE, Clock, Incident, advance, confirmed_spans

STEP_S = 300
WINDOW, BEFORE, LEAST = 3, 36, 4
"""A window of a quarter of an hour, against three hours before, at least twenty minutes of them."""

ENDED = "started_at + session_ms * interval '1 millisecond'"
ONLY_CLOSED: tuple[Watched, ...] = tuple(w for w in WATCHED if not w.leaf)


def counts_sql(source: str, condition: str) -> str:
    """Sums by step of five minutes and leaf over `sessions`, by their end; for Postgres."""
    return restated.counts_sql(source, condition, STEP_S, ENDED, ONLY_CLOSED)


@dataclass(slots=True)
class ClosedSessionsWatch:
    """The watch over one property's closed sessions."""

    watched: Sequence[Watched] = ONLY_CLOSED
    incidents: list[Incident] = field(default_factory=list)
    clock: Clock = field(default_factory=lambda: Clock(STEP_S))
    history: History = field(init=False)
    detector: Detector = field(init=False)

    def __post_init__(self) -> None:
        self.history = History(SESSION_DIMENSIONS, tuple(session_columns(self.watched)))
        self.detector = Detector(self.history, session_kpis(self.watched, self.history.columns))

    def look(self, at: int) -> list[Incident]:
        """The incidents that the window ending with this step changed."""
        window = range(at - WINDOW + 1, at + 1)
        present = set(self.history.steps)
        before = [s for s in range(window[0] - BEFORE, window[0]) if s in present]
        if len(before) < LEAST:
            return []
        without = confirmed_spans(self.incidents, self.clock, at + 1)
        findings = self.detector.findings(window, before, without, burns=False)
        known = {one.id: one for one in self.incidents}
        self.incidents = advance(self.incidents, findings, self.clock.time(at + 1), self.clock, LIVE)
        return [one for one in self.incidents if known.get(one.id) is not one]
