"""Live watch: minute after minute of every property's live data, into `incidents`, and what is due to its channels."""

import json
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event

from qoescope.catalog.marts import LEAF_DIMENSIONS, LEAF_MEASURES
from qoescope.catalog.watch import SESSION_DIMENSIONS, WINDOW_MINUTES
from qoescope.connect.health import HealthBoard
from qoescope.connect.locks import Lease
from qoescope.connect.postgres import Connection
from qoescope.connect.writing import Stopped, Writer
from qoescope.monitor.detect.rules import Rule
from qoescope.monitor.incidents import closed_sessions, live, records, restated
from qoescope.monitor.incidents.closed_sessions import ClosedSessionsWatch
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.incidents.live import LiveWatch
from qoescope.monitor.incidents.thresholds import Thresholds
from qoescope.monitor.jobs import queries
from qoescope.monitor.jobs.incident_rows import MINUTE_S, Row, incident_row, read_rows, write_incidents
from qoescope.monitor.jobs.send_notifications import send_due
from qoescope.settings import Settings

log = logging.getLogger("qoescope.monitor")

_LATE_MINUTES = 3
"""Minutes that are read again, for what came late."""
_CATCH_UP = 60
"""Minutes that are caught up one by one; of a longer absence only the last ones are looked at."""
_RECOUNTED = 60
"""Minutes after its end in which an incident's sessions are counted anew."""
_SUMS = tuple(m.name for m in LEAF_MEASURES)


def watch(
    settings: Settings, stopping: Event | None = None, *, once: bool = False, board: HealthBoard | None = None
) -> int:
    """Watches live data until `stopping` is set; with `once` it processes the backlog and ends.

    Returns the number of minutes processed. Time is the data's: a minute is looked at when it is complete, whatever the
    wall clock says. A restart resumes from the incidents table. Waits while Postgres is away.
    """
    stop = stopping or Event()
    writer = Writer(settings, stop, None if board is None else board["watch"])
    lease = Lease(settings, "the monitor")
    watches: dict[str, _PropertyWatch] = {}
    minutes = 0
    try:
        while not stop.is_set():
            if not once:
                writer.do(lambda _: lease.hold())
            for property_id, newest in writer.do(_newest_complete).items():
                if property_id not in watches:
                    watches[property_id] = writer.do(partial(_watch_property, property_id))
                minutes += watches[property_id].advance(writer, newest)
                writer.do(watches[property_id].recount)
            writer.do(lambda connection: send_due(connection, settings))
            if board is not None:
                board["watch"].succeeded()
                board.set_state("running")
            if once or stop.wait(settings.monitor_every_s):
                break
    except Stopped:
        log.info("told to stop")
    finally:
        writer.close()
        lease.close()
    return minutes


def _watch_property(property_id: str, connection: Connection) -> "_PropertyWatch":
    return _PropertyWatch(connection, property_id)


def _newest_complete(connection: Connection) -> dict[str, int]:
    """Each property's last complete minute: the one before its newest, for that still fills."""
    rows = connection.execute(queries.NEWEST).fetchall()
    return {property_id: int(at.timestamp()) // MINUTE_S - 1 for property_id, at in rows if at is not None}


class _PropertyWatch:
    """The watch over one property, with the minutes in its memory."""

    def __init__(self, connection: Connection, property_id: str) -> None:
        self.property_id = property_id
        self.live = LiveWatch(LEAF_DIMENSIONS, _SUMS)
        self.closed = ClosedSessionsWatch()
        self.rules = Thresholds()
        self.at: int | None = None
        self.recounts = 0
        horizon = datetime.now(UTC) - timedelta(days=1)
        stored = read_rows(connection, queries.ONGOING, (property_id, "live", horizon))
        incidents = [records.incident(row) for row in stored]
        self.live.incidents = [one for one in incidents if one.best.watched.leaf]
        self.closed.incidents = [one for one in incidents if not one.best.watched.leaf]
        for row in read_rows(connection, queries.ONGOING, (property_id, "rule", horizon)):
            rule = row["memory"].get("rule")
            if rule and row["closed_at"] is None:
                self.rules.resume(rule[0], rule[1], records.incident(row))

    def advance(self, writer: Writer, newest: int) -> int:
        """Looks at each minute up to the newest complete one; returns how many."""
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
        of_closed = self._look_at_closed(connection, minute)
        changed = [one for one in (*self.live.look(minute), *of_closed) if one.version]
        gone = [one.id for one in changed if one.confirmed_at is None and one.state == "dismissed"]
        rows = [self._row(connection, one) for one in changed if one.id not in gone]
        rows += self._look_at_rules(connection, minute)
        with connection.transaction():
            connection.execute(queries.DELETE, (self.property_id, gone))
            write_incidents(connection, rows)

    def recount(self, connection: Connection) -> None:
        """Counts anew whom one of the last hour's incidents touched, each in its turn: many sessions close later."""
        self._drop_dismissed(connection)
        since = self.live.clock.time((self.at or 0) - _RECOUNTED)
        ended = [one for one in (*self.live.incidents, *self.closed.incidents) if one.state == "closed"]
        recent = [one for one in ended if one.closed_at is not None and one.closed_at >= since]
        if self.at is not None and recent:
            self.recounts += 1
            with connection.transaction():
                write_incidents(connection, [self._row(connection, recent[self.recounts % len(recent)])])

    def _row(self, connection: Connection, one: Incident) -> Row:
        if one.best.watched.leaf:
            return incident_row(connection, self.property_id, one, self.live.history, MINUTE_S)
        return incident_row(connection, self.property_id, one, self.closed.history, closed_sessions.STEP_S)

    def _drop_dismissed(self, connection: Connection) -> None:
        dismissed = {r[0] for r in connection.execute(queries.DISMISSED, (self.property_id,)).fetchall()}
        self.live.incidents = [one for one in self.live.incidents if one.id not in dismissed]
        self.closed.incidents = [one for one in self.closed.incidents if one.id not in dismissed]

    def _look_at_closed(self, connection: Connection, minute: int) -> list[Incident]:
        """What closed sessions alone tell, each five minutes; the last ones are still closing."""
        if minute % 5 != _LATE_MINUTES:
            return []
        at = minute // 5 - 1
        history = self.closed.history
        oldest = at - closed_sessions.WINDOW - closed_sessions.BEFORE
        first = (
            max(history.steps[-1] - closed_sessions.WINDOW, oldest) if history.steps else at - closed_sessions.BEFORE
        )
        since, until = (datetime.fromtimestamp(closed_sessions.STEP_S * step, tz=UTC) for step in (first, at + 1))
        sql = closed_sessions.counts_sql("sessions", queries.ENDED_WITHIN)
        rows = connection.execute(sql, (self.property_id, since.date() - timedelta(days=1), since, until)).fetchall()
        restated.add(history, queries.table(rows, ("step", *SESSION_DIMENSIONS), history.columns))
        history.forget(oldest)
        return self.closed.look(at)

    def _look_at_rules(self, connection: Connection, minute: int) -> list[Row]:
        names = ("id", "version", "metric", "slice", "direction", "threshold", "minutes", "audience", "severity")
        stored = read_rows(connection, queries.RULES, (self.property_id,))
        rules = [Rule(*(row[name] for name in names)) for row in stored]
        kpis = {kpi.watched.metric: kpi for kpi in self.live.detector.kpis}
        rows = []
        for one in self.rules.look(rules, kpis, self.live.history, minute):
            row = incident_row(connection, self.property_id, one, self.live.history, MINUTE_S)
            rule = next((r for r in rules if r.slice == one.slice and r.metric == one.best.watched.metric), None)
            memory = json.loads(row["memory"]) | {"rule": [rule.id, rule.version] if rule else None}
            rows.append(row | {"source": "rule", "memory": json.dumps(memory)})
            if rule:
                rows[-1]["severity"] = rule.severity
        return rows

    def _read(self, connection: Connection, minute: int) -> None:
        """Reads the minutes that a look at this one needs and that are not in memory, or may have changed since."""
        history = self.live.history
        known = {m for m in history.steps if m <= minute - _LATE_MINUTES}
        sql = queries.minutes(LEAF_DIMENSIONS, _SUMS)
        for begin, end in queries.runs(sorted(live.wanted(minute) - known)):
            since, until = (datetime.fromtimestamp(MINUTE_S * m, tz=UTC) for m in (begin, end))
            rows = connection.execute(sql, (self.property_id, since.date(), until.date(), since, until)).fetchall()
            restated.add(history, queries.table(rows, ("step", *LEAF_DIMENSIONS), _SUMS))
            present = set(history.steps)
            for empty in (m for m in range(begin, min(end, minute - live.DAY)) if m not in present):
                history.put(empty, queries.table([], ("step", *LEAF_DIMENSIONS), _SUMS))
        history.forget(minute - live.WEEK * 4 - live.AROUND - WINDOW_MINUTES)
