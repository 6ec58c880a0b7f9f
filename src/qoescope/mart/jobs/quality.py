"""Quality: new versions of sessions into Postgres, as corrections of the marts."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from threading import Event
from time import monotonic

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.marts import SESSION_MARTS
from qoescope.catalog.operations import (
    SESSION_ROWS,
    SESSION_VERSIONS,
)
from qoescope.compile import arrow, versions
from qoescope.connect import days, postgres
from qoescope.connect.changes import Changes
from qoescope.connect.health import Loop
from qoescope.connect.lake.reading import group_buckets, list_files, read_batches, read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.loops import Worker
from qoescope.connect.postgres import Connection, Write
from qoescope.connect.writing import Stopped, Writer, crash, give_way, progress
from qoescope.mart import cubes
from qoescope.settings import Settings

NAME = "quality"
LOOKS_EVERY_S = 10.0
"""How often it looks for rows that another process appended; of those of this one it is told."""
ROWS_AT_ONCE = 30_000
"""Rows in one transaction, at most: each adds to the same cells of the marts once more."""


def worker(settings: Settings, stopping: Event, written: Event, loop: Loop | None = None) -> Worker:
    """Follows the sessions of the lake; `written` tells that there are new ones."""
    publisher = Publisher(settings, Writer(settings, stopping, loop), stopping, written)
    return Worker(NAME, publisher.wait, publisher.publish)


class Publisher:
    """New versions of sessions into Postgres: their rows, and the marts by what changed.

    How far it is lies in Postgres, and is written with what it is about. A version that is in Postgres already changes
    nothing, so that what comes again after a kill does no harm.
    """

    def __init__(self, settings: Settings, writer: Writer, stopping: Event, written: Event) -> None:
        self.settings, self.writer, self.stopping, self.written = settings, writer, stopping, written
        ensure_tables(settings, [SESSION_VERSIONS])
        self.changes = Changes(settings, SESSION_VERSIONS)
        self.next_at = self.look_at = 0.0
        self.version: int | None = None
        self.asked = False
        self.erasures: days.Erasures | None = None

    def wait(self) -> bool:
        """Whether there may be new rows, and the last time is long enough ago."""
        if (left := self.next_at - monotonic()) > 0:
            self.stopping.wait(min(left, 1.0))
            return False
        return self.written.wait(1.0) or monotonic() >= self.look_at

    def publish(self) -> None:
        """Publishes what is new. It begins where Postgres is, and with all that is there where it does not say."""
        now = monotonic()
        self.next_at, self.look_at = now + self.settings.quality_every_s, now + LOOKS_EVERY_S
        self.written.clear()
        if not self.asked:
            found = self.writer.ask("select version from stream_progress where stream = %s", (NAME,))
            self.version, self.asked = (found[0][0] if found else None), True
        erasures = self.writer.do(days.count_erasures)
        try:
            self._publish(erasures)
        except days.ErasedMeanwhile:
            self.next_at = self.look_at = 0.0  # at once, from the last version that was published whole
        else:
            self.erasures = erasures

    def _publish(self, erasures: days.Erasures) -> None:
        """After an erasure the table is asked which rows it still has: their files outlive them by a week."""
        for change in self.changes.after(self.version):
            for rows in parts(self.settings, change.files):
                if self.stopping.is_set():
                    raise Stopped
                give_way(self.writer, self.stopping, self.settings.give_way_s)
                kept = rows if erasures == self.erasures else still_there(self.settings, rows)
                self.writer.do(partial(_correct, kept, erasures))
                crash(self.settings, "mart.before_commit")
            if change.files or self.version is None:
                self.writer.do(partial(_note, change.version))
            self.version = change.version


def parts(settings: Settings, files: Collection[File]) -> Iterator[pa.Table]:
    """The last version of each session in these files, some sessions at a time.

    All versions of one lie in one bucket. An older one must not come after a newer one that lies in another day.
    """
    for buckets in group_buckets(files, ROWS_AT_ONCE):
        few = [f for f in files if f.bucket in buckets]
        if sum(f.rows for f in few) <= ROWS_AT_ONCE:
            rows = versions.latest(read_rows(settings, SESSION_VERSIONS, few))
            yield from [rows] if len(rows) else []
            continue
        last = versions.latest(read_rows(settings, SESSION_VERSIONS, few, _VERSION)).select(_VERSION[:3])
        for rows in read_batches(settings, SESSION_VERSIONS, few, ROWS_AT_ONCE):
            kept = versions.among(rows, last)
            yield from [versions.latest(kept)] if len(kept) else []


def still_there(settings: Settings, rows: pa.Table) -> pa.Table:
    """Those of the rows whose session the lake has now."""
    places = (pc.unique(rows["session_day"]).to_pylist(), pc.unique(rows["bucket"]).to_pylist())
    found = list_files(open_table(settings, SESSION_VERSIONS), *places)
    return versions.with_session_in(rows, read_rows(settings, SESSION_VERSIONS, found, versions.KEY))


_VERSION = ("property", "session_id", "version", "written_at")


def _correct(rows: pa.Table, erasures: days.Erasures, connection: Connection) -> None:
    moves = pc.and_kleene(pc.is_valid(rows["replaces_day"]), pc.not_equal(rows["replaces_day"], rows["day"]))
    gone = rows.filter(moves)
    moved = pa.table({"property": gone["property"], "day": gone["replaces_day"], "session_id": gone["session_id"]})
    days.correct(connection, arrow.conform(rows, SESSION_ROWS), moved, _corrections, erasures)


def _corrections(new: pa.Table, old: pa.Table) -> Sequence[Write]:
    return [Write(mart.table, cubes.corrections(new, old, mart)) for mart in SESSION_MARTS]


def _note(version: int, connection: Connection) -> None:
    with connection.transaction():
        postgres.upsert(connection, progress(NAME, None, version))
