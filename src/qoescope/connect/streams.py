"""Streams: where they read from, where they begin, and how a batch is written and named."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.errors import Mistake
from qoescope.catalog.operations import LATE, QUARANTINE, REPORTS
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS
from qoescope.connect import checkpoints, witness
from qoescope.connect.lake.deletion import delete_from_offset
from qoescope.connect.witness import Met
from qoescope.connect.writing import Stopped, Writer
from qoescope.settings import Settings

__all__ = [
    "Stopped",
    "beginning",
    "bounds",
    "collected",
    "kafka",
    "meet",
    "query_id",
    "reached",
    "shifted",
    "written",
]
EARLIEST = -2
"""How Spark says the first offset of a partition."""


def checkpoint(settings: Settings, name: str) -> str:
    """Where the stream keeps its place."""
    return checkpoints.place(settings, name)


def meet(settings: Settings, writer: Writer, topic: str, names: Sequence[str]) -> Met:
    """The topic, held against what the books know of it; `names` are the streams that read it.

    Where it is another one, and the settings allow that, what is lost is booked, what a batch left that the books do
    not have is taken back, and the streams' checkpoints, which name offsets of the topic before, are set aside.
    """
    met = writer.do(lambda connection: witness.meet(settings, connection, topic))
    if met.broken is not None:
        for table in (EVENTS, LATE, QUARANTINE, REPORTS) if topic == BEACONS.name else ():
            delete_from_offset(settings, table, met.known.following)
        for name in names:
            if "://" in (where := checkpoint(settings, name)) or Path(where).exists():
                checkpoints.set_aside(settings, name)
    writer.do(lambda connection: witness.accept(connection, met))
    return met


def meet_added(settings: Settings, writer: Writer, met: Met, partitions: Iterable[int]) -> Met:
    """The topic as it was met, or met again where a batch brings a partition that was added since: it is noted.

    Until it is, nobody counts what is read of it. Raises `RuntimeError`, so that the stream starts again, where the
    topic is another one by now, and where the partition was there once: its offsets go on from those that it had.
    """
    added = set(partitions) - met.shifts.keys()
    if not added:
        return met
    again = writer.do(lambda connection: witness.meet(settings, connection, met.now.topic))
    if again.broken is not None:
        raise RuntimeError(str(again.broken))
    writer.do(lambda connection: witness.accept(connection, again))
    if any(again.shifts[partition] for partition in added):
        raise RuntimeError(f"topic '{met.now.topic}' has partitions again that it had once: {sorted(added)}")
    return again


def beginning(settings: Settings, writer: Writer, name: str, met: Met | None, written: bool) -> str:
    """Where a stream without a checkpoint begins: the log's first record, or the next one that its books name.

    Raises `Mistake` when there was a checkpoint once and it is gone, unless the settings allow a new one.
    """
    where = checkpoint(settings, name)
    if "://" in where or Path(where, "metadata").exists():
        return "earliest"
    before = writer.ask("select 1 from stream_progress where stream = %s", (name,))
    if not before and not written:
        return "earliest"
    if not settings.new_checkpoint and not checkpoints.may_begin_anew(settings, name):
        raise Mistake(
            f"the checkpoint of stream '{name}' is gone from {where}, and its tables hold rows: put it back, or set "
            "QOESCOPE_NEW_CHECKPOINT=true to begin a new one (nothing is lost or counted twice)"
        )
    following = reached(writer, name, met.now.topic) if met is not None else {}
    if met is None or not following:
        return "earliest"
    starts = {p: following[p] - shift if p in following else EARLIEST for p, shift in met.shifts.items()}
    return json.dumps({met.now.topic: {str(partition): start for partition, start in starts.items()}})


def reached(writer: Writer, name: str, topic: str) -> dict[int, int]:
    """By partition, the first record that the stream's books do not have."""
    rows = writer.ask(
        "select kafka_partition, next_offset from stream_offsets where stream = %s and topic = %s", (name, topic)
    )
    return dict(rows)


def kafka(spark: SparkSession, settings: Settings, met: Met, start: str, records: int | None) -> DataFrame:
    """The topic as a stream, at most `records` a batch; its offsets go on from those of a topic before it."""
    reader = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.brokers)
        .option("subscribe", met.now.topic)
        .option("startingOffsets", start)
        .option("failOnDataLoss", str(not settings.skip_lost_records).lower())
        .option("kafka.max.partition.fetch.bytes", str(16 * 1024 * 1024))
        .option("kafka.fetch.max.wait.ms", "10")  # Spark asks for offsets next, and the broker answers in turn
        .option("kafka.request.timeout.ms", str(round(settings.kafka_read_s * 1000)))
        .option("kafka.default.api.timeout.ms", str(round(settings.kafka_read_s * 1000)))
        .option("kafka.socket.connection.setup.timeout.ms", "5000")
        .option("kafkaConsumer.pollTimeoutMs", str(round(settings.kafka_read_s * 1000)))
        .option("fetchOffset.numRetries", "10")
        .option("fetchOffset.retryIntervalMs", "1000")
    )
    if records is not None:
        reader = reader.option("maxOffsetsPerTrigger", records)
    for key, value in settings.kafka_options.items():
        reader = reader.option(f"kafka.{key}", value)
    return shifted(reader.load(), {met.now.topic: met.shifts})


def shifted(frame: DataFrame, shifts: Mapping[str, Mapping[int, int]]) -> DataFrame:
    """Records of these topics with the offsets that the books count; of topics never made again they are Kafka's."""
    offset = F.col("offset")
    for topic, by_partition in shifts.items():
        for partition, shift in by_partition.items():
            if shift:
                here = (F.col("topic") == topic) & (F.col("partition") == partition)
                offset = F.when(here, F.col("offset") + shift).otherwise(offset)
    return frame.withColumn("offset", offset) if any(any(m.values()) for m in shifts.values()) else frame


def written(
    frame: DataFrame, settings: Settings, name: str, every_s: float, write: Callable[[DataFrame, int], None]
) -> StreamingQuery:
    """Starts the stream; `write` is called with each batch and its number, again with the same after a failure."""
    frame.sparkSession.sparkContext.setLocalProperty("spark.scheduler.pool", name)
    return (
        frame.writeStream.queryName(name)
        .foreachBatch(write)
        .option("checkpointLocation", checkpoint(settings, name))
        .trigger(processingTime=f"{round(every_s * 1000)} milliseconds")
        .start()
    )


def query_id(batch: DataFrame) -> str:
    """The id of the stream that the batch belongs to: it lives and dies with the checkpoint."""
    found = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
    if not found:
        raise RuntimeError("not inside a stream's batch")
    return found


def bounds(settings: Settings, name: str, number: int, topic: str) -> dict[int, tuple[int, int]] | None:
    """What a batch of the log is to read, as Spark has planned it: for each partition the first offset and the end.

    None where it cannot be told: the checkpoint lies elsewhere, or a partition is new.
    """
    where = checkpoint(settings, name)
    if "://" in where:
        return None
    before = Path(where, "offsets", str(number - 1)) if number else Path(where, "sources", "0", "0")
    try:
        first, end = (_offsets(path, topic) for path in (before, Path(where, "offsets", str(number))))
    except (OSError, ValueError, KeyError, IndexError):
        return None
    if first.keys() != end.keys():
        return None
    return {partition: (first[partition], following) for partition, following in end.items()}


def _offsets(path: Path, topic: str) -> dict[int, int]:
    """Offsets by partition in the last line of a file of the checkpoint."""
    last = path.read_text(errors="replace").splitlines()[-1]
    return {int(partition): offset for partition, offset in json.loads(last[last.index("{") :])[topic].items()}


def collected(told: DataFrame) -> dict[str, list[bytes]]:
    """What tasks tell the driver, by kind: names of files, counts, partial cubes. It does not grow with traffic."""
    found: dict[str, list[bytes]] = {}
    for kind, body in told.collect():
        found.setdefault(kind, []).append(bytes(body))
    return found
