"""Reads what the lake holds of the sessions that began on a day."""

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
from qoescope.compile.adding import add_cubes
from qoescope.compile.cube import cube
from qoescope.connect import postgres
from qoescope.connect.lake.reading import list_files, read_rows, read_session_rows
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.postgres import Write
from qoescope.settings import Settings


def parse_day(text: str) -> date:
    """The date in a text; raises `Mistake` for an invalid one."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Mistake(f"invalid date '{text}'; use YYYY-MM-DD") from error


def silent_before(settings: Settings) -> datetime | None:
    """Sessions with events received later than this are open; the streams will close them. None without streams."""
    with postgres.connect(settings, "writer") as connection:
        row = connection.execute("select complete_until from stream_progress where stream = 'events'").fetchone()
    return row[0] - timedelta(seconds=settings.session_gap_s) if row and row[0] else None


def files_around(settings: Settings, day: date) -> list[File]:
    """Files of events of the day, the day before, and the days on which its sessions may continue."""
    return list_files(
        open_table(settings, EVENTS), [day + timedelta(days=n) for n in range(-1, versions.CONTINUES_DAYS + 1)]
    )


def read_day_events(settings: Settings, day: date, files: Sequence[File]) -> pa.Table:
    """Events of the sessions that began on this day of the lake, from some of the files around it.

    A beacon that does not say when its session began lies in the day of its own first event; past midnight it still
    belongs to the session, as in the stream.
    """

    def on(n: int) -> list[File]:
        return [f for f in files if f.session_day == (day + timedelta(days=n)).isoformat()]

    events, is_undated = read_rows(settings, EVENTS, on(0)), pc.field("session_started_at").is_null()
    if events["session_started_at"].null_count:
        dated, undated = events.filter(~is_undated), events.filter(is_undated)
        begun = read_session_rows(settings, EVENTS, on(-1), undated, versions.KEY)
        events = pa.concat_tables([dated, versions.exclude_sessions(undated, begun)])
    parts, undated = [events], events
    for n in range(1, versions.CONTINUES_DAYS + 1):
        on_that_day = read_rows(settings, EVENTS, on(n), versions.KEY, is_undated)
        undated = read_session_rows(settings, EVENTS, on(n), versions.sessions_with_row(on_that_day, undated)).filter(
            is_undated
        )
        if not len(undated):
            break
        parts.append(undated)
    return pa.concat_tables(parts)


def read_sessions_of(settings: Settings, started: Sequence[date]) -> pa.Table:
    """The last version of each session that started on these days."""
    sessions = open_table(settings, SESSION_VERSIONS)
    rows = versions.latest(read_rows(settings, SESSION_VERSIONS, list_files(sessions, holding=started)))
    return rows.filter(pc.is_in(rows["day"], pa.array(started, pa.date32())))


def retained_since(for_days: int) -> date:
    """The first day that `maintain` would keep if it ran now."""
    return datetime.now(UTC).date() - timedelta(days=for_days)


def mart_writes(rows: pa.Table) -> Sequence[Write]:
    """What session rows add to each mart."""
    return [Write(mart.table, add_cubes([cube(rows, mart)], mart.table)) for mart in SESSION_MARTS]
