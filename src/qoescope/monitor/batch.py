"""Batch: restated sessions, hour by hour, through the same search and the same life of incidents as the live watch."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from qoescope.catalog.watch import SESSION_DIMENSIONS, WATCHED, Watched
from qoescope.compile.duck import connected, naive
from qoescope.monitor.findings import Finding, Watcher
from qoescope.monitor.history import History, Span, span_of
from qoescope.monitor.kpis import session_columns, session_kpis
from qoescope.monitor.lifecycle import BATCH, Clock, Incident, name_of, step

HOURS_A_WEEK = 168
DAY_HOURS = 24
WEEKS = 4
JUST_BEFORE = 4
LEAST_HOURS = 6
"""With fewer hours of history all of two days are taken."""


def counts_sql(
    source: str, rows: str, step_s: int, at: str = "started_at", watched: Sequence[Watched] = WATCHED
) -> str:
    """Sums by step and leaf over `sessions`, for DuckDB and Postgres alike; `rows` is the condition, `at` the time."""
    columns = ", ".join(f"sum({sql}) as {name}" for name, sql in session_columns(watched).items())
    names = ", ".join(SESSION_DIMENSIONS)
    number = f"cast(floor(extract(epoch from {at}) / {step_s}) as bigint)"
    return f"select {number} as step, {names}, {columns} from {source} where {rows} group by {number}, {names}"


def counted(sessions: pa.Table, step_s: int = 3600) -> pa.Table:
    """Sums by step and leaf of rows of `sessions`."""
    with connected() as engine:
        engine.register("given", naive(sessions))
        return engine.sql(counts_sql("given", "true", step_s)).to_arrow_table()


def history_of(counts: pa.Table, watched: Sequence[Watched] = WATCHED) -> History:
    """Counted sessions as a history of steps."""
    history = History(SESSION_DIMENSIONS, tuple(session_columns(watched)))
    add(history, counts)
    return history


def add(history: History, counts: pa.Table) -> None:
    """Puts each step of the counts into the history."""
    steps = counts.column("step").to_numpy()
    for at in sorted(set(steps.tolist())):
        history.put(int(at), counts.filter(pa.array(steps == at)))


def baseline_hours(history: History, hour: int) -> list[int]:
    """The same hour of the week over four weeks, of the days before, and the hours just before; else two days."""
    there = set(history.steps)
    back = [w * HOURS_A_WEEK for w in range(1, WEEKS + 1)] + [d * DAY_HOURS for d in (1, 2, 3)]
    known = {hour - b + around for b in back for around in (-1, 0, 1)} | {hour - b for b in range(1, JUST_BEFORE + 1)}
    known = {h for h in known if h in there and h < hour}
    if len(known) >= LEAST_HOURS:
        return sorted(known)
    return [h for h in range(hour - 2 * DAY_HOURS, hour) if h in there]


@dataclass(slots=True)
class Batch:
    """Walks through hours of restated sessions."""

    watcher: Watcher
    incidents: list[Incident]
    clock: Clock

    @classmethod
    def over(cls, history: History, watched: Sequence[Watched] = WATCHED) -> "Batch":
        """A walk that has seen nothing yet."""
        return cls(Watcher(history, session_kpis(watched, history.columns)), [], Clock(3600))

    def look(self, hour: int) -> list[Finding]:
        """The findings of one hour, taken into the incidents."""
        baseline = baseline_hours(self.watcher.history, hour)
        found = self.watcher.findings(range(hour, hour + 1), baseline, self.without(hour), burns=False)
        self.incidents = step(self.incidents, found, self.clock.time(hour + 1), self.clock, BATCH)
        return found

    def without(self, hour: int) -> list[Span]:
        """What of the history is no baseline: incidents that were confirmed, in their slice and time."""
        return spans(self.incidents, self.clock, hour + 1)


def spans(incidents: Sequence[Incident], clock: Clock, now: int) -> list[Span]:
    """The steps and slices of confirmed incidents, from their onset to their last sight."""
    return [
        span_of(
            clock.step(one.onset_at),
            now if one.open else clock.step(one.last_seen_at) + 1,
            one.slice,
            one.votes.get(name_of(one.slice), 0.0),
        )
        for one in incidents
        if one.confirmed_at is not None and one.state != "dismissed" and one.slice
    ]
