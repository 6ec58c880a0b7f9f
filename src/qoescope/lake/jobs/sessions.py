"""Sessions: those that fell silent, measured from all of their events, as new versions in the lake."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event
from typing import LiteralString

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.operations import (
    SESSION_VERSIONS,
)
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS
from qoescope.compile import spark as frames
from qoescope.compile import versions as sessions
from qoescope.connect import lake, streams
from qoescope.connect.health import Loop
from qoescope.connect.lake import File
from qoescope.connect.spark import Stream
from qoescope.connect.writing import Writer, crash, give_way, progress
from qoescope.lake import events as product
from qoescope.lake.jobs import messages
from qoescope.lake.jobs.events import join_small_files
from qoescope.lake.jobs.identities import places
from qoescope.settings import Settings

log = logging.getLogger("qoescope.lake")
_REACHED: LiteralString = (
    "select kafka_partition, next_offset from stream_offsets where stream = 'events' and topic = %s"
)


def stream(spark: SparkSession, settings: Settings, stopping: Event, loop: Loop | None = None) -> Stream:
    """The stream, ready to be kept running."""
    return Stream("sessions", partial(_start_sessions, spark, settings, stopping, loop), warms_up=True)


def _start_sessions(spark: SparkSession, settings: Settings, stopping: Event, loop: Loop | None) -> StreamingQuery:
    writer = Writer(settings, stopping, loop)
    lake.ensure(settings)
    start = streams.beginning(settings, writer, "sessions", None, lake.exists(settings, SESSION_VERSIONS))
    kafka = streams.kafka(spark, settings, BEACONS.name, start, settings.batch_records)
    rows = frames.closed(kafka, settings.lake_buckets, settings.session_gap_s, settings.watermark_s)
    return streams.written(
        rows, settings, "sessions", settings.sessions_every_s, _Sessions(spark, settings, writer, stopping)
    )


class _Sessions:
    """Sessions that fell silent into the lake: one new version each, none where nothing changed."""

    def __init__(self, spark: SparkSession, settings: Settings, writer: Writer, stopping: Event) -> None:
        self.spark, self.settings, self.writer, self.stopping = spark, settings, writer, stopping
        self.delta = lake.opened(settings, SESSION_VERSIONS)
        self.events = lake.opened(settings, EVENTS)
        self.batches = 0
        self.dropped = streams.Dropped()
        self.mend_at: datetime | None = None
        """When, by the lake's clock, closed sessions are compared with their events."""

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Writes one batch; waits until the lake holds what these sessions said."""
        give_way(self.writer, self.stopping, self.settings.give_way_s)
        query, parts = streams.query_id(batch), self.settings.spark_partitions
        rows = batch.repartitionById(parts, (F.col("bucket") % parts).cast("int")).persist()
        try:
            while True:
                reached = dict(self.writer.ask(_REACHED, (BEACONS.name,)))
                self.delta.update_incremental()
                self.events.update_incremental()
                task = partial(folded, self.settings, lake.files(self.delta), lake.files(self.events), reached)
                told = streams.collected(rows.mapInArrow(frames.per_task(task), messages.TOLD))
                if "wait" not in told:
                    break
                if self.stopping.wait(1.0):
                    raise streams.Stopped
        finally:
            rows.unpersist()
        lake.commit(self.delta, SESSION_VERSIONS, lake.unpacked(told.get("file", ())), f"sessions:{query}", number)
        crash(self.settings, "lake.after_sessions")
        self.writer.write(query, number, [progress("sessions", None)])
        self._mend(query, number)
        self.batches += 1
        join_small_files(self.settings, SESSION_VERSIONS, self.batches)

    def _mend(self, query: str, number: int) -> None:
        """Measures again, from the lake, sessions of which the window missed a record.

        It misses records that come later than the watermark allows: a collector's clock is ahead, or a partition lags.
        Spark tells how many it dropped, in batches that are over; after a start they are looked for in any case. All
        that was dropped was received before the watermark, so that once the lake is a silence beyond it, each session
        is closed, or will be with its event that comes later.
        """
        before, self.dropped = self.dropped, streams.dropped(self.spark, query, self.dropped)
        if self.dropped.rows > before.rows:
            log.warning(
                "%d records came later than the watermark: their sessions are measured from the lake",
                self.dropped.rows - before.rows,
            )
        silence = timedelta(seconds=self.settings.session_gap_s + self.settings.watermark_s)
        if self.mend_at is None and self.dropped.watermark != before.watermark and self.dropped.watermark is not None:
            self.mend_at = self.dropped.watermark + silence
        done = self.writer.complete_until("events")
        if self.mend_at is None or done is None or done < self.mend_at:
            return
        self._measure_stale(query, number, done - silence)
        late = self.dropped.watermark
        self.mend_at = late + silence if late is not None and late + silence > self.mend_at else None

    def _measure_stale(self, query: str, number: int, silent_since: datetime) -> None:
        recent = silent_since - timedelta(hours=1)
        self.events.update_incremental()
        self.delta.update_incremental()
        parts = {(f.session_day, f.bucket) for f in lake.files(self.events, since=recent)}
        if not parts:
            return
        rows = self.spark.createDataFrame(sorted({(bucket,) for _, bucket in parts}), "bucket bigint")
        tasks = self.settings.spark_partitions
        task = partial(mended, self.settings, lake.files(self.delta), lake.files(self.events), parts, silent_since)
        spread = rows.repartitionById(tasks, (F.col("bucket") % tasks).cast("int"))
        told = streams.collected(spread.mapInArrow(frames.per_task(task), messages.TOLD))
        lake.commit(self.delta, SESSION_VERSIONS, lake.unpacked(told.get("file", ())), f"mended:{query}", number)


def mended(
    settings: Settings, found: Sequence[File], events: Sequence[File], parts: set[tuple[str, int]],
    silent_since: datetime, rows: pa.Table,
) -> pa.Table:  # fmt: skip
    """Writes new versions of closed sessions whose row does not count all of their events; answers files' names.

    They are looked for in these parts (session_day, bucket) of the lake.
    """
    written: list[File] = []
    for bucket in rows["bucket"].to_pylist():
        mine, old = ([f for f in some if f.bucket == bucket] for some in (events, found))
        read = [f for f in mine if (f.session_day, bucket) in parts]
        identities = lake.rows(settings, EVENTS, read, (*product.IDENTITY, "received_at"))
        there = lake.rows(settings, SESSION_VERSIONS, [f for f in old if (f.session_day, bucket) in parts])
        stale = sessions.stale(identities, there, silent_since)
        if len(stale):
            said = lake.rows_of(settings, EVENTS, read, stale)
            written += _versions(settings, old, mine, read, said)
    return messages.files("file", written)


def folded(
    settings: Settings, found: Sequence[File], events: Sequence[File], reached: Mapping[int, int], closed: pa.Table
) -> pa.Table:
    """Writes the new versions of these sessions into files and answers their names; or that it has to wait."""
    last = zip(closed["kafka_partition"].to_pylist(), closed["kafka_offset"].to_pylist(), strict=True)
    if any(offset >= reached.get(partition, 0) for partition, offset in last):
        return messages.lines("wait", [b""])
    buckets = set(closed["bucket"].to_pylist())
    mine, old = ([f for f in some if f.bucket in buckets] for some in (events, found))
    since = pc.min(closed["since"]).as_py() - timedelta(seconds=settings.repeats_within_s)
    read = [f for f in mine if not f.until or f.until >= since]
    said = lake.rows_of(settings, EVENTS, read, closed)
    return messages.files(
        "file", _versions(settings, old, mine, read, said) if len(said) else []
    )  # or all were kept aside


def _versions(
    settings: Settings, found: Sequence[File], events: Sequence[File], read: Sequence[File], said: pa.Table
) -> list[File]:
    """New versions of the sessions in files; `said` is what the files `read` hold of them, of all `events`."""
    before = _before(settings, found, said)
    began, known = pc.min(before["first_received_at"]).as_py(), {f.path for f in read}
    others = [f for f in events if f.path not in known and began and f.until and f.until >= began]
    earlier = lake.rows_of(settings, EVENTS, others, sessions.known(said, before))
    new = sessions.versions(pa.concat_tables([said, earlier]), before, datetime.now(UTC))
    return lake.write(settings, SESSION_VERSIONS, new)


def _before(settings: Settings, found: Sequence[File], said: pa.Table) -> pa.Table:
    """The rows that the lake has of the events' sessions.

    They lie in the day of the session's start. One that does not say when it began lies in the day of its own first
    event: without it, it is looked for in the days before, as long as it spoke on each.
    """
    touched = places(said)
    here = lake.rows_of(settings, SESSION_VERSIONS, [f for f in found if (f.session_day, f.bucket) in touched], said)
    begun = sessions.without(sessions.begun_before(said), here)
    if not len(begun):
        return here
    first = pc.min(begun["session_day"]).as_py()
    days = {(first - timedelta(days=n)).isoformat() for n in range(1, sessions.GOES_ON_DAYS + 1)}
    there = lake.rows_of(settings, SESSION_VERSIONS, [f for f in found if f.session_day in days], begun)
    spoke = datetime.combine(first - timedelta(days=1), datetime.min.time(), UTC)
    return pa.concat_tables([here, there.filter(pc.greater_equal(there["last_received_at"], pa.scalar(spoke)))])
