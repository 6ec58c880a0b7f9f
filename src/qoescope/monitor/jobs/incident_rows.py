"""Incident rows: an incident with what it touched, as a row of `incidents`, read and written in Postgres."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from qoescope.catalog.watch import INCIDENTS, WINDOW_MINUTES
from qoescope.compile import arrow
from qoescope.connect import postgres
from qoescope.connect.postgres import Connection, Write
from qoescope.monitor.detect.history import History
from qoescope.monitor.detect.kpis import kpi_of
from qoescope.monitor.incidents import records
from qoescope.monitor.incidents.impact import Impact, excess_so_far, lost_watch_hours
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.incidents.records import IncidentContext
from qoescope.monitor.jobs import queries

MINUTE_S, HOUR_S = 60, 3600
_CHART_BEFORE, _CHART_AFTER = 10, 5
"""Steps that a chart shows before the onset and after the last sight."""
_USUAL_WATCH = timedelta(hours=3)
"""How far before its onset the usual watch time of a play is read."""

Row = dict[str, Any]


def read_rows(connection: Connection, sql: str, parameters: Sequence[Any] | Row = ()) -> list[Row]:
    """The rows of a query, each as column → value."""
    cursor = connection.execute(sql, parameters)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def write_incidents(connection: Connection, rows: Sequence[Row]) -> None:
    """Upserts rows of `incidents`; of several with one id the last."""
    if rows:
        last = list({row["id"]: row for row in rows}.values())
        postgres.upsert(connection, Write(INCIDENTS, pa.Table.from_pylist(last, arrow.schema(INCIDENTS))))


def incident_row(connection: Connection, property_id: str, one: Incident, history: History, step_s: int) -> Row:
    """The incident's row of `incidents`: with its impact, ten of the sessions that it touched, and a chart.

    `history` has steps of `step_s` seconds.
    """
    kpi, until = kpi_of(one.best.watched, history.columns), one.closed_at or one.last_seen_at
    first, last = (int(t.timestamp()) // step_s for t in (one.onset_at, one.last_seen_at))
    sums = kpi.sums(history.series(range(first, last + 1), one.slice))
    excess = excess_so_far(one, sums, WINDOW_MINUTES if step_s == MINUTE_S else 1)
    if first < min(history.steps, default=first):  # its first days are no longer in the history
        excess = max(excess, one.excess, key=abs)
    touched = connection.execute(
        queries.touched(one), (property_id, one.onset_at.date(), one.onset_at, until)
    ).fetchone()
    sessions, viewers, examples = touched if touched is not None else (0, 0, None)
    lost = lost_watch_hours(one, excess, _usual_watch_ms(connection, property_id, one.onset_at))
    impact = Impact(excess, int(sessions), int(viewers), lost)
    steps = range(first - _CHART_BEFORE, last + _CHART_AFTER + 1)
    source = "batch" if step_s == HOUR_S else "live"
    context = IncidentContext(property_id, source, list(examples or []), _chart(one, history, steps, step_s))
    return records.row(one, impact, context, datetime.now(UTC))


def _usual_watch_ms(connection: Connection, property_id: str, onset: datetime) -> float:
    """What a play was watched in the mean just before the onset; 0 where there was none."""
    since = onset - _USUAL_WATCH
    usual = connection.execute(queries.USUAL_WATCH, (property_id, since.date(), since, onset)).fetchone()
    return float(usual[0]) if usual and usual[0] is not None else 0.0


def _chart(one: Incident, history: History, steps: range, step_s: int) -> list[Row]:
    """The metric and its audience inside the slice, a point a step."""
    kpi = kpi_of(one.best.watched, history.columns)
    value, audience = kpi.model().series(kpi.sums(history.series(steps, one.slice)))
    return [
        {
            "at": datetime.fromtimestamp(s * step_s, tz=UTC).isoformat(),
            "value": None if np.isnan(v) else round(float(v), 6),
            "audience": round(float(a), 2),
        }
        for s, v, a in zip(steps, value, audience, strict=True)
    ]
