"""Events: the log into the lake, the live windows and the books; may be killed at any moment."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any, LiteralString

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.operations import (
    COUNTED,
    FRESHNESS,
    LATE,
    OUTCOMES,
    QUARANTINE,
    REPORTS,
    STREAM_OFFSETS,
    UNKNOWN_FIELDS,
)
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.compile import arrow, frames
from qoescope.compile.adding import add_cubes
from qoescope.compile.live import LIVE_TABLES
from qoescope.connect import kafka, streams
from qoescope.connect.health import Loop
from qoescope.connect.lake.deletion import delete_from_offset
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import has_files
from qoescope.connect.log_readers import RangeReader
from qoescope.connect.postgres import Write
from qoescope.connect.spark import Stream
from qoescope.connect.topic_history import TopicState
from qoescope.connect.writing import Writer, crash, progress
from qoescope.lake import freshness
from qoescope.lake.jobs import marks, messages, storing
from qoescope.lake.jobs.event_tables import EventTables
from qoescope.lake.jobs.storing import COUNTS, MARKS, OFFSETS, SENT, SET_ASIDE, UNKNOWN, StoredBatch
from qoescope.lake.open_sessions import OpenSessions
from qoescope.settings import Settings

_MARK_COMMITTED: LiteralString = (
    "update freshness set committed_at = clock_timestamp() where query = %s and batch = %s returning batch"
)
FEW, FEW_BYTES = 10_000, 16 * 1024 * 1024
"""Records, and their bytes, that are stored in the driver's process: they are done before tasks would have begun."""
READ_S = 10.0
"""How long the broker may take to deliver them."""
RECORDS_A_TASK = 3_000
"""Starting a Spark task costs a fifth of a core-second; fewer records are not worth one."""
log = logging.getLogger("qoescope.lake")


def stream(
    spark: SparkSession,
    settings: Settings,
    stopping: Event,
    still_open: Mapping[str, OpenSessions],
    loop: Loop | None = None,
) -> Stream:
    """The stream, ready to be run; it marks the sessions whose events or reports it stores."""
    return Stream("events", partial(_start_events, spark, settings, stopping, still_open, loop), warms_up=True)


@dataclass(slots=True)
class StreamPosition:
    """Where a stream of the log is: by partition its first and next offset, and the latest arrival time."""

    first: dict[int, int] = field(default_factory=dict)
    next: dict[int, int] = field(default_factory=dict)
    until: dict[int, datetime] = field(default_factory=dict)

    @property
    def complete_until(self) -> datetime | None:
        """Everything received before has been read; None when nothing has."""
        return min(self.until.values()) if self.until else None

    def restarted_partitions(self, offsets: pa.Table) -> list[int]:
        """Partitions whose offsets went back: their topic was created again."""
        ends = zip(offsets["kafka_partition"].to_pylist(), offsets["next_offset"].to_pylist(), strict=True)
        return [partition for partition, end in ends if end <= self.next.get(partition, 0)]

    def advanced(self, offsets_read: Iterable[dict[str, Any]], stream: str) -> tuple["StreamPosition", pa.Table]:
        """(the position after a batch, its rows of `stream_offsets` with the records that the log lost)."""
        after = StreamPosition(dict(self.first), dict(self.next), dict(self.until))
        merged: dict[int, dict[str, Any]] = {}
        for part in offsets_read:
            total = merged.setdefault(part["kafka_partition"], dict(part))
            if total is not part and total != part:
                total["first_offset"] = min(total["first_offset"], part["first_offset"])
                total["next_offset"] = max(total["next_offset"], part["next_offset"])
                total["records"] += part["records"]
                total["complete_until"] = max(
                    filter(None, (total["complete_until"], part["complete_until"])), default=None
                )
        rows = []
        for number, part in merged.items():
            first, following = part["first_offset"], part["next_offset"]
            begins = self.next.get(number, 0)  # what retention dropped before a stream ever read is lost, too
            hole = following - first - part["records"] + max(0, first - begins)
            after.first.setdefault(number, min(first, begins))
            after.next[number] = max(following, self.next.get(number, 0))
            if part["complete_until"]:
                until = part["complete_until"].replace(tzinfo=UTC)
                after.until[number] = max(until, self.until.get(number, until))
            rows.append(
                {
                    "stream": stream,
                    "topic": BEACONS_TOPIC.name,
                    "kafka_partition": number,
                    "lost": hole,
                    "first_offset": after.first[number],
                    "next_offset": after.next[number],
                    "records": part["records"],
                }
            )
        return after, pa.Table.from_pylist(rows)


def _start_events(
    spark: SparkSession, settings: Settings, stopping: Event, still_open: Mapping[str, OpenSessions], loop: Loop | None
) -> StreamingQuery:
    writer = Writer(settings, stopping, loop)
    ensure_tables(settings)
    topic = streams.open_topic(settings, writer, BEACONS_TOPIC.name, ("events",))
    for name, sessions in still_open.items():
        marks.restore(settings, writer, sessions, name)
    start = streams.starting_offsets(settings, writer, "events", topic, has_files(settings, EVENTS))
    if start != "earliest":  # rows of a batch that was not booked are written again; events are recognised
        for table in (LATE, QUARANTINE, REPORTS):
            delete_from_offset(settings, table, streams.next_offsets(writer, "events", BEACONS_TOPIC.name))
    records = streams.read_topic(spark, settings, topic, start, settings.batch_records)
    write = _EventWriter(settings, writer, still_open, topic, loop)
    return streams.start_query(records, settings, "events", settings.events_every_s, write)


class _EventWriter:
    """Writes batches of the log into the lake, then into the books. Idempotent for a batch that is retried."""

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        still_open: Mapping[str, OpenSessions],
        topic: TopicState,
        loop: Loop | None,
    ) -> None:
        self.settings, self.writer, self.still_open, self.topic = settings, writer, still_open, topic
        self.loop = loop
        self.position: StreamPosition | None = None
        self.tables = EventTables(settings)
        self.follower = RangeReader(settings, BEACONS_TOPIC.name)

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Writes one batch."""
        query = streams.query_id(batch)
        position = self.position or self._stored_position()
        stored = self._store(batch, number)
        read = {row["kafka_partition"] for row in stored.rows(OFFSETS)}
        self.topic = streams.open_added_partitions(self.settings, self.writer, self.topic, read)
        crash(self.settings, "lake.before_delta")
        after, offsets = position.advanced(stored.rows(OFFSETS), "events")
        if self.position and (back := position.restarted_partitions(offsets)):
            raise RuntimeError(f"{BEACONS_TOPIC.name} partition {back[0]} begins again: the topic was made again")
        self.tables.commit(stored, query, number)
        crash(self.settings, "lake.after_delta")
        for name, sessions in self.still_open.items():
            for marked in stored.tables.get(MARKS[name], ()):
                sessions.mark(marked)
        writes = [
            Write(OUTCOMES, _outcome_rows(stored.rows(COUNTS))),
            Write(UNKNOWN_FIELDS, unknown_field_rows(stored.rows(UNKNOWN))),
            Write(STREAM_OFFSETS, offsets),
            *self._live(query, number, stored),
            *(progress(name, after.complete_until, self.tables.version) for name in ("events", "live")),
            *(write for name, sessions in self.still_open.items() for write in marks.progress_writes(name, sessions)),
        ]
        if self.writer.write(query, number, [w for w in writes if len(w.rows)]):
            self.writer.ask(_MARK_COMMITTED, (query, number))
        if self.loop is not None:
            report_set_aside(self.loop, stored.rows(SET_ASIDE))
        crash(self.settings, "lake.before_commit")
        for sessions in self.still_open.values():
            sessions.advance(after.complete_until)
        self.position = after
        self.tables.tidy()

    def _stored_position(self) -> StreamPosition:
        rows = self.writer.ask(
            "select kafka_partition, o.first_offset, next_offset from stream_offsets o "
            "join log_partitions using (topic, kafka_partition) where stream = 'events' and topic_id <> ''"
        )
        until = self.writer.complete_until("events")
        known = {number: until for number, _, _ in rows} if until else {}
        return StreamPosition({p: first for p, first, _ in rows}, {p: following for p, _, following in rows}, known)

    def _store(self, batch: DataFrame, number: int) -> StoredBatch:
        """Stores few records in this process and more by tasks; also those that cannot be read here."""
        bounds = streams.planned_bounds(self.settings, "events", number, BEACONS_TOPIC.name)
        if bounds is None:
            return store_by_tasks(self.settings, self.tables, batch, self.settings.batch_records)
        count = sum(end - first for first, end in bounds.values())
        if not count:
            return StoredBatch()
        if count <= FEW:
            try:
                records = self.follower.read(bounds, FEW_BYTES, READ_S)
            except (*kafka.AWAY, TimeoutError) as error:  # Spark reads them, or says what the log has lost
                log.warning("records of batch %d are not read here: %s", number, error)
            else:
                if records is not None:
                    return storing.store_parts(self.settings, self.tables.known(), [self.topic.shift(records)])
        return store_by_tasks(self.settings, self.tables, batch, count)

    def _live(self, query: str, number: int, stored: StoredBatch) -> list[Write]:
        """What the batch adds to live marts, and its row of `freshness`."""
        ticks = [(row["tick"], row["events"]) for row in stored.rows(SENT)]
        if not ticks:
            return []
        age = freshness.freshness_row(query, number, ticks, datetime.now(UTC))
        return [
            *(Write(table, add_cubes(stored.tables.get(name, ()), table)) for name, table in LIVE_TABLES.items()),
            Write(FRESHNESS, pa.Table.from_pylist([age], arrow.schema(FRESHNESS))),
        ]


def store_by_tasks(settings: Settings, tables: EventTables, batch: DataFrame, count: int) -> StoredBatch:
    """Stores a batch of about `count` records by Spark tasks, each session in one of them."""
    files = tables.files()
    parts = min(settings.spark_partitions, 1 + count // RECORDS_A_TASK)
    rows = frames.records(batch, settings.lake_buckets)
    task = storing.storing_task(settings, files, tables.index.shared())
    if parts > 1:
        spread = rows.repartitionById(parts, F.col("bucket") % parts)
        try:
            return storing.merge_results(streams.collect_messages(spread.mapInArrow(task, messages.SCHEMA)))
        except storing.SplitSession:
            log.warning("records of one session have several keys: one task stores the batch")
    alone = rows.drop("bucket").coalesce(1)  # Spark need not know the bucket
    return storing.merge_results(streams.collect_messages(alone.mapInArrow(task, messages.SCHEMA)))


def report_set_aside(loop: Loop, records: Iterable[Mapping[str, Any]]) -> None:
    """Reports records that broke their batch to the stream's health, with the last one's position and reason."""
    broken = list(records)
    if broken:
        position = f"{BEACONS_TOPIC.name} partition {broken[-1]['kafka_partition']} offset {broken[-1]['kafka_offset']}"
        loop.set_aside(len(broken), f"at {position}, {broken[-1]['reason_kept']}")


def _outcome_rows(counts: Iterable[dict[str, Any]]) -> pa.Table:
    books: dict[tuple[str, datetime], Counter[str]] = {}
    for row in counts:
        books.setdefault((row["property"], row["minute_at"]), Counter()).update(
            {f.name: row.get(f.name) or 0 for f in COUNTED}
        )
    rows = [
        {"property": property_id, "minute_at": minute.replace(tzinfo=UTC), **counted}
        for (property_id, minute), counted in books.items()
    ]
    return pa.Table.from_pylist(rows)


def unknown_field_rows(counts: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows of `unknown_fields`, added up over all parts."""
    total = Counter[tuple[str, datetime, str]]()
    for row in counts:
        total[row["property"], row["minute_at"], row["field"]] += row["count"]
    rows = [
        {"property": property_id, "minute_at": minute.replace(tzinfo=UTC), "field": name, "count": n}
        for (property_id, minute, name), n in total.items()
    ]
    return pa.Table.from_pylist(rows)
