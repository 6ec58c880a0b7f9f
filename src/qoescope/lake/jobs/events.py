"""Events: the log into the lake, the live windows and the books, as a stream that may be killed at any moment."""

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
from qoescope.catalog.topics import BEACONS
from qoescope.compile import arrow
from qoescope.compile import spark as frames
from qoescope.compile.adding import added
from qoescope.compile.live import LIVE_TABLES
from qoescope.connect import kafka, streams
from qoescope.connect.following import Follower
from qoescope.connect.health import Loop
from qoescope.connect.lake.deletion import delete_from_offset
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import has_files
from qoescope.connect.postgres import Write
from qoescope.connect.spark import Stream
from qoescope.connect.witness import Met
from qoescope.connect.writing import Writer, crash, progress
from qoescope.lake import freshness
from qoescope.lake.jobs import marks, messages, storing
from qoescope.lake.jobs.shelves import Shelves
from qoescope.lake.jobs.storing import ASIDE, COUNTS, MARKS, OFFSETS, SENT, UNKNOWN, Stored
from qoescope.lake.open_sessions import OpenSessions
from qoescope.settings import Settings

_SEEN: LiteralString = (
    "update freshness set committed_at = clock_timestamp() where query = %s and batch = %s returning batch"
)
FEW, FEW_BYTES = 10_000, 16 * 1024 * 1024
"""Records, and their bytes, that are stored in the driver's process: they are done before tasks would have begun."""
READ_S = 10.0
"""How long the broker may take to give them."""
WORTH_A_TASK = 3_000
"""Records. A task costs a fifth of a second of a core before its first one, and live parts of two tasks are to add."""
log = logging.getLogger("qoescope.lake")


def stream(
    spark: SparkSession, settings: Settings, stopping: Event, still_open: Mapping[str, OpenSessions],
    loop: Loop | None = None,
) -> Stream:  # fmt: skip
    """The stream, ready to be kept running; it marks the sessions whose events, or reports, it stores."""
    return Stream("events", partial(_start_events, spark, settings, stopping, still_open, loop), warms_up=True)


@dataclass(slots=True)
class Place:
    """Where a stream of the log is: for each partition its first and next offset and the last time of arrival."""

    first: dict[int, int] = field(default_factory=dict)
    next: dict[int, int] = field(default_factory=dict)
    until: dict[int, datetime] = field(default_factory=dict)

    @property
    def complete_until(self) -> datetime | None:
        """Everything received before has been read."""
        return min(self.until.values()) if self.until else None

    def passed(self, offsets: pa.Table) -> list[int]:
        """Partitions of a batch's rows of `stream_offsets` that end before they are: no batch after the first may."""
        ends = zip(offsets["kafka_partition"].to_pylist(), offsets["next_offset"].to_pylist(), strict=True)
        return [partition for partition, end in ends if end <= self.next.get(partition, 0)]

    def moved(self, told: Iterable[dict[str, Any]], stream: str) -> tuple["Place", pa.Table]:
        """The place after a batch, and its rows of `stream_offsets`: what was read, and what the log had lost."""
        after = Place(dict(self.first), dict(self.next), dict(self.until))
        merged: dict[int, dict[str, Any]] = {}
        for part in told:
            seen = merged.setdefault(part["kafka_partition"], dict(part))
            if seen is not part and seen != part:
                seen["first_offset"] = min(seen["first_offset"], part["first_offset"])
                seen["next_offset"] = max(seen["next_offset"], part["next_offset"])
                seen["records"] += part["records"]
                seen["complete_until"] = max(
                    filter(None, (seen["complete_until"], part["complete_until"])), default=None
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
            rows.append({"stream": stream, "topic": BEACONS.name, "kafka_partition": number, "lost": hole,
                         "first_offset": after.first[number], "next_offset": after.next[number],
                         "records": part["records"]})  # fmt: skip
        return after, pa.Table.from_pylist(rows)


def _start_events(
    spark: SparkSession, settings: Settings, stopping: Event, still_open: Mapping[str, OpenSessions], loop: Loop | None
) -> StreamingQuery:
    writer = Writer(settings, stopping, loop)
    ensure_tables(settings)
    met = streams.meet(settings, writer, BEACONS.name, ("events",))
    for name, sessions in still_open.items():
        marks.restore(settings, writer, sessions, name)
    start = streams.beginning(settings, writer, "events", met, has_files(settings, EVENTS))
    if (
        start != "earliest"
    ):  # what a batch left that the books do not have is read again; events are told by their place
        for table in (LATE, QUARANTINE, REPORTS):
            delete_from_offset(settings, table, streams.reached(writer, "events", BEACONS.name))
    kafka = streams.kafka(spark, settings, met, start, settings.batch_records)
    write = _Events(settings, writer, still_open, met, loop)
    return streams.written(kafka, settings, "events", settings.events_every_s, write)


class _Events:
    """Batches of the log into the lake, then into the books. A batch that comes again changes nothing."""

    def __init__(
        self, settings: Settings, writer: Writer, still_open: Mapping[str, OpenSessions], met: Met, loop: Loop | None
    ) -> None:
        self.settings, self.writer, self.still_open, self.met = settings, writer, still_open, met
        self.loop = loop
        self.place: Place | None = None
        self.shelves = Shelves(settings)
        self.follower = Follower(settings, BEACONS.name)

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Writes one batch."""
        query = streams.query_id(batch)
        place = self.place or self._place()
        stored = self._stored(batch, number)
        read = {row["kafka_partition"] for row in stored.rows(OFFSETS)}
        self.met = streams.meet_added(self.settings, self.writer, self.met, read)
        crash(self.settings, "lake.before_delta")
        after, offsets = place.moved(stored.rows(OFFSETS), "events")
        if self.place and (back := place.passed(offsets)):
            raise RuntimeError(f"{BEACONS.name} partition {back[0]} begins again: the topic was made again")
        self.shelves.commit(stored, query, number)
        crash(self.settings, "lake.after_delta")
        for name, sessions in self.still_open.items():
            for marked in stored.tables.get(MARKS[name], ()):
                sessions.mark(marked)
        writes = [
            Write(OUTCOMES, _books(stored.rows(COUNTS))),
            Write(UNKNOWN_FIELDS, unknown_fields(stored.rows(UNKNOWN))),
            Write(STREAM_OFFSETS, offsets),
            *self._live(query, number, stored),
            *(progress(name, after.complete_until, self.shelves.version) for name in ("events", "live")),
            *(write for name, sessions in self.still_open.items() for write in marks.floors(name, sessions)),
        ]
        if self.writer.write(query, number, [w for w in writes if len(w.rows)]):
            self.writer.ask(_SEEN, (query, number))
        if self.loop is not None:
            tell_set_aside(self.loop, stored.rows(ASIDE))
        crash(self.settings, "lake.before_commit")
        for sessions in self.still_open.values():
            sessions.advance(after.complete_until)
        self.place = after
        self.shelves.tidy()

    def _place(self) -> Place:
        rows = self.writer.ask(
            "select kafka_partition, o.first_offset, next_offset from stream_offsets o "
            "join log_partitions using (topic, kafka_partition) where stream = 'events' and topic_id <> ''"
        )
        until = self.writer.complete_until("events")
        known = {number: until for number, _, _ in rows} if until else {}
        return Place({p: first for p, first, _ in rows}, {p: following for p, _, following in rows}, known)

    def _stored(self, batch: DataFrame, number: int) -> Stored:
        """Few records are stored in this process, more by tasks; so are those that cannot be read here."""
        bounds = streams.bounds(self.settings, "events", number, BEACONS.name)
        if bounds is None:
            return by_tasks(self.settings, self.shelves, batch, self.settings.batch_records)
        count = sum(end - first for first, end in bounds.values())
        if not count:
            return Stored()
        if count <= FEW:
            try:
                records = self.follower.read(bounds, FEW_BYTES, READ_S)
            except (*kafka.AWAY, TimeoutError) as error:  # Spark reads them, or says what the log has lost
                log.warning("records of batch %d are not read here: %s", number, error)
            else:
                if records is not None:
                    return storing.store_parts(self.settings, self.shelves.known(), [self.met.shift(records)])
        return by_tasks(self.settings, self.shelves, batch, count)

    def _live(self, query: str, number: int, stored: Stored) -> list[Write]:
        """What the batch adds to live numbers, and how old its events are."""
        ticks = [(row["tick"], row["events"]) for row in stored.rows(SENT)]
        if not ticks:
            return []
        age = freshness.row(query, number, ticks, datetime.now(UTC))
        return [
            *(Write(table, added(stored.tables.get(name, ()), table)) for name, table in LIVE_TABLES.items()),
            Write(FRESHNESS, pa.Table.from_pylist([age], arrow.schema(FRESHNESS))),
        ]


def by_tasks(settings: Settings, shelves: Shelves, batch: DataFrame, count: int) -> Stored:
    """Stores a batch of about so many records by tasks, a session in one of them."""
    found = shelves.files()
    parts = min(settings.spark_partitions, 1 + count // WORTH_A_TASK)
    rows = frames.records(batch, settings.lake_buckets)
    task = storing.storing(settings, found, shelves.index.shared())
    if parts > 1:
        spread = rows.repartitionById(parts, F.col("bucket") % parts)
        try:
            return storing.of_tasks(streams.collected(spread.mapInArrow(task, messages.TOLD)))
        except storing.Torn:
            log.warning("records of one session have several keys: one task stores the batch")
    alone = rows.drop("bucket").coalesce(1)  # Spark need not know the bucket
    return storing.of_tasks(streams.collected(alone.mapInArrow(task, messages.TOLD)))


def tell_set_aside(loop: Loop, records: Iterable[Mapping[str, Any]]) -> None:
    """Tells the stream's health of records that broke their batch, and of the last one where it lies and why."""
    found = list(records)
    if found:
        place = f"{BEACONS.name} partition {found[-1]['kafka_partition']} offset {found[-1]['kafka_offset']}"
        loop.set_aside(len(found), f"at {place}, {found[-1]['reason_kept']}")


def _books(counts: Iterable[dict[str, Any]]) -> pa.Table:
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


def unknown_fields(counts: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows of the table of that name, of what was counted in all parts."""
    total = Counter[tuple[str, datetime, str]]()
    for row in counts:
        total[row["property"], row["minute_at"], row["field"]] += row["count"]
    rows = [
        {"property": property_id, "minute_at": minute.replace(tzinfo=UTC), "field": name, "count": n}
        for (property_id, minute, name), n in total.items()
    ]
    return pa.Table.from_pylist(rows)
