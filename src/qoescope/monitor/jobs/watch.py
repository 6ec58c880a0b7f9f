"""Jobs: the live watch, minute by minute; the batch over restated days."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from threading import Event
from typing import Any

import numpy as np
import pyarrow as pa

from qoescope.catalog.marts import LEAF_DIMENSIONS, LEAF_MEASURES
from qoescope.catalog.watch import INCIDENTS, SESSION_DIMENSIONS, WATCHED, WINDOW_MINUTES
from qoescope.compile import arrow
from qoescope.connect import postgres
from qoescope.connect.health import Board
from qoescope.connect.locks import Lease
from qoescope.connect.postgres import Connection, Write
from qoescope.connect.writing import Stopped, Writer
from qoescope.monitor.detect.history import History
from qoescope.monitor.detect.kpis import kpi_of, session_columns
from qoescope.monitor.detect.rules import Rule, values
from qoescope.monitor.incidents import closed_sessions, live, records, restated
from qoescope.monitor.incidents.impact import Impact, excess_so_far, lost_watch_hours
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.incidents.records import Shown
from qoescope.monitor.incidents.thresholds import Thresholds
from qoescope.monitor.jobs import queries
from qoescope.monitor.jobs.explain_file import explain_file
from qoescope.monitor.jobs.notify import dicts, tell
from qoescope.settings import Settings

log = logging.getLogger("qoescope.monitor")

__all__ = ["batch", "explain_file", "tell", "watch"]

_LATE_MINUTES = 3
"""Minutes that are read again, for what came late."""
_CATCH_UP = 60
"""Minutes that are caught up one by one; of a longer absence only the last ones are looked at."""
_RECOUNTED = 60
"""Minutes after its end in which an incident's sessions are counted anew."""
_CHART_BEFORE, _CHART_AFTER = 10, 5
_MINUTE, _HOUR = 60, 3600
_SUMS = tuple(m.name for m in LEAF_MEASURES)

Row = dict[str, Any]


def watch(settings: Settings, stopping: Event | None = None, *, once: bool = False, board: Board | None = None) -> int:
    """Watches live data until told to stop; `once`: until what is there was looked at. Gives back minutes looked at.

    Time is the data's: a minute is looked at when it is complete, whatever the wall clock says. A restart goes on where
    the incidents table says. Waits while Postgres is away.
    """
    stop = stopping or Event()
    writer = Writer(settings, stop, None if board is None else board["watch"])
    lease = Lease(settings, "the monitor")
    watches: dict[str, _Watch] = {}
    looked = 0
    try:
        while not stop.is_set():
            if not once:
                writer.do(lambda _: lease.hold())
            for tenant, newest in writer.do(_newest).items():
                if tenant not in watches:
                    watches[tenant] = writer.do(lambda connection, name=tenant: _Watch(connection, name))  # type: ignore[misc]
                looked += watches[tenant].advance(writer, newest)
                writer.do(watches[tenant].recount)
            writer.do(lambda connection: tell(connection, settings))
            if board is not None:
                board["watch"].succeeded()
                board.turn("running")
            if once or stop.wait(settings.monitor_every_s):
                break
    except Stopped:
        log.info("told to stop")
    finally:
        writer.close()
        lease.close()
    return looked


def batch(settings: Settings, day: date, tenant: str | None = None) -> int:
    """Looks at each hour of a restated day, then at the day; what opened in it become exactly these incidents.

    Incidents of earlier days go on where they still show. Gives back how many the day opened or showed again.
    """
    found = 0
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with postgres.connect(settings, "writer") as connection:
        tenants = [tenant] if tenant else [r[0] for r in connection.execute(queries.PROPERTIES, (day,)).fetchall()]
        for name in tenants:
            found += _restated(connection, name, begin)
        tell(connection, settings)
    return found


def _newest(connection: Connection) -> dict[str, int]:
    """Each property's last complete minute: the one before its newest, for that still fills."""
    rows = connection.execute(queries.NEWEST).fetchall()
    return {tenant: int(at.timestamp()) // _MINUTE - 1 for tenant, at in rows if at is not None}


class _Watch:
    """The watch over one property, with the minutes that it holds."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self.tenant = tenant
        self.live = live.Live(LEAF_DIMENSIONS, _SUMS)
        self.closed = closed_sessions.Closed()
        self.rules = Thresholds()
        self.at: int | None = None
        self.turn = 0
        horizon = datetime.now(UTC) - timedelta(days=1)
        stored = dicts(connection, queries.ONGOING, (tenant, "live", horizon))
        incidents = [records.incident(row) for row in stored]
        self.live.incidents = [one for one in incidents if one.best.watched.leaf]
        self.closed.incidents = [one for one in incidents if not one.best.watched.leaf]
        for row in dicts(connection, queries.ONGOING, (tenant, "rule", horizon)):
            rule = row["memory"].get("rule")
            if rule and row["closed_at"] is None:
                self.rules.resume(rule[0], rule[1], records.incident(row))

    def advance(self, writer: Writer, newest: int) -> int:
        """Looks at each minute up to the newest complete one; gives back how many."""
        if self.at is None:
            self.at = newest - 1
        minutes = range(max(self.at + 1, newest - _CATCH_UP + 1), newest + 1)
        for minute in minutes:
            writer.do(lambda connection, m=minute: self._look(connection, m))  # type: ignore[misc]
            self.at = minute
        return len(minutes)

    def _look(self, connection: Connection, minute: int) -> None:
        self._read(connection, minute)
        self._drop_dismissed(connection)
        ended = self._ended(connection, minute)
        changed = [one for one in (*self.live.look(minute), *ended) if one.version]
        gone = [one.id for one in changed if one.confirmed_at is None and one.state == "dismissed"]
        shown = [one for one in changed if one.id not in gone]
        rows = [self._row_of(connection, one) for one in shown]
        rows += self._by_rules(connection, minute)
        with connection.transaction():
            connection.execute(queries.FORGET, (self.tenant, gone))
            _put(connection, rows)

    def recount(self, connection: Connection) -> None:
        """Counts anew whom one of the last hour's incidents touched, each in its turn: many sessions close later."""
        self._drop_dismissed(connection)
        since = self.live.clock.time((self.at or 0) - _RECOUNTED)
        ended = [one for one in (*self.live.incidents, *self.closed.incidents) if one.state == "closed"]
        over = [one for one in ended if one.closed_at is not None and one.closed_at >= since]
        if self.at is not None and over:
            self.turn += 1
            with connection.transaction():
                _put(connection, [self._row_of(connection, over[self.turn % len(over)])])

    def _row_of(self, connection: Connection, one: Incident) -> Row:
        if one.best.watched.leaf:
            return _row(connection, self.tenant, one, self.live.history, _MINUTE)
        return _row(connection, self.tenant, one, self.closed.history, closed_sessions.STEP_S)

    def _drop_dismissed(self, connection: Connection) -> None:
        dismissed = {r[0] for r in connection.execute(queries.DISMISSED, (self.tenant,)).fetchall()}
        for part in (self.live, self.closed):
            part.incidents = [one for one in part.incidents if one.id not in dismissed]

    def _ended(self, connection: Connection, minute: int) -> list[Incident]:
        """What closed sessions alone tell, each five minutes; the last ones are still closing."""
        if minute % 5 != _LATE_MINUTES:
            return []
        at = minute // 5 - 1
        held = self.closed.history.steps
        first = (
            max(held[-1] - closed_sessions.WINDOW, at - closed_sessions.WINDOW - closed_sessions.BEFORE)
            if held
            else at - closed_sessions.BEFORE
        )
        since, until = (datetime.fromtimestamp(closed_sessions.STEP_S * step, tz=UTC) for step in (first, at + 1))
        sql = restated.counts_sql(
            "sessions", queries.ENDED, closed_sessions.STEP_S, closed_sessions.ENDED, closed_sessions.ONLY_CLOSED
        )
        parameters = (self.tenant, since.date() - timedelta(days=1), since, until)
        rows = connection.execute(sql, parameters).fetchall()
        restated.add(
            self.closed.history, queries.table(rows, ("step", *SESSION_DIMENSIONS), self.closed.history.columns)
        )
        self.closed.history.forget(at - closed_sessions.WINDOW - closed_sessions.BEFORE)
        return self.closed.look(at)

    def _by_rules(self, connection: Connection, minute: int) -> list[Row]:
        found = dicts(connection, queries.RULES, (self.tenant,))
        names = ("id", "version", "metric", "slice", "direction", "threshold", "minutes", "audience", "severity")
        rules = [Rule(*(row[name] for name in names)) for row in found]
        kpis = {kpi.watched.metric: kpi for kpi in self.live.watcher.kpis}
        rows = []
        for one in self.rules.look(rules, kpis, self.live.history, minute):
            row = _row(connection, self.tenant, one, self.live.history, _MINUTE)
            rule = next((r for r in rules if r.slice == one.slice and r.metric == one.best.watched.metric), None)
            memory = json.loads(row["memory"]) | {"rule": [rule.id, rule.version] if rule else None}
            rows.append(row | {"source": "rule", "memory": json.dumps(memory)})
            if rule:
                rows[-1]["severity"] = rule.severity
        return rows

    def _read(self, connection: Connection, minute: int) -> None:
        held = {m for m in self.live.history.steps if m <= minute - _LATE_MINUTES}
        sql = queries.minutes(LEAF_DIMENSIONS, _SUMS)
        for begin, end in queries.runs(sorted(live.wanted(minute) - held)):
            since, until = (datetime.fromtimestamp(_MINUTE * m, tz=UTC) for m in (begin, end))
            parameters = (self.tenant, since.date(), until.date(), since, until)
            rows = connection.execute(sql, parameters).fetchall()
            restated.add(self.live.history, queries.table(rows, ("step", *LEAF_DIMENSIONS), _SUMS))
            there = set(self.live.history.steps)
            for empty in (m for m in range(begin, min(end, minute - live.DAY)) if m not in there):
                self.live.history.put(empty, queries.table([], ("step", *LEAF_DIMENSIONS), _SUMS))
        self.live.history.forget(minute - live.WEEK * 4 - live.AROUND - WINDOW_MINUTES)


def _restated(connection: Connection, tenant: str, begin: datetime) -> int:
    """Puts what a day says of the property into `incidents`; gives back how many rows that changed."""
    end = begin + timedelta(days=1)
    stored = dicts(connection, queries.ONGOING, (tenant, "batch", begin - timedelta(weeks=restated.WEEKS)))
    earlier = [records.incident(row) for row in stored if row["opened_at"] <= begin]
    known = {one.id: restated.as_of(one, begin) for one in earlier}
    walk = _walked(connection, tenant, begin, list(known.values()))
    asked = {"tenant": tenant, "begin": begin, "end": end}
    settled = {row["id"] for row in dicts(connection, queries.SETTLED, asked)}
    settled |= {one.id for one in earlier if known[one.id] is not one}
    here = [one for one in walk.incidents if one.state != "dismissed" and known.get(one.id) is not one]
    rows = [_row(connection, tenant, one, walk.history, _HOUR) for one in here if one.id not in settled]
    with connection.transaction():
        connection.execute(queries.FORGET_DAY, (tenant, begin, end, [one.id for one in here]))
        _put(connection, rows)
    return len(here)


def _walked(connection: Connection, tenant: str, begin: datetime, known: Sequence[Incident]) -> restated.Batch:
    """The day's hours looked at, each against the same hours before; then the day against the days before."""
    day = timedelta(days=1)
    end = begin + day
    reach = [(end - back * day, end - back * day + day) for back in range(1, restated.DAYS_BACK + 2)]
    for weeks in range(2, restated.WEEKS + 1):
        back = timedelta(weeks=weeks)
        reach.append((begin - back - timedelta(hours=2), end - back + timedelta(hours=2)))
    history = History(SESSION_DIMENSIONS, tuple(session_columns(WATCHED)))
    sql = restated.counts_sql("sessions", queries.HOURS, _HOUR)
    for since, until in sorted(reach):
        parameters = (tenant, since.date(), until.date(), since, until)
        rows = connection.execute(sql, parameters).fetchall()
        restated.add(history, queries.table(rows, ("step", *SESSION_DIMENSIONS), history.columns))
    walk = restated.Batch.over(history)
    walk.incidents = list(known)
    number = int(begin.timestamp()) // _HOUR // restated.DAY_HOURS
    there = set(history.steps)
    for hour in restated.hours_of(number):
        if hour in there:
            walk.look(hour)
    walk.look_back(number)
    return walk


def _put(connection: Connection, rows: Sequence[Row]) -> None:
    if rows:
        last = list({row["id"]: row for row in rows}.values())
        postgres.upsert(connection, Write(INCIDENTS, pa.Table.from_pylist(last, arrow.schema(INCIDENTS))))


def _row(connection: Connection, tenant: str, one: Incident, history: History, step_s: int) -> Row:
    """The incident with its impact, ten sessions and a chart, as a row."""
    kpi, until = kpi_of(one.best.watched, history.columns), one.closed_at or one.last_seen_at
    first, last = (int(t.timestamp()) // step_s for t in (one.onset_at, one.last_seen_at))
    sums = kpi.sums(history.series(range(first, last + 1), one.slice))
    excess = excess_so_far(one, sums, WINDOW_MINUTES if step_s == _MINUTE else 1)
    if first < min(history.steps, default=first):  # of its first days only the row still tells
        excess = max(excess, one.excess, key=abs)
    parameters = (tenant, one.onset_at.date(), one.onset_at, until)
    touched = connection.execute(queries.touched(one), parameters).fetchone()
    sessions, people, examples = touched if touched is not None else (0, 0, None)
    since = one.onset_at - timedelta(hours=3)
    usual = connection.execute(queries.USUAL_WATCH, (tenant, since.date(), since, one.onset_at)).fetchone()
    lost = lost_watch_hours(one, excess, float(usual[0]) if usual and usual[0] is not None else 0.0)
    steps = range(first - _CHART_BEFORE, last + _CHART_AFTER + 1)
    value, audience = values(one.best.watched, kpi.sums(history.series(steps, one.slice)))
    chart: list[Row] = [
        {
            "at": datetime.fromtimestamp(s * step_s, tz=UTC).isoformat(),
            "value": None if np.isnan(v) else round(float(v), 6),
            "audience": round(float(a), 2),
        }
        for s, v, a in zip(steps, value, audience, strict=True)
    ]
    impact = Impact(excess, int(sessions), int(people), lost)
    shown = Shown(tenant, "batch" if step_s == _HOUR else "live", list(examples or []), chart)
    return records.row(one, impact, shown, datetime.now(UTC))
