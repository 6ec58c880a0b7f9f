"""Search of a day: hours and then the whole of a restated day against the days before, into `incidents`."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from qoescope.catalog.watch import SESSION_DIMENSIONS, WATCHED
from qoescope.connect import postgres
from qoescope.connect.postgres import Connection
from qoescope.monitor.detect.history import History
from qoescope.monitor.detect.kpis import session_columns
from qoescope.monitor.incidents import records, restated
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.incidents.restated import RestatedWatch
from qoescope.monitor.jobs import queries
from qoescope.monitor.jobs.incident_rows import HOUR_S, incident_row, read_rows, write_incidents
from qoescope.monitor.jobs.send_notifications import send_due
from qoescope.settings import Settings


def search_day(settings: Settings, day: date, property_id: str | None = None) -> int:
    """Looks at each hour of a restated day, then at the day; what opened in it become exactly these incidents.

    Incidents of earlier days go on where they still show. Returns how many the day opened or showed again. Without
    `property_id` it searches every property that has sessions on that day.
    """
    changed = 0
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with postgres.connect(settings, "writer") as connection:
        property_ids = (
            [property_id] if property_id else [r[0] for r in connection.execute(queries.PROPERTIES, (day,)).fetchall()]
        )
        for name in property_ids:
            changed += _search_property(connection, name, begin)
        send_due(connection, settings)
    return changed


def _search_property(connection: Connection, property_id: str, begin: datetime) -> int:
    """Writes what a day says of the property into `incidents`; returns how many incidents that changed."""
    end = begin + timedelta(days=1)
    stored = read_rows(connection, queries.ONGOING, (property_id, "batch", begin - timedelta(weeks=restated.WEEKS)))
    earlier = [records.incident(row) for row in stored if row["opened_at"] <= begin]
    known = {one.id: restated.as_of(one, begin) for one in earlier}
    watch = _watch(connection, property_id, begin, list(known.values()))
    period = {"property_id": property_id, "begin": begin, "end": end}
    final = {row["id"] for row in read_rows(connection, queries.FINAL, period)}
    final |= {one.id for one in earlier if known[one.id] is not one}
    changed = [one for one in watch.incidents if one.state != "dismissed" and known.get(one.id) is not one]
    rows = [incident_row(connection, property_id, one, watch.history, HOUR_S) for one in changed if one.id not in final]
    with connection.transaction():
        connection.execute(queries.DELETE_DAY, (property_id, begin, end, [one.id for one in changed]))
        write_incidents(connection, rows)
    return len(changed)


def _watch(connection: Connection, property_id: str, begin: datetime, known: Sequence[Incident]) -> RestatedWatch:
    """The watch after the day: each hour against the same hours before, then the day against the days before."""
    watch = RestatedWatch.over(_history(connection, property_id, begin))
    watch.incidents = list(known)
    number = int(begin.timestamp()) // HOUR_S // restated.DAY_HOURS
    present = set(watch.history.steps)
    for hour in restated.hours_of(number):
        if hour in present:
            watch.look(hour)
    watch.look_back(number)
    return watch


def _history(connection: Connection, property_id: str, begin: datetime) -> History:
    """Sums by hour of the day, of the days just before, and of the same day of the weeks before."""
    day = timedelta(days=1)
    end = begin + day
    reach = [(end - back * day, end - back * day + day) for back in range(1, restated.DAYS_BACK + 2)]
    for weeks in range(2, restated.WEEKS + 1):
        back = timedelta(weeks=weeks)
        reach.append((begin - back - timedelta(hours=2), end - back + timedelta(hours=2)))
    history = History(SESSION_DIMENSIONS, tuple(session_columns(WATCHED)))
    sql = restated.counts_sql("sessions", queries.STARTED_WITHIN, HOUR_S)
    for since, until in sorted(reach):
        rows = connection.execute(sql, (property_id, since.date(), until.date(), since, until)).fetchall()
        restated.add(history, queries.table(rows, ("step", *SESSION_DIMENSIONS), history.columns))
    return history
