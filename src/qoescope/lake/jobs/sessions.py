"""Sessions: those that fell silent, measured from all of their events, as new versions in the lake."""

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
from qoescope.compile import spark as frames
from qoescope.compile import versions as sessions
from qoescope.connect import streams
from qoescope.connect.health import Loop
from qoescope.connect.lake.reading import list_files, read_session_rows
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.lake.writing import append_files, unpack_files, write_files
from qoescope.connect.loops import Worker
from qoescope.connect.writing import Stopped, Writer, crash, give_way
from qoescope.lake.jobs import messages
from qoescope.lake.jobs.identities import places
from qoescope.lake.jobs.shelves import join_small_files
from qoescope.lake.open_sessions import OpenSessions
from qoescope.settings import Settings

log = logging.getLogger("qoescope.lake")
FEW = 500
"""Sessions that are measured in this process: for more, tasks are worth their start."""
AT_ONCE = 100_000
"""Sessions whose rows become visible together, at most."""


def worker(
    spark: SparkSession, settings: Settings, stopping: Event, still_open: OpenSessions, written: Event,
    loop: Loop | None = None,
) -> Worker:  # fmt: skip
    """Closes sessions as they fall silent; `written` is set whenever new rows are there."""
    closer = _Closer(spark, settings, stopping, still_open, written, loop)
    return Worker("sessions", closer.wait, closer.close)


class _Closer:
    """Sessions that fell silent into the lake: one new version each, none where nothing changed."""

    def __init__(
        self, spark: SparkSession, settings: Settings, stopping: Event, still_open: OpenSessions, written: Event,
        loop: Loop | None,
    ) -> None:  # fmt: skip
        self.spark, self.settings, self.stopping, self.loop = spark, settings, stopping, loop
        self.still_open, self.written = still_open, written
        self.writer = Writer(settings, stopping, loop)
        self.next_at, self.rounds = 0.0, 0

    def wait(self) -> bool:
        """Whether there is something to close, and the last time is long enough ago."""
        if (left := self.next_at - monotonic()) > 0:
            self.stopping.wait(min(left, 1.0))
            return False
        return self.still_open.wait(1.0) and self.still_open.restored

    def close(self) -> None:
        """Measures what is due and makes it visible; what breaks off comes again."""
        due = self.still_open.due(AT_ONCE)
        if len(due):
            give_way(self.writer, self.stopping, self.settings.give_way_s)
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
        floor = self.still_open.floor()
        if self.loop is not None and floor is not None:
            self.loop.lags(oldest_open_at=floor.closed_until.timestamp())

    def _measure(self, due: pa.Table, rows: Sequence[File], events: Sequence[File]) -> list[File]:
        if len(due) <= FEW:
            return list(_until(self.stopping, measured(self.settings, rows, events, due)))
        parts = self.settings.spark_partitions
        spread = self.spark.createDataFrame(due).repartitionById(parts, (F.col("bucket") % parts).cast("int"))
        task = partial(_task, self.settings, rows, events)
        told = streams.collected(spread.mapInArrow(frames.per_task(task), messages.TOLD))
        return unpack_files(told.get("file", ()))


def _until(stopping: Event, files: Iterator[File]) -> Iterator[File]:
    for file in files:
        if stopping.is_set():
            raise Stopped
        yield file


def _task(settings: Settings, rows: Sequence[File], events: Sequence[File], due: pa.Table) -> pa.Table:
    return messages.files("file", measured(settings, rows, events, due))


def measured(settings: Settings, rows: Sequence[File], events: Sequence[File], due: pa.Table) -> Iterator[File]:
    """Writes new versions of these sessions (`MARKS`) into files, a part of them after the other.

    `rows` and `events` are the lake's files. What is in memory at once is bounded by the settings.
    """
    for bucket in pc.unique(due["bucket"]).to_pylist():
        mine, old = ([f for f in some if f.bucket == bucket] for some in (events, rows))
        for part in _parts(due.filter(pc.equal(due["bucket"], bucket)), settings.events_in_memory):
            yield from _versions(settings, old, mine, part)


def _parts(due: pa.Table, most_events: int) -> Iterator[pa.Table]:
    """The sessions by the time of their first event, with so many events in a part, about."""
    ordered = due.sort_by("first_received_at")
    part = np.cumsum(ordered["events"].to_numpy()) // most_events
    for start, end in pairwise((0, *(np.flatnonzero(np.diff(part)) + 1), len(ordered))):
        yield ordered.slice(start, end - start)


def _versions(settings: Settings, rows: Sequence[File], events: Sequence[File], part: pa.Table) -> Iterator[File]:
    """New versions of these sessions in files: of all that they ever said, which may be more than their marks tell."""
    since = pc.min(part["first_received_at"]).as_py() - timedelta(milliseconds=1)
    read = [f for f in events if not f.until or f.until >= since]
    said = read_session_rows(settings, EVENTS, read, part)
    if not len(said):  # all were kept aside, or expired
        return
    before = _before(settings, rows, said)
    many = (pc.sum(sessions.latest(before)["event_count"]).as_py() or 0) // settings.events_in_memory
    if many > 1 and len(part) > 1:
        each = -(-len(part) // (many + 1))
        for start in range(0, len(part), each):
            yield from _versions(settings, rows, events, part.slice(start, each))
        return
    began, known = pc.min(before["first_received_at"]).as_py(), {f.path for f in read}
    others = [f for f in events if f.path not in known and began and f.until and f.until >= began]
    earlier = read_session_rows(settings, EVENTS, others, sessions.known(said, before))
    yield from write_files(
        settings, SESSION_VERSIONS, sessions.versions(pa.concat_tables([said, earlier]), before, datetime.now(UTC))
    )


def _before(settings: Settings, found: Sequence[File], said: pa.Table) -> pa.Table:
    """The rows that the lake has of the events' sessions.

    They lie in the day of the session's start. One that does not say when it began lies in the day of its own first
    event: without it, it is looked for in the days before, as long as it spoke on each.
    """
    touched = places(said)
    here = read_session_rows(
        settings, SESSION_VERSIONS, [f for f in found if (f.session_day, f.bucket) in touched], said
    )
    begun = sessions.without(sessions.begun_before(said), here)
    if not len(begun):
        return here
    first = pc.min(begun["session_day"]).as_py()
    days = {(first - timedelta(days=n)).isoformat() for n in range(1, sessions.GOES_ON_DAYS + 1)}
    there = read_session_rows(settings, SESSION_VERSIONS, [f for f in found if f.session_day in days], begun)
    spoke = datetime.combine(first - timedelta(days=1), datetime.min.time(), UTC)
    return pa.concat_tables([here, there.filter(pc.greater_equal(there["last_received_at"], pa.scalar(spoke)))])
