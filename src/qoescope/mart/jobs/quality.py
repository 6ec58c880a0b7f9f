"""Follows new versions of sessions in the lake, and corrects Postgres and the marts by them."""

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
from qoescope.connect.writing import Stopped, Writer, crash, progress, yield_to_live
from qoescope.mart import cubes
from qoescope.settings import Settings

NAME = "quality"
POLL_S = 10.0
"""How often it looks for rows appended by other processes; this process' own are signalled."""
ROWS_AT_ONCE = 30_000
"""Rows in one transaction, at most: each adds to the same cells of the marts."""


def worker(settings: Settings, stopping: Event, written: Event, loop: Loop | None = None) -> Worker:
    """The worker that follows the lake's sessions; `written` signals new ones."""
    publisher = Publisher(settings, Writer(settings, stopping, loop), stopping, written)
    return Worker(NAME, publisher.wait, publisher.publish)


class Publisher:
    """Writes new versions of sessions to Postgres, and their differences to the marts.

    Its progress is written to Postgres with the rows. A version that Postgres has changes nothing, so that repeats
    after a kill do no harm.
    """

    def __init__(self, settings: Settings, writer: Writer, stopping: Event, written: Event) -> None:
        self.settings, self.writer, self.stopping, self.written = settings, writer, stopping, written
        ensure_tables(settings, [SESSION_VERSIONS])
        self.changes = Changes(settings, SESSION_VERSIONS)
        self.next_at = self.poll_at = 0.0
        self.version: int | None = None
        self.is_positioned = False
        self.erasures: days.Erasures | None = None

    def wait(self) -> bool:
        """Waits for the next round; whether there may be new rows."""
        if (left := self.next_at - monotonic()) > 0:
            self.stopping.wait(min(left, 1.0))
            return False
        return self.written.wait(1.0) or monotonic() >= self.poll_at

    def publish(self) -> None:
        """Publishes what is new since Postgres' version, or everything if that is unknown."""
        now = monotonic()
        self.next_at, self.poll_at = now + self.settings.quality_every_s, now + POLL_S
        self.written.clear()
        if not self.is_positioned:
            progress_rows = self.writer.ask("select version from stream_progress where stream = %s", (NAME,))
            self.version, self.is_positioned = (progress_rows[0][0] if progress_rows else None), True
        erasures = self.writer.do(days.count_erasures)
        try:
            self._publish(erasures)
        except days.ErasedMeanwhile:
            self.next_at = self.poll_at = 0.0  # at once, from the last version that was published completely
        else:
            self.erasures = erasures

    def _publish(self, erasures: days.Erasures) -> None:
        """After an erasure, rows are checked against the table: its old files outlive them by a week."""
        for change in self.changes.after(self.version):
            for rows in read_latest(self.settings, change.files):
                if self.stopping.is_set():
                    raise Stopped
                yield_to_live(self.writer, self.stopping, self.settings.give_way_s)
                kept = rows if erasures == self.erasures else keep_stored(self.settings, rows)
                self.writer.do(partial(_correct, kept, erasures))
                crash(self.settings, "mart.before_commit")
            if change.files or self.version is None:
                self.writer.do(partial(_save_version, change.version))
            self.version = change.version


def read_latest(settings: Settings, files: Collection[File]) -> Iterator[pa.Table]:
    """The last version of each session in these files, some sessions at a time.

    All versions of a session lie in one bucket. An older version must not follow a newer one that lies in another day.
    """
    for buckets in group_buckets(files, ROWS_AT_ONCE):
        few = [f for f in files if f.bucket in buckets]
        if sum(f.rows for f in few) <= ROWS_AT_ONCE:
            rows = versions.latest(read_rows(settings, SESSION_VERSIONS, few))
            yield from [rows] if len(rows) else []
            continue
        last = versions.latest(read_rows(settings, SESSION_VERSIONS, few, _VERSION)).select(_VERSION[:3])
        for rows in read_batches(settings, SESSION_VERSIONS, few, ROWS_AT_ONCE):
            kept = versions.keep_versions(rows, last)
            yield from [versions.latest(kept)] if len(kept) else []


def keep_stored(settings: Settings, rows: pa.Table) -> pa.Table:
    """The rows whose session is in the lake now."""
    parts = (pc.unique(rows["session_day"]).to_pylist(), pc.unique(rows["bucket"]).to_pylist())
    files = list_files(open_table(settings, SESSION_VERSIONS), *parts)
    return versions.with_session_in(rows, read_rows(settings, SESSION_VERSIONS, files, versions.KEY))


_VERSION = ("property", "session_id", "version", "written_at")


def _correct(rows: pa.Table, erasures: days.Erasures, connection: Connection) -> None:
    moves = pc.and_kleene(pc.is_valid(rows["replaces_day"]), pc.not_equal(rows["replaces_day"], rows["day"]))
    gone = rows.filter(moves)
    moved = pa.table({"property": gone["property"], "day": gone["replaces_day"], "session_id": gone["session_id"]})
    days.correct(connection, arrow.conform(rows, SESSION_ROWS), moved, _corrections, erasures)


def _corrections(new: pa.Table, old: pa.Table) -> Sequence[Write]:
    return [Write(mart.table, cubes.corrections(new, old, mart)) for mart in SESSION_MARTS]


def _save_version(version: int, connection: Connection) -> None:
    with connection.transaction():
        postgres.upsert(connection, progress(NAME, None, version))
