"""Days of the lake: what it holds of the sessions that began in a day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.errors import Mistake
from qoescope.catalog.marts import SESSION_MARTS
from qoescope.catalog.operations import (
    SESSION_VERSIONS,
)
from qoescope.catalog.tables import EVENTS
from qoescope.compile import versions
from qoescope.compile.adding import added
from qoescope.compile.cube import cube
from qoescope.connect import postgres
from qoescope.connect.lake.reading import list_files, read_rows, read_session_rows
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.postgres import Write
from qoescope.settings import Settings


def day(text: str) -> date:
    """The day that a text names; raises `Mistake` when it names none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Mistake(f"'{text}' is no day: say it like 2026-01-02") from error


def silent_since(settings: Settings) -> datetime | None:
    """Sessions heard of later than this are open: the streams will close them."""
    with postgres.connect(settings, "writer") as connection:
        row = connection.execute("select complete_until from stream_progress where stream = 'events'").fetchone()
    return row[0] - timedelta(seconds=settings.session_gap_s) if row and row[0] else None


def files_around(settings: Settings, day: date) -> list[File]:
    """Files of events of the day, of the day before, and of those in which its sessions may go on."""
    return list_files(
        open_table(settings, EVENTS), [day + timedelta(days=n) for n in range(-1, versions.GOES_ON_DAYS + 1)]
    )


def events_of(settings: Settings, day: date, found: Sequence[File]) -> pa.Table:
    """Events of the sessions that began in this day of the lake, out of some of the files around it.

    A beacon that does not say when its session began lies in the day of its own first event. Past midnight it belongs
    to the session all the same, as it does in the stream.
    """

    def on(n: int) -> list[File]:
        return [f for f in found if f.session_day == (day + timedelta(days=n)).isoformat()]

    events, unsaid = read_rows(settings, EVENTS, on(0)), pc.field("session_started_at").is_null()
    if events["session_started_at"].null_count:
        said, held = events.filter(~unsaid), events.filter(unsaid)
        begun = read_session_rows(settings, EVENTS, on(-1), held, versions.KEY)
        events = pa.concat_tables([said, versions.without(held, begun)])
    parts, held = [events], events
    for n in range(1, versions.GOES_ON_DAYS + 1):
        on_that_day = read_rows(settings, EVENTS, on(n), versions.KEY, unsaid)
        held = read_session_rows(settings, EVENTS, on(n), versions.known(on_that_day, held)).filter(unsaid)
        if not len(held):
            break
        parts.append(held)
    return pa.concat_tables(parts)


def rows_of(settings: Settings, started: Sequence[date]) -> pa.Table:
    """The last version of each session that started on these days."""
    sessions = open_table(settings, SESSION_VERSIONS)
    rows = versions.latest(read_rows(settings, SESSION_VERSIONS, list_files(sessions, holding=started)))
    return rows.filter(pc.is_in(rows["day"], pa.array(started, pa.date32())))


def kept_since(for_days: int) -> date:
    """The first day that `maintain` leaves, were it to run now."""
    return datetime.now(UTC).date() - timedelta(days=for_days)


def cubed(rows: pa.Table) -> Sequence[Write]:
    """What session rows add to each mart."""
    return [Write(mart.table, added([cube(rows, mart)], mart.table)) for mart in SESSION_MARTS]
