"""Marks: what was open is found again in the lake at a start, and where to look for it is booked with each batch."""

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
TOLD = ("property", "session_id", "bucket", "received_at")
LOOKED_BACK = timedelta(days=1)
"""How far a start looks back where nothing was booked: after an upgrade."""
SESSIONS, REPORTED = "sessions", "reports"
"""Names of progress: all that was received before is in rows, or was told to the log."""


def following(settings: Settings) -> OpenSessions:
    """Nothing is known yet of what is open."""
    gap = timedelta(seconds=settings.session_gap_s)
    return OpenSessions(gap, gap / 2)


def floors(name: str, still_open: OpenSessions) -> list[Write]:
    """From where a start has to look, to be written in the transaction that books a batch, after its marks."""
    floor = still_open.floor()
    if floor is None:
        return []
    return [progress(name, floor.closed_until, open_since=floor.open_since)]


def restore(settings: Settings, writer: Writer, still_open: OpenSessions, name: str) -> None:
    """Finds what was open; it comes before the first batch of the log. Nothing is read when it is known already."""
    if still_open.restored:
        return
    ensure_tables(settings)
    read = writer.complete_until("events")
    booked = writer.ask("select complete_until, open_since from stream_progress where stream = %s", (name,))
    still_open.restore(find(settings, name, read, *(booked[0] if booked else (None, None))), read)
    log.info("%d sessions were open (%s)", len(still_open), name)


def find(
    settings: Settings, name: str, read: datetime | None, closed_until: datetime | None, open_since: datetime | None
) -> list[pa.Table]:
    """The marks that the lake tells, from what was booked: how far the log was read, and the floor."""
    table = EVENTS if name == SESSIONS else REPORTS
    files = list_files(open_table(settings, table))
    if closed_until is not None:
        return _since(settings, table, files, open_since or closed_until - LOOKED_BACK, closed_until)
    latest = [f.until for f in files if f.until]
    if not latest:
        return []
    log.info("nothing says what was open: what the last day heard is looked through (%s)", name)
    recent = (read or max(latest)) - LOOKED_BACK
    return _stale(settings, files, recent) if name == SESSIONS else _since(settings, table, files, recent, recent)


def _since(
    settings: Settings, table: Table, files: list[File], open_since: datetime, closed_until: datetime
) -> list[pa.Table]:
    """Marks of sessions that have a row since `closed_until`, by all of their rows since `open_since`, by bucket."""
    found = []
    near = [f for f in files if f.until is None or f.until + timedelta(milliseconds=1) >= open_since]
    for bucket in sorted({f.bucket for f in near}):
        mine = [f for f in near if f.bucket == bucket]
        rows = read_rows(settings, table, mine, TOLD, pc.field("received_at") >= pa.scalar(open_since))
        marked = open_sessions.marks(rows)
        last = marked["last_received_at"]
        found.append(marked.filter(pc.greater_equal(last, pa.scalar(closed_until, last.type))))
    return found


def _stale(settings: Settings, files: list[File], recent: datetime) -> list[pa.Table]:
    """Marks of sessions in parts that were written to since then, whose row does not count all of their events."""
    rows = list_files(open_table(settings, SESSION_VERSIONS))
    parts = {(f.session_day, f.bucket) for f in files if f.until is None or f.until >= recent}
    found = []
    for part in sorted(parts):
        mine, there = ([f for f in some if (f.session_day, f.bucket) == part] for some in (files, rows))
        identities = read_rows(settings, EVENTS, mine, (*TOLD, "seq"))
        found.append(open_sessions.stale(identities, read_rows(settings, SESSION_VERSIONS, there)))
    return found
