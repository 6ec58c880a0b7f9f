"""Streams of the log: where they start, how they read, and how their batches are identified."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.errors import Mistake
from qoescope.catalog.operations import LATE, QUARANTINE, REPORTS
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect import checkpoints, topic_history
from qoescope.connect.lake.deletion import delete_from_offset
from qoescope.connect.topic_history import TopicState
from qoescope.connect.writing import Writer
from qoescope.settings import Settings

EARLIEST = -2
"""Spark's number for the first offset of a partition."""


def checkpoint_location(settings: Settings, name: str) -> str:
    """The stream's checkpoint."""
    return checkpoints.location(settings, name)


def open_topic(settings: Settings, writer: Writer, topic: str, names: Sequence[str]) -> TopicState:
    """The topic, compared with the books; `names` are the streams that read it.

    Where it is another topic, and the settings allow that, its lost records are booked, rows that are not booked are
    deleted from the lake, and the streams' checkpoints, which hold offsets of the old topic, are set aside.
    """
    state = writer.do(lambda connection: topic_history.open_topic(settings, connection, topic))
    if state.broken is not None:
        for table in (EVENTS, LATE, QUARANTINE, REPORTS) if topic == BEACONS_TOPIC.name else ():
            delete_from_offset(settings, table, state.known.next_offsets)
        for name in names:
            if "://" in (where := checkpoint_location(settings, name)) or Path(where).exists():
                checkpoints.set_aside(settings, name)
    writer.do(lambda connection: topic_history.save_topic(connection, state))
    return state


def open_added_partitions(
    settings: Settings, writer: Writer, topic: TopicState, partitions: Iterable[int]
) -> TopicState:
    """The topic's state, renewed and saved when a batch reads partitions that were added since.

    Raises `RuntimeError`, so that the stream restarts, where the topic is another one by now, or a partition existed
    before: its offsets must be shifted.
    """
    added = set(partitions) - topic.shifts.keys()
    if not added:
        return topic
    again = writer.do(lambda connection: topic_history.open_topic(settings, connection, topic.now.topic))
    if again.broken is not None:
        raise RuntimeError(str(again.broken))
    writer.do(lambda connection: topic_history.save_topic(connection, again))
    if any(again.shifts[partition] for partition in added):
        raise RuntimeError(f"topic '{topic.now.topic}' has partitions again that it had once: {sorted(added)}")
    return again


def starting_offsets(settings: Settings, writer: Writer, name: str, topic: TopicState | None, written: bool) -> str:
    """Where a stream without a checkpoint starts: at the first record, or behind its booked offsets.

    Raises `Mistake` when its checkpoint is missing and its tables hold rows, unless the settings allow a new one.
    """
    where = checkpoint_location(settings, name)
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
    following = next_offsets(writer, name, topic.now.topic) if topic is not None else {}
    if topic is None or not following:
        return "earliest"
    starts = {p: following[p] - shift if p in following else EARLIEST for p, shift in topic.shifts.items()}
    return json.dumps({topic.now.topic: {str(partition): start for partition, start in starts.items()}})


def next_offsets(writer: Writer, name: str, topic: str) -> dict[int, int]:
    """By partition, the first record that is not booked for the stream."""
    rows = writer.ask(
        "select kafka_partition, next_offset from stream_offsets where stream = %s and topic = %s", (name, topic)
    )
    return dict(rows)


def read_topic(
    spark: SparkSession, settings: Settings, topic: TopicState, start: str, records: int | None
) -> DataFrame:
    """The topic as a stream of at most `records` a batch, with shifted offsets."""
    reader = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.brokers)
        .option("subscribe", topic.now.topic)
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
    return shift_offsets(reader.load(), {topic.now.topic: topic.shifts})


def shift_offsets(frame: DataFrame, shifts: Mapping[str, Mapping[int, int]]) -> DataFrame:
    """Records with the offsets of the books: Kafka's own, unless their topic was created again."""
    offset = F.col("offset")
    for topic, by_partition in shifts.items():
        for partition, shift in by_partition.items():
            if shift:
                here = (F.col("topic") == topic) & (F.col("partition") == partition)
                offset = F.when(here, F.col("offset") + shift).otherwise(offset)
    return frame.withColumn("offset", offset) if any(any(m.values()) for m in shifts.values()) else frame


def start_query(
    frame: DataFrame, settings: Settings, name: str, every_s: float, write: Callable[[DataFrame, int], None]
) -> StreamingQuery:
    """Starts the stream; `write` gets each batch and its number, which is the same again after a failure."""
    frame.sparkSession.sparkContext.setLocalProperty("spark.scheduler.pool", name)
    return (
        frame.writeStream.queryName(name)
        .foreachBatch(write)
        .option("checkpointLocation", checkpoint_location(settings, name))
        .trigger(processingTime=f"{round(every_s * 1000)} milliseconds")
        .start()
    )


def query_id(batch: DataFrame) -> str:
    """The id of the stream that the batch belongs to; a new checkpoint has a new one."""
    messages_by_kind = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
    if not messages_by_kind:
        raise RuntimeError("not inside a stream's batch")
    return messages_by_kind


def planned_bounds(settings: Settings, name: str, number: int, topic: str) -> dict[int, tuple[int, int]] | None:
    """(first offset, end) by partition of a batch, as Spark has planned it.

    None where they are unknown: the checkpoint is not in a local folder, or a partition is new.
    """
    where = checkpoint_location(settings, name)
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
    """Offsets by partition in the last line of a checkpoint file."""
    last = path.read_text(errors="replace").splitlines()[-1]
    return {int(partition): offset for partition, offset in json.loads(last[last.index("{") :])[topic].items()}


def collect_messages(messages: DataFrame) -> dict[str, list[bytes]]:
    """The bodies of tasks' messages, by kind. Their size does not grow with traffic."""
    messages_by_kind: dict[str, list[bytes]] = {}
    for kind, body in messages.collect():
        messages_by_kind.setdefault(kind, []).append(bytes(body))
    return messages_by_kind
