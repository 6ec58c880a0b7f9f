"""Jobs: Kafka to the lake, as streams that may be killed at any moment.

Long because all that the lake reads and writes is here, and nowhere else.
"""

import contextlib
import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from threading import Event
from typing import Any, LiteralString

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.operations import (
    COUNTED,
    DEAD_LETTERS,
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
from qoescope.catalog.topics import DEAD_LETTERS as TOPIC_OF_LETTERS
from qoescope.compile import arrow
from qoescope.compile import records as compiled
from qoescope.compile import spark as frames
from qoescope.compile import versions as sessions
from qoescope.compile.adding import added
from qoescope.compile.live import LIVE_TABLES, live
from qoescope.connect import lake, streams
from qoescope.connect.lake import File
from qoescope.connect.postgres import Write
from qoescope.connect.spark import Stream
from qoescope.connect.writing import Writer, crash, give_way, progress
from qoescope.lake import dead_letters, freshness
from qoescope.lake import events as product
from qoescope.lake.cmcd_jobs import reports_stream
from qoescope.settings import Settings

log = logging.getLogger("qoescope.lake")
TOLD = "kind string, body binary"
"""What a task tells the driver: names of the files that it wrote, counts, and partial cubes as Arrow streams."""
TABLES = {table.name: table for table in (EVENTS, LATE, QUARANTINE, REPORTS, SESSION_VERSIONS)}
SENT = "sent"
"""When events were sent, in ticks."""
_SEEN: LiteralString = (
    "update freshness set committed_at = clock_timestamp() where query = %s and batch = %s returning batch"
)
_REACHED: LiteralString = (
    "select kafka_partition, next_offset from stream_offsets where stream = 'events' and topic = %s"
)
LETTERS = 200
"""Dead letters in one batch at most; each may hold a body."""
WORTH_A_TASK = 3_000
"""Records. A task costs a fifth of a second of a core before its first one, and live parts of two tasks are to add."""
PART_BYTES = 32 * 1024 * 1024
"""Bytes of records that a task reads at once, however many it has: small events take 25 times as much when read."""
JOINED_EVERY, JOINED_BYTES = 6, 8 * 1024 * 1024
"""Between so many batches a stream joins one part's small files, up to this size; upkeep joins those at night."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the clocks of two collectors may differ."""


def lake_streams(spark: SparkSession, settings: Settings, stopping: Event) -> list[Stream]:
    """Events, sessions, dead letters and CMCD, ready to be kept running."""
    return [
        Stream("events", partial(_start_events, spark, settings, stopping), warms_up=True),
        Stream("sessions", partial(_start_sessions, spark, settings, stopping), warms_up=True),
        Stream("dead_letters", partial(_start_letters, spark, settings, stopping)),
        reports_stream(spark, settings, stopping),
    ]


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


def _start_events(spark: SparkSession, settings: Settings, stopping: Event) -> StreamingQuery:
    writer = Writer(settings, stopping)
    lake.ensure(settings)
    start = streams.beginning(settings, writer, "events", BEACONS.name, lake.exists(settings, EVENTS))
    if (
        start != "earliest"
    ):  # what a batch left that the books do not have is read again; events are told by their place
        for table in (LATE, QUARANTINE, REPORTS):
            lake.take_back(settings, table, json.loads(start)[BEACONS.name])
    kafka = streams.kafka(spark, settings, BEACONS.name, start, settings.batch_records)
    return streams.written(kafka, settings, "events", settings.events_every_s, _Events(settings, writer))


class _Events:
    """Batches of the log into the lake, then into the books. A batch that comes again changes nothing."""

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self.settings, self.writer = settings, writer
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
        books = _books(map(json.loads, told.get("count", ())))
        writes = [
            Write(OUTCOMES, books),
            Write(STREAM_OFFSETS, offsets),
            *self._live(query, number, told),
            *(progress(name, after.complete_until, self.version) for name in ("events", "live")),
        ]
        if self.writer.write(query, number, [w for w in writes if len(w.rows)]):
            self.writer.ask(_SEEN, (query, number))
        crash(self.settings, "lake.before_commit")
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
        return streams.collected(rows.mapInArrow(storing(self.settings, found, since), TOLD))

    def _live(self, query: str, number: int, told: Mapping[str, Sequence[bytes]]) -> list[Write]:
        """What the batch adds to live numbers, and how old its events are."""
        cubes = {name: list(map(_table, told.get(name, ()))) for name in (*LIVE_TABLES, SENT)}
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
        _joined(self.settings, EVENTS, self.batches)
        if self.batches % 60 == 0:
            for kept in _cache(self.settings.var).glob("*.npy"):
                if time.time() - kept.stat().st_mtime > 2 * self.settings.repeats_within_s:
                    kept.unlink(missing_ok=True)


def _joined(settings: Settings, table: Table, batches: int) -> None:
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


def _lines(kind: str, bodies: Sequence[bytes]) -> pa.Table:
    return pa.table({"kind": pa.repeat(pa.scalar(kind), len(bodies)), "body": pa.array(bodies, pa.binary())})


def _files(kind: str, written: Iterable[File]) -> pa.Table:
    return _lines(kind, [line.encode() for line in lake.packed(written)])


def _rows(kind: str, rows: pa.Table) -> pa.Table:
    return _lines(kind, [json.dumps(row, default=str).encode() for row in rows.to_pylist()])


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue().to_pybytes()


def _table(stream: bytes) -> pa.Table:
    return pa.ipc.open_stream(stream).read_all()


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
        there = _known(settings, parsed.events, hashes, known, since)
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
        _keep_hashes(settings, files[EVENTS.name], fate.fresh, hashes)
        yield from (_files(name, some) for name, some in files.items())
        for counts in (parsed.counts, fate.counts, product.kept_counts(parsed.unreadable, parsed.reports)):
            yield _rows("count", counts)
        yield _rows("offset", parsed.offsets)
        if len(fate.held):
            yield _lines(SENT, [_stream(freshness.sent_ticks(fate.held))])
            for name, cube in live(fate.held).items():
                cubes[name] = [added([*cubes[name], cube], LIVE_TABLES[name])]
    yield from (_lines(name, list(map(_stream, whole))) for name, whole in cubes.items())


def _known(
    settings: Settings, events: pa.Table, hashes: product.Hashes, found: Sequence[File], since: datetime | None
) -> pa.Table:
    """What the lake holds of these identities: all that came since then, and all of the day for old events."""
    places = _places(events)
    met = [f for f in found if (f.session_day, f.bucket) in places]
    recent = [f for f in met if not since or not f.until or f.until >= since]
    files, held = product.suspects(events, hashes, [f.bucket for f in recent], [_hashes(settings, f) for f in recent])
    suspected = [f for f, suspicious in zip(recent, files, strict=True) if suspicious]
    tables = [lake.rows_of(settings, EVENTS, suspected, held, product.KNOWN)]
    if since and len(old := product.old(events, timedelta(seconds=settings.repeats_within_s))):
        places, looked = _places(old), {f.path for f in recent}
        others = [f for f in met if (f.session_day, f.bucket) in places and f.path not in looked]
        tables.append(lake.rows_of(settings, EVENTS, others, old, product.KNOWN))
    return pa.concat_tables(tables)


def _hashes(settings: Settings, file: File) -> product.Hashes:
    """Hashes of the identities in a file, in order: as its writer left them, else from the file."""
    with contextlib.suppress(FileNotFoundError, ValueError, EOFError):
        return _loaded(settings.var, file.path)
    found = np.sort(product.hashes(lake.rows(settings, EVENTS, [file], product.IDENTITY)))
    _keep(_kept(settings.var, file.path), found)
    return found


@lru_cache(maxsize=4096)
def _loaded(var: Path, path: str) -> product.Hashes:
    return np.load(_kept(var, path), mmap_mode="r")


def _keep_hashes(settings: Settings, written: Sequence[File], events: pa.Table, hashes: product.Hashes) -> None:
    """Leaves the hashes of these files' identities for the tasks of the next batches."""
    days, buckets = events["session_day"].to_numpy(), events["bucket"].to_numpy()
    for file in written:
        here = (days == np.datetime64(file.session_day)) & (buckets == file.bucket)
        _keep(_kept(settings.var, file.path), np.sort(hashes[here]))


def _keep(kept: Path, found: product.Hashes) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as half:
        np.save(half, found)
    Path(half.name).replace(kept)


def _kept(var: Path, path: str) -> Path:
    return _cache(var) / f"{Path(path).stem}.npy"


def _cache(var: Path) -> Path:
    return var / "cache" / f"identities-duckdb-{duckdb.__version__}"


def _places(events: pa.Table) -> set[tuple[str, int]]:
    places = events.select(["session_day", "bucket"]).group_by(["session_day", "bucket"]).aggregate([])
    return {(row["session_day"].isoformat(), row["bucket"]) for row in places.to_pylist()}


def _start_sessions(spark: SparkSession, settings: Settings, stopping: Event) -> StreamingQuery:
    writer = Writer(settings, stopping)
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
                told = streams.collected(rows.mapInArrow(frames.per_task(task), TOLD))
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
        _joined(self.settings, SESSION_VERSIONS, self.batches)

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
        told = streams.collected(spread.mapInArrow(frames.per_task(task), TOLD))
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
    return _files("file", written)


def folded(
    settings: Settings, found: Sequence[File], events: Sequence[File], reached: Mapping[int, int], closed: pa.Table
) -> pa.Table:
    """Writes the new versions of these sessions into files and answers their names; or that it has to wait."""
    last = zip(closed["kafka_partition"].to_pylist(), closed["kafka_offset"].to_pylist(), strict=True)
    if any(offset >= reached.get(partition, 0) for partition, offset in last):
        return _lines("wait", [b""])
    buckets = set(closed["bucket"].to_pylist())
    mine, old = ([f for f in some if f.bucket in buckets] for some in (events, found))
    since = pc.min(closed["since"]).as_py() - timedelta(seconds=settings.repeats_within_s)
    read = [f for f in mine if not f.until or f.until >= since]
    said = lake.rows_of(settings, EVENTS, read, closed)
    return _files("file", _versions(settings, old, mine, read, said) if len(said) else [])  # or all were kept aside


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
    touched = _places(said)
    here = lake.rows_of(settings, SESSION_VERSIONS, [f for f in found if (f.session_day, f.bucket) in touched], said)
    begun = sessions.without(sessions.begun_before(said), here)
    if not len(begun):
        return here
    first = pc.min(begun["session_day"]).as_py()
    days = {(first - timedelta(days=n)).isoformat() for n in range(1, sessions.GOES_ON_DAYS + 1)}
    there = lake.rows_of(settings, SESSION_VERSIONS, [f for f in found if f.session_day in days], begun)
    spoke = datetime.combine(first - timedelta(days=1), datetime.min.time(), UTC)
    return pa.concat_tables([here, there.filter(pc.greater_equal(there["last_received_at"], pa.scalar(spoke)))])


def _start_letters(spark: SparkSession, settings: Settings, stopping: Event) -> StreamingQuery:
    writer = Writer(settings, stopping)
    start = streams.beginning(settings, writer, "dead_letters", TOPIC_OF_LETTERS.name, written=False)
    kafka = streams.kafka(spark, settings, TOPIC_OF_LETTERS.name, start, LETTERS)

    def write(batch: DataFrame, number: int) -> None:
        query = streams.query_id(batch)
        found = batch.select("partition", "offset", "value", "timestamp").collect()
        rows = dead_letters.rows((p, o, bytes(v) if v else None, t.replace(tzinfo=UTC)) for p, o, v, t in found)
        writer.write(query, number, [Write(DEAD_LETTERS, rows), progress("dead_letters", None)])

    return streams.written(kafka, settings, "dead_letters", settings.quality_every_s, write)
