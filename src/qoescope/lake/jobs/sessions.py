"""Folds sessions that fell silent, from all of their events, into new versions in the lake."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from threading import Event
from time import monotonic

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from qoescope.catalog.operations import (
    SESSION_VERSIONS,
)
from qoescope.catalog.tables import EVENTS
from qoescope.compile import frames, versions
from qoescope.connect import streams
from qoescope.connect.health import Loop
from qoescope.connect.lake.reading import list_files, read_session_rows
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.lake.writing import append_files, unpack_files, write_files
from qoescope.connect.loops import Worker
from qoescope.connect.writing import Stopped, Writer, crash, yield_to_live
from qoescope.lake.jobs import messages
from qoescope.lake.jobs.event_tables import join_small_files
from qoescope.lake.jobs.identities import touched_parts
from qoescope.lake.open_sessions import OpenSessions
from qoescope.settings import Settings

log = logging.getLogger("qoescope.lake")
FEW = 500
"""Sessions up to which folding happens in this process: fewer are not worth starting tasks."""
AT_ONCE = 100_000
"""Sessions whose rows become visible together, at most."""


def worker(
    spark: SparkSession,
    settings: Settings,
    stopping: Event,
    still_open: OpenSessions,
    written: Event,
    loop: Loop | None = None,
) -> Worker:
    """The worker that closes sessions as they fall silent; it sets `written` whenever it wrote rows."""
    closer = _Closer(spark, settings, stopping, still_open, written, loop)
    return Worker("sessions", closer.wait, closer.close)


class _Closer:
    """Writes one new version of each silent session, and none where nothing changed."""

    def __init__(
        self,
        spark: SparkSession,
        settings: Settings,
        stopping: Event,
        still_open: OpenSessions,
        written: Event,
        loop: Loop | None,
    ) -> None:
        self.spark, self.settings, self.stopping, self.loop = spark, settings, stopping, loop
        self.still_open, self.written = still_open, written
        self.writer = Writer(settings, stopping, loop)
        self.next_at, self.rounds = 0.0, 0

    def wait(self) -> bool:
        """Waits for the next round; whether a session is due."""
        if (left := self.next_at - monotonic()) > 0:
            self.stopping.wait(min(left, 1.0))
            return False
        return self.still_open.wait(1.0) and self.still_open.restored

    def close(self) -> None:
        """Folds the sessions that are due and commits their rows; a round that fails is repeated."""
        due = self.still_open.due(AT_ONCE)
        if len(due):
            yield_to_live(self.writer, self.stopping, self.settings.give_way_s)
            delta, events = (open_table(self.settings, table) for table in (SESSION_VERSIONS, EVENTS))
            files = self._measure(due, list_files(delta), list_files(events))
            crash(self.settings, "lake.before_sessions")
            append_files(delta, SESSION_VERSIONS, files, {"app": "sessions"})
            crash(self.settings, "lake.after_sessions")
            self.still_open.forget(due)
            if files:
                self.written.set()
                self.rounds += 1
                join_small_files(self.settings, SESSION_VERSIONS, self.rounds)
        if len(due) < AT_ONCE:
            self.next_at = monotonic() + self.settings.sessions_every_s
        restart_point = self.still_open.restart_point()
        if self.loop is not None and restart_point is not None:
            self.loop.lags(oldest_open_at=restart_point.closed_until.timestamp())

    def _measure(self, due: pa.Table, rows: Sequence[File], events: Sequence[File]) -> list[File]:
        if len(due) <= FEW:
            return list(_until_stopping(self.stopping, measure_sessions(self.settings, rows, events, due)))
        parts = self.settings.spark_partitions
        spread = self.spark.createDataFrame(due).repartitionById(parts, (F.col("bucket") % parts).cast("int"))
        task = partial(_measure_in_task, self.settings, rows, events)
        results = streams.collect_messages(spread.mapInArrow(frames.per_task(task), messages.SCHEMA))
        return unpack_files(results.get("file", ()))


def _until_stopping(stopping: Event, files: Iterator[File]) -> Iterator[File]:
    for file in files:
        if stopping.is_set():
            raise Stopped
        yield file


def _measure_in_task(settings: Settings, rows: Sequence[File], events: Sequence[File], due: pa.Table) -> pa.Table:
    return messages.file_messages("file", measure_sessions(settings, rows, events, due))


def measure_sessions(settings: Settings, rows: Sequence[File], events: Sequence[File], due: pa.Table) -> Iterator[File]:
    """Writes new versions of these sessions (`MARKS`) into files, one part at a time.

    `rows` and `events` are the lake's files of either table. Memory is bounded by the settings.
    """
    for bucket in pc.unique(due["bucket"]).to_pylist():
        mine, old = ([f for f in some if f.bucket == bucket] for some in (events, rows))
        for part in _split_by_size(due.filter(pc.equal(due["bucket"], bucket)), settings.events_in_memory):
            yield from _write_versions(settings, old, mine, part)


def _split_by_size(due: pa.Table, most_events: int) -> Iterator[pa.Table]:
    """The sessions by the time of their first event, in parts of about so many events."""
    ordered = due.sort_by("first_received_at")
    part = np.cumsum(ordered["events"].to_numpy()) // most_events
    for start, end in pairwise((0, *(np.flatnonzero(np.diff(part)) + 1), len(ordered))):
        yield ordered.slice(start, end - start)


def _write_versions(settings: Settings, rows: Sequence[File], events: Sequence[File], part: pa.Table) -> Iterator[File]:
    """New versions of these sessions in files, from all of their events, which may be more than are marked."""
    since = pc.min(part["first_received_at"]).as_py() - timedelta(milliseconds=1)
    read = [f for f in events if not f.until or f.until >= since]
    own_events = read_session_rows(settings, EVENTS, read, part)
    if not len(own_events):  # all were kept aside, or expired
        return
    before = _existing_rows(settings, rows, own_events)
    many = (pc.sum(versions.latest(before)["event_count"]).as_py() or 0) // settings.events_in_memory
    if many > 1 and len(part) > 1:
        each = -(-len(part) // (many + 1))
        for start in range(0, len(part), each):
            yield from _write_versions(settings, rows, events, part.slice(start, each))
        return
    began, known = pc.min(before["first_received_at"]).as_py(), {f.path for f in read}
    others = [f for f in events if f.path not in known and began and f.until and f.until >= began]
    earlier = read_session_rows(settings, EVENTS, others, versions.sessions_with_row(own_events, before))
    yield from write_files(
        settings,
        SESSION_VERSIONS,
        versions.versions(pa.concat_tables([own_events, earlier]), before, datetime.now(UTC)),
    )


def _existing_rows(settings: Settings, files: Sequence[File], own_events: pa.Table) -> pa.Table:
    """The rows that the lake has of the events' sessions.

    They lie in the day of the session's start. A session that does not say when it began lies in the day of its first
    event; if that is not among `own_events`, the days before are searched, as long as it had events on each.
    """
    touched = touched_parts(own_events)
    here = read_session_rows(
        settings, SESSION_VERSIONS, [f for f in files if (f.session_day, f.bucket) in touched], own_events
    )
    begun = versions.exclude_sessions(versions.begun_earlier(own_events), here)
    if not len(begun):
        return here
    first = pc.min(begun["session_day"]).as_py()
    days = {(first - timedelta(days=n)).isoformat() for n in range(1, versions.CONTINUES_DAYS + 1)}
    there = read_session_rows(settings, SESSION_VERSIONS, [f for f in files if f.session_day in days], begun)
    spoke = datetime.combine(first - timedelta(days=1), datetime.min.time(), UTC)
    return pa.concat_tables([here, there.filter(pc.greater_equal(there["last_received_at"], pa.scalar(spoke)))])
