"""Events: the log into the lake, the live windows and the books, as a stream that may be killed at any moment."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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
    SESSION_VERSIONS,
    STREAM_OFFSETS,
)
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS
from qoescope.compile import arrow
from qoescope.compile import records as compiled
from qoescope.compile import spark as frames
from qoescope.compile.adding import added
from qoescope.compile.live import LIVE_TABLES, live
from qoescope.connect import lake, streams
from qoescope.connect.health import Loop
from qoescope.connect.lake import File
from qoescope.connect.postgres import Write
from qoescope.connect.spark import Stream
from qoescope.connect.writing import Writer, crash, progress
from qoescope.lake import events as product
from qoescope.lake import freshness, open_sessions
from qoescope.lake.jobs import identities, marks, messages
from qoescope.lake.open_sessions import OpenSessions
from qoescope.settings import Settings

TABLES = {table.name: table for table in (EVENTS, LATE, QUARANTINE, REPORTS, SESSION_VERSIONS)}
SENT = "sent"
"""When events were sent, in ticks."""
_SEEN: LiteralString = (
    "update freshness set committed_at = clock_timestamp() where query = %s and batch = %s returning batch"
)
WORTH_A_TASK = 3_000
"""Records. A task costs a fifth of a second of a core before its first one, and live parts of two tasks are to add."""
PART_BYTES = 32 * 1024 * 1024
"""Bytes of records that a task reads at once, however many it has: small events take 25 times as much when read."""
JOINED_EVERY, JOINED_BYTES = 6, 8 * 1024 * 1024
"""Between so many batches a stream joins one part's small files, up to this size; upkeep joins those at night."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the clocks of two collectors may differ."""


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
            hole = following - first - part["records"] + max(0, first - self.next.get(number, first))
            after.first.setdefault(number, first)
            after.next[number] = max(following, self.next.get(number, 0))
            if part["complete_until"]:
                until = datetime.fromisoformat(part["complete_until"]).replace(tzinfo=UTC)
                after.until[number] = max(until, self.until.get(number, until))
            rows.append({"stream": stream, "topic": BEACONS.name, "kafka_partition": number, "lost": hole,
                         "first_offset": after.first[number], "next_offset": after.next[number],
                         "records": part["records"]})  # fmt: skip
        return after, pa.Table.from_pylist(rows)


def _start_events(
    spark: SparkSession, settings: Settings, stopping: Event, still_open: Mapping[str, OpenSessions], loop: Loop | None
) -> StreamingQuery:
    writer = Writer(settings, stopping, loop)
    lake.ensure(settings)
    for name, sessions in still_open.items():
        marks.restore(settings, writer, sessions, name)
    start = streams.beginning(settings, writer, "events", BEACONS.name, lake.exists(settings, EVENTS))
    if (
        start != "earliest"
    ):  # what a batch left that the books do not have is read again; events are told by their place
        for table in (LATE, QUARANTINE, REPORTS):
            lake.take_back(settings, table, json.loads(start)[BEACONS.name])
    kafka = streams.kafka(spark, settings, BEACONS.name, start, settings.batch_records)
    return streams.written(kafka, settings, "events", settings.events_every_s, _Events(settings, writer, still_open))


class _Events:
    """Batches of the log into the lake, then into the books. A batch that comes again changes nothing."""

    def __init__(self, settings: Settings, writer: Writer, still_open: Mapping[str, OpenSessions]) -> None:
        self.settings, self.writer, self.still_open = settings, writer, still_open
        self.place: Place | None = None
        self.tables = {name: lake.opened(settings, table) for name, table in TABLES.items()}
        self.version = self.tables[EVENTS.name].version()
        self.batches = self.records = 0

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Writes one batch."""
        query = streams.query_id(batch)
        place = self.place or self._place()
        told = self._told(batch, place)
        crash(self.settings, "lake.before_delta")
        after, offsets = place.moved(map(json.loads, told.get("offset", ())), "events")
        for name in (LATE.name, QUARANTINE.name, REPORTS.name, EVENTS.name):
            added = lake.unpacked(told.get(name, ()))
            lake.commit(self.tables[name], TABLES[name], added, f"events:{query}", number)
        if told.get(EVENTS.name):
            self.version = self.tables[EVENTS.name].version()
        crash(self.settings, "lake.after_delta")
        for name, sessions in self.still_open.items():
            for marked in told.get(f"marks of {name}", ()):
                sessions.mark(messages.unpacked(marked))
        books = _books(map(json.loads, told.get("count", ())))
        writes = [
            Write(OUTCOMES, books),
            Write(STREAM_OFFSETS, offsets),
            *self._live(query, number, told),
            *(progress(name, after.complete_until, self.version) for name in ("events", "live")),
            *(write for name, sessions in self.still_open.items() for write in marks.floors(name, sessions)),
        ]
        if self.writer.write(query, number, [w for w in writes if len(w.rows)]):
            self.writer.ask(_SEEN, (query, number))
        crash(self.settings, "lake.before_commit")
        for sessions in self.still_open.values():
            sessions.advance(after.complete_until)
        self.place, self.records = after, sum(row["records"] for row in offsets.to_pylist())
        self._tidy()

    def _place(self) -> Place:
        rows = self.writer.ask(
            "select kafka_partition, first_offset, next_offset from stream_offsets where stream = 'events'"
        )
        until = self.writer.complete_until("events")
        known = {number: until for number, _, _ in rows} if until else {}
        return Place({p: first for p, first, _ in rows}, {p: following for p, _, following in rows}, known)

    def _told(self, batch: DataFrame, place: Place) -> dict[str, list[bytes]]:
        self.tables[EVENTS.name].update_incremental()
        looked_back = timedelta(seconds=self.settings.repeats_within_s) + CLOCKS_DIFFER
        since = place.complete_until - looked_back if place.complete_until else None
        found = lake.files(self.tables[EVENTS.name])
        if since is not None:
            oldest = (since - timedelta(days=self.settings.late_after_days + 1)).date().isoformat()
            found = [f for f in found if f.session_day >= oldest]
        again = self.settings.batch_records if place.next and not self.batches else 0  # a start finds what lay waiting
        parts = min(self.settings.spark_partitions, 1 + max(again, self.records) // WORTH_A_TASK)  # as the one before
        rows = frames.records(batch, self.settings.lake_buckets)
        alone = parts == 1  # then Spark need not know the bucket; to drop it after a shuffle would copy every record
        rows = rows.drop("bucket").coalesce(1) if alone else rows.repartitionById(parts, F.col("bucket") % parts)
        return streams.collected(rows.mapInArrow(storing(self.settings, found, since), messages.TOLD))

    def _live(self, query: str, number: int, told: Mapping[str, Sequence[bytes]]) -> list[Write]:
        """What the batch adds to live numbers, and how old its events are."""
        cubes = {name: list(map(messages.unpacked, told.get(name, ()))) for name in (*LIVE_TABLES, SENT)}
        ticks = [(row["tick"], row["events"]) for part in cubes[SENT] for row in part.to_pylist()]
        if not ticks:
            return []
        age = freshness.row(query, number, ticks, datetime.now(UTC))
        return [
            *(Write(table, added(cubes[name], table)) for name, table in LIVE_TABLES.items()),
            Write(FRESHNESS, pa.Table.from_pylist([age], arrow.schema(FRESHNESS))),
        ]

    def _tidy(self) -> None:
        """Joins small files every so often, so that readers open few."""
        self.batches += 1
        join_small_files(self.settings, EVENTS, self.batches)
        if self.batches % 60 == 0:
            for kept in identities.folder(self.settings.var).glob("*.npy"):
                if time.time() - kept.stat().st_mtime > 2 * self.settings.repeats_within_s:
                    kept.unlink(missing_ok=True)


def join_small_files(settings: Settings, table: Table, batches: int) -> None:
    """Joins the small files of one part every few batches: of all at once the stream would stand still for seconds."""
    if batches % JOINED_EVERY == 0:
        lake.compact(settings, table, 24, JOINED_BYTES, 1)


def _books(counts: Iterable[dict[str, Any]]) -> pa.Table:
    books: dict[tuple[str, str], Counter[str]] = {}
    for row in counts:
        books.setdefault((row["property"], row["minute_at"]), Counter()).update(
            {f.name: row.get(f.name, 0) for f in COUNTED}
        )
    rows = [
        {"property": tenant, "minute_at": datetime.fromisoformat(minute).replace(tzinfo=UTC), **counted}
        for (tenant, minute), counted in books.items()
    ]
    return pa.Table.from_pylist(rows)


def storing(
    settings: Settings, found: Sequence[File], since: datetime | None, part_bytes: int = PART_BYTES
) -> Callable[[frames.Batches], frames.Batches]:
    """What a task does with its records, as much memory as a part of them needs."""
    return frames.in_parts(partial(_stored, settings, found, since), part_bytes)


def _stored(
    settings: Settings, found: Sequence[File], since: datetime | None, parts: Iterable[pa.Table]
) -> Iterator[pa.Table]:
    """Writes what is new in these records into files; answers their names, counts and offsets.

    What a part has written is known to the next one. Live numbers are added up, so that they do not grow with parts.
    """
    known = [*found]
    cubes: dict[str, list[pa.Table]] = {name: [] for name in LIVE_TABLES}
    for rows in parts:
        parsed = compiled.parsed(rows, settings.lake_buckets)
        hashes = product.hashes(parsed.events)
        there = identities.known(settings, parsed.events, hashes, known, since)
        fate = product.judged(parsed.events, there, settings.late_after_days)
        written = {
            EVENTS: fate.fresh,
            LATE: fate.late,
            QUARANTINE: pa.concat_tables([fate.conflicts, parsed.unreadable]),
            REPORTS: parsed.reports,
        }
        files = {table.name: lake.write(settings, table, part) for table, part in written.items()}
        known += files[EVENTS.name]
        if len(fate.fresh) < len(hashes):
            hashes = product.hashes(fate.fresh)
        identities.keep(settings, files[EVENTS.name], fate.fresh, hashes)
        yield from (messages.files(name, some) for name, some in files.items())
        for counts in (parsed.counts, fate.counts, product.kept_counts(parsed.unreadable, parsed.reports)):
            yield messages.rows("count", counts)
        yield messages.rows("offset", parsed.offsets)
        for name, stored in (("sessions", fate.held), ("reports", parsed.reports)):
            if len(stored):
                yield messages.lines(f"marks of {name}", [messages.packed(open_sessions.marks(stored))])
        if len(fate.held):
            yield messages.lines(SENT, [messages.packed(freshness.sent_ticks(fate.held))])
            for name, cube in live(fate.held).items():
                cubes[name] = [added([*cubes[name], cube], LIVE_TABLES[name])]
    yield from (messages.lines(name, list(map(messages.packed, whole))) for name, whole in cubes.items())
