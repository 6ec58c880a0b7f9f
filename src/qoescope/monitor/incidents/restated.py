"""Restated sessions: by hours and by days through the same search and life cycle as the live watch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from qoescope.catalog.watch import SESSION_DIMENSIONS, WATCHED, Watched
from qoescope.compile.duck import open_cursor, without_zone
from qoescope.monitor.detect.detector import Detector
from qoescope.monitor.detect.finding import Finding
from qoescope.monitor.detect.history import History
from qoescope.monitor.detect.kpis import session_columns, session_kpis
from qoescope.monitor.detect.named_slices import are_related
from qoescope.monitor.incidents.lifecycle import BATCH, DAILY, Clock, Incident, advance, confirmed_spans

HOURS_A_WEEK = 168
DAY_HOURS = 24
WEEKS = 4
JUST_BEFORE = 4
ENOUGH_HOURS = 6
"""With fewer hours of history all of two days are taken."""
LEAST_HOURS = 3
"""Fewer say nothing of what hours are like: the first of them may be part of one, or hold the fault's beginning."""
WEEKLY = (6, 7, 8, 14, 21, 28)
"""Days ago that a day is held against: a week leaves what rolls out slowly no time to become its own history."""
ENOUGH_DAYS, LEAST_DAYS = 3, 2
"""With fewer of those a day takes the days of the last week; one day alone says nothing of what days are like."""
ROLLING_OUT = 2
"""Days just before, which a young history leaves out for the same reason."""
UNSEEN = 60.0
"""What a model of whole days is worth of a new version's sessions: twice what one of hours is."""
DAYS_BACK = 8
"""Days just before that hours and days together look at."""


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
    with open_cursor() as engine:
        engine.register("given", without_zone(sessions))
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
    """The same hour of the week over four weeks, of the days before, and the hours just before; else two days.

    Empty where there are too few of them: the live watch, which goes by minutes, tells of a service's first hours.
    """
    present = set(history.steps)
    back = [w * HOURS_A_WEEK for w in range(1, WEEKS + 1)] + [d * DAY_HOURS for d in (1, 2, 3)]
    known = {hour - b + around for b in back for around in (-1, 0, 1)} | {hour - b for b in range(1, JUST_BEFORE + 1)}
    known = {h for h in known if h in present and h < hour}
    if len(known) >= ENOUGH_HOURS:
        return sorted(known)
    known = {h for h in range(hour - 2 * DAY_HOURS, hour) if h in present}
    return sorted(known) if len(known) >= LEAST_HOURS else []


def baseline_days(history: History, day: int) -> list[int]:
    """Hours of the same day of the week over four weeks and of its neighbours; else of the days before the last two."""
    present = {hour // DAY_HOURS for hour in history.steps}
    known = [day - ago for ago in WEEKLY if day - ago in present]
    if len(known) < ENOUGH_DAYS:
        known = [d for d in range(day - DAYS_BACK, day - ROLLING_OUT) if d in present]
    if len(known) < LEAST_DAYS:
        known = [d for d in range(day - DAYS_BACK, day) if d in present]
    return [hour for d in sorted(known) for hour in hours_of(d)] if len(known) >= LEAST_DAYS else []


def hours_of(day: int) -> range:
    """The hours of a day, both as numbers since 1970."""
    return range(day * DAY_HOURS, (day + 1) * DAY_HOURS)


@dataclass(slots=True)
class RestatedWatch:
    """Looks through hours of restated sessions, and through days, for what an hour shows too little of."""

    history: History
    hourly: Detector
    daily: Detector
    incidents: list[Incident]
    clock: Clock

    @classmethod
    def over(cls, history: History, watched: Sequence[Watched] = WATCHED) -> "RestatedWatch":
        """A watch that has looked at nothing yet."""
        kpis = session_kpis(watched, history.columns)
        daily = [replace(kpi, unseen=UNSEEN) for kpi in kpis]
        return cls(history, Detector(history, kpis), Detector(history, daily), [], Clock(3600))

    def look(self, hour: int) -> list[Finding]:
        """The findings of one hour, taken into the incidents."""
        baseline = baseline_hours(self.history, hour)
        without = confirmed_spans(self.incidents, self.clock, hour + 1)
        findings = self.hourly.findings(range(hour, hour + 1), baseline, without, burns=False)
        self.incidents = advance(self.incidents, findings, self.clock.time(hour + 1), self.clock, BATCH)
        return findings

    def look_back(self, day: int) -> list[Finding]:
        """The findings of a day whose hours were looked at, taken into the incidents; not what its hours showed."""
        window = hours_of(day)
        hourly = [one for one in self.incidents if one.every == 1 and self._showed_within(one, window)]
        known = confirmed_spans(hourly, self.clock, window.stop)
        without = confirmed_spans(self.incidents, self.clock, window.stop)
        baseline = baseline_days(self.history, day)
        all_day = self.daily.findings(window, baseline, without, known, burns=False)
        findings = [f for f in all_day if not any(are_related(one.slice, f.slice) for one in hourly)]
        self.incidents = advance(self.incidents, findings, self.clock.time(window.stop), self.clock, DAILY)
        return findings

    def _showed_within(self, one: Incident, window: range) -> bool:
        begin, end = self.clock.time(window.start), self.clock.time(window.stop)
        return one.confirmed_at is not None and one.last_seen_at > begin and one.onset_at < end


def as_of(one: Incident, begin: datetime) -> Incident:
    """The incident as it was when the day began; the same object if nothing was seen of it later.

    So a day that is restated again goes on from the days before it, not from those after it.
    """
    closed = one.closed_at is not None and one.closed_at > begin
    if one.last_seen_at <= begin and not closed:
        return one
    ended = one.closed_at is not None and not closed
    return replace(
        one,
        state=one.state if ended else "confirmed",
        last_seen_at=min(one.last_seen_at, begin),
        closed_at=one.closed_at if ended else None,
    )
