"""Jobs: the lake to Postgres, as streams for what is live and as batches for what is settled."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.marts import LIVE_LEAF, LIVE_WINDOW, QUALITY_DAY, QUALITY_HOUR
from qoescope.catalog.operations import FRESHNESS, SESSION_ROWS, SESSION_VERSIONS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, versions
from qoescope.compile import spark as frames
from qoescope.connect import days, lake, postgres, streams
from qoescope.connect.postgres import Write
from qoescope.connect.spark import Stream
from qoescope.connect.writing import Writer, crash, progress
from qoescope.mart import cubes, freshness
from qoescope.settings import Settings

PACKED = "kind string, body binary"
"""Partial cubes of a task, each as an Arrow stream."""
LIVE_TABLES = {LIVE_WINDOW.name: LIVE_WINDOW.table, LIVE_LEAF.name: LIVE_LEAF}
QUALITY = (QUALITY_HOUR, QUALITY_DAY)


def mart_streams(spark: SparkSession, settings: Settings, stopping: Event) -> list[Stream]:
    """Live windows and the quality of closed sessions, ready to be kept running."""
    return [
        Stream("live", partial(_start_live, spark, settings, stopping)),
        Stream("quality", partial(_start_quality, spark, settings, stopping)),
    ]


def _start_live(spark: SparkSession, settings: Settings, stopping: Event) -> StreamingQuery:
    writer = Writer(settings, stopping)
    lake.ensure(settings)
    if streams.beginning(settings, writer, "live", None, written=False) and streams.is_new(settings, "live"):
        _forget_live(writer)
    events = streams.changes(spark, settings, EVENTS).select(*cubes.LIVE_COLUMNS)
    return streams.written(events, settings, "live", settings.live_every_s, _Live(settings, writer))


def _forget_live(writer: Writer) -> None:
    """A new stream reads the lake from its first row: what an earlier one added goes first."""
    writer.do(lambda connection: connection.execute("truncate live_window, live_leaf, freshness"))


class _Live:
    """New events of the lake into the live marts, each batch in one transaction."""

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self.settings, self.writer = settings, writer

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Writes one batch."""
        query = streams.query_id(batch)
        parts: dict[str, list[pa.Table]] = {}
        for kind, body in batch.mapInArrow(frames.per_task(_partial), PACKED).collect():
            parts.setdefault(kind, []).append(pa.ipc.open_stream(bytes(body)).read_all())
        writes = [Write(table, cubes.added(parts.get(name, []), table)) for name, table in LIVE_TABLES.items()]
        ticks = [(row["tick"], row["events"]) for part in parts.get("sent", ()) for row in part.to_pylist()]
        version, until = streams.read_until(self.settings, "live", number, EVENTS)
        fresh = freshness.row(query, number, ticks, datetime.now(UTC))
        writes.append(Write(FRESHNESS, pa.Table.from_pylist([fresh], arrow.schema(FRESHNESS))))
        self.writer.write(query, number, [*writes, progress("live", until, version)])
        crash(self.settings, "mart.before_commit")


def _partial(events: pa.Table) -> pa.Table:
    tables = {**cubes.live(events), "sent": cubes.sent_ticks(events)}
    return pa.table({"kind": list(tables), "body": pa.array(map(_ipc, tables.values()), pa.binary())})


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue().to_pybytes()


def _start_quality(spark: SparkSession, settings: Settings, stopping: Event) -> StreamingQuery:
    writer = Writer(settings, stopping)
    lake.ensure(settings)
    streams.beginning(settings, writer, "quality", None, written=False)
    rows = streams.changes(spark, settings, SESSION_VERSIONS)
    return streams.written(rows, settings, "quality", settings.quality_every_s, _Quality(settings, writer))


class _Quality:
    """New versions of sessions into Postgres: their rows, and the marts by what changed."""

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self.settings, self.writer = settings, writer

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Writes one batch; its size is bounded by the settings."""
        query = streams.query_id(batch)
        rows = versions.latest(arrow.conform(batch.toArrow(), SESSION_VERSIONS))
        gone = rows.filter(
            pc.and_kleene(pc.is_valid(rows["replaces_day"]), pc.not_equal(rows["replaces_day"], rows["day"]))
        )
        moved = pa.table({"property": gone["property"], "day": gone["replaces_day"], "session_id": gone["session_id"]})
        new = arrow.conform(rows, SESSION_ROWS)
        self.writer.do(
            lambda connection: days.correct(
                connection, query, number, new, moved, _corrected, [progress("quality", None)]
            )
        )
        crash(self.settings, "mart.before_commit")


def _corrected(new: pa.Table, old: pa.Table) -> Sequence[Write]:
    return [Write(mart.table, cubes.corrections(new, old, mart)) for mart in QUALITY]


def fresh(settings: Settings, since: datetime | None = None) -> freshness.Freshness:
    """How old events were when live numbers showed them, exact to a tenth of a second."""
    with postgres.connect(settings, "writer") as connection:
        rows = connection.execute(
            "select committed_at, first_at, tick_ms, sent, older from freshness where committed_at >= %s",
            (since or datetime(2000, 1, 1, tzinfo=UTC),),
        ).fetchall()
    return freshness.freshness([(a, b, c, d, e) for a, b, c, d, e in rows])
