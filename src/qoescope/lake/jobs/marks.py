"""Finds open sessions in the lake at a start, and books with each batch where the next start must look."""

import logging
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.operations import REPORTS, SESSION_VERSIONS
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.postgres import Write
from qoescope.connect.writing import Writer, progress
from qoescope.lake import open_sessions
from qoescope.lake.open_sessions import OpenSessions
from qoescope.settings import Settings

log = logging.getLogger("qoescope.lake")
COLUMNS = ("property", "session_id", "bucket", "received_at")
LOOK_BACK = timedelta(days=1)
"""How far a start looks back where nothing was booked: after an upgrade."""
SESSIONS, REPORTED = "sessions", "reports"
"""Names of progress: all that was received before is in rows, or was told to the log."""


def new_open_sessions(settings: Settings) -> OpenSessions:
    """`OpenSessions` with the settings' gap, not restored yet."""
    gap = timedelta(seconds=settings.session_gap_s)
    return OpenSessions(gap, gap / 2)


def progress_writes(name: str, still_open: OpenSessions) -> list[Write]:
    """The restart point as a row of `stream_progress`, to be written in the transaction that books a batch."""
    restart_point = still_open.restart_point()
    if restart_point is None:
        return []
    return [progress(name, restart_point.closed_until, open_since=restart_point.open_since)]


def restore(settings: Settings, writer: Writer, still_open: OpenSessions, name: str) -> None:
    """Restores the open sessions before the first batch of the log; reads nothing if they are restored."""
    if still_open.restored:
        return
    ensure_tables(settings)
    read = writer.complete_until("events")
    booked = writer.ask("select complete_until, open_since from stream_progress where stream = %s", (name,))
    still_open.restore(find_marks(settings, name, read, *(booked[0] if booked else (None, None))), read)
    log.info("%d sessions were open (%s)", len(still_open), name)


def find_marks(
    settings: Settings, name: str, read: datetime | None, closed_until: datetime | None, open_since: datetime | None
) -> list[pa.Table]:
    """Marks of open sessions, from what was booked: how far the log was read, and the restart point."""
    table = EVENTS if name == SESSIONS else REPORTS
    files = list_files(open_table(settings, table))
    if closed_until is not None:
        return _since(settings, table, files, open_since or closed_until - LOOK_BACK, closed_until)
    latest = [f.until for f in files if f.until]
    if not latest:
        return []
    log.info("nothing says what was open: what the last day heard is looked through (%s)", name)
    recent = (read or max(latest)) - LOOK_BACK
    return _stale(settings, files, recent) if name == SESSIONS else _since(settings, table, files, recent, recent)


def _since(
    settings: Settings, table: Table, files: list[File], open_since: datetime, closed_until: datetime
) -> list[pa.Table]:
    """Marks, by bucket, of sessions with a row received since `closed_until`, over their rows since `open_since`."""
    marks = []
    near = [f for f in files if f.until is None or f.until + timedelta(milliseconds=1) >= open_since]
    for bucket in sorted({f.bucket for f in near}):
        mine = [f for f in near if f.bucket == bucket]
        rows = read_rows(settings, table, mine, COLUMNS, pc.field("received_at") >= pa.scalar(open_since))
        marked = open_sessions.marks(rows)
        last = marked["last_received_at"]
        marks.append(marked.filter(pc.greater_equal(last, pa.scalar(closed_until, last.type))))
    return marks


def _stale(settings: Settings, files: list[File], recent: datetime) -> list[pa.Table]:
    """Marks of sessions, in parts written since `recent`, whose row does not count all of their events."""
    rows = list_files(open_table(settings, SESSION_VERSIONS))
    parts = {(f.session_day, f.bucket) for f in files if f.until is None or f.until >= recent}
    marks = []
    for part in sorted(parts):
        mine, there = ([f for f in some if (f.session_day, f.bucket) == part] for some in (files, rows))
        identities = read_rows(settings, EVENTS, mine, (*COLUMNS, "seq"))
        marks.append(open_sessions.stale_marks(identities, read_rows(settings, SESSION_VERSIONS, there)))
    return marks
