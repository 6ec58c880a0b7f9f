"""Kafka: an idempotent producer, topics as declared, and readers of bounded ranges."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from qoescope.catalog.errors import Mistake
from qoescope.catalog.topics import TOPICS, Topic
from qoescope.settings import Settings

DAY_MS = 86_400_000
AWAY = (KafkaException, Mistake)
"""What is raised when no broker answers."""
OnDelivery = Callable[[KafkaError | None, Message], None]
"""Called once a record; the error is None when Kafka has it."""


class RecordProducer:
    """The one way to write to Kafka: idempotent, `acks=all`; `poll` calls each record's callback.

    Not thread-safe: one thread calls `send` and `poll`. A producer with a fatal error is replaced.
    """

    def __init__(self, settings: Settings) -> None:
        self._options = _producer_options(settings)
        self._broken = False
        self._producer = self._made()

    def _made(self) -> Producer:
        return Producer({**self._options, "error_cb": self._on_error})

    def _on_error(self, error: KafkaError) -> None:
        self._broken = self._broken or error.fatal()

    def send(
        self,
        topic: str,
        value: bytes,
        done: OnDelivery,
        key: bytes | None = None,
        partition: int = -1,
    ) -> bool:
        """Queues one record; False when the queue is full. Never blocks."""
        try:
            self._producer.produce(topic, value, key, partition, done)
        except BufferError:
            return False
        except KafkaException as error:
            self._broken = self._broken or error.args[0].fatal()
            return False
        return True

    def poll(self, timeout_s: float = 0.0) -> None:
        """Calls the callbacks of delivered records; waits at most `timeout_s` for the first."""
        self._producer.poll(timeout_s)
        if self._broken:
            self._producer.purge()
            self._producer.flush(0.1)
            self._producer, self._broken = self._made(), False

    def flush(self, timeout_s: float) -> int:
        """Waits until all is acknowledged or time is up; returns the number of records that are not."""
        return self._producer.flush(timeout_s)

    def partitions(self, topic: str, timeout_s: float) -> list[int]:
        """The topic's partitions as the broker knows them; raises `KafkaException` when it is away."""
        metadata = self._producer.list_topics(topic, timeout_s).topics[topic]
        return [] if metadata.error else sorted(metadata.partitions)


def _client_options(settings: Settings) -> dict[str, str | int | float | bool]:
    quiet: dict[str, str | int | float | bool] = {
        "log_level": 2,
        "reconnect.backoff.max.ms": 1000,
        "socket.timeout.ms": settings.kafka_delivery_ms,  # the client's minute would outlive what it waits for
        "socket.connection.setup.timeout.ms": min(settings.kafka_delivery_ms, 10_000),
        "socket.keepalive.enable": True,
    }
    return {"bootstrap.servers": settings.brokers, **quiet, **settings.kafka_options}


def _producer_options(settings: Settings) -> dict[str, str | int | float | bool]:
    return {
        **_client_options(settings),
        "acks": "all",
        "enable.idempotence": True,
        "delivery.timeout.ms": settings.kafka_delivery_ms,
        "request.timeout.ms": settings.kafka_delivery_ms,
        "linger.ms": 10,  # a request waits for so long, and the broker has a fifth of the work
        "batch.size": 1024 * 1024,
        "compression.type": "lz4",
        "message.max.bytes": max(topic.largest_record_bytes for topic in TOPICS),
        "queue.buffering.max.messages": 100_000,
        "queue.buffering.max.kbytes": settings.door_unacknowledged_bytes * 2 // 1024,
        "topic.metadata.refresh.interval.ms": 10_000,
    }


def ensure_topics(settings: Settings, topics: Sequence[Topic] = TOPICS, timeout_s: float = 30.0) -> list[str]:
    """Creates the topics that are missing and returns their names; raises `Mistake` when no broker answers."""
    admin = AdminClient(_client_options(settings))
    try:
        known = admin.list_topics(timeout=timeout_s).topics
        missing = [_new_topic(topic) for topic in topics if topic.name not in known]
        created = admin.create_topics(missing, request_timeout=timeout_s) if missing else {}
        for future in created.values():
            _existing_is_fine(future.result)
    except KafkaException as error:
        raise Mistake(f"no Kafka at {settings.brokers}: {error.args[0].str()}; is the broker up?") from error
    return list(created)


def _existing_is_fine(result: Callable[[], None]) -> None:
    try:
        result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def _new_topic(topic: Topic) -> NewTopic:
    return NewTopic(
        topic.name,
        num_partitions=topic.partitions,
        replication_factor=-1,  # the broker's own
        config={
            "retention.ms": str(topic.retention_days * DAY_MS),
            "max.message.bytes": str(topic.largest_record_bytes),
        },
    )


def consumer(
    settings: Settings, group: str = "qoescope-reader", more: Mapping[str, str | int | float | bool] | None = None
) -> Consumer:
    """A consumer that commits nothing and raises on missing offsets; `more` are options of its own."""
    return Consumer(
        {
            **_client_options(settings),
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": max(topic.largest_record_bytes for topic in TOPICS),
            **(more or {}),
        }
    )


def offsets(settings: Settings, topic: str, timeout_s: float = 10.0) -> dict[int, tuple[int, int]]:
    """(first offset, end) of each partition; raises `KafkaException` when the broker is away."""
    reader = consumer(settings)
    try:
        metadata = reader.list_topics(topic, timeout_s).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        return {
            partition: reader.get_watermark_offsets(TopicPartition(topic, partition), timeout_s)
            for partition in sorted(metadata.partitions)
        }
    finally:
        reader.close()


def offsets_since(settings: Settings, topic: str, since: datetime, timeout_s: float = 10.0) -> dict[int, int]:
    """For each partition the offset of its first record since then; its end where there is none."""
    bounds, reader = offsets(settings, topic, timeout_s), consumer(settings)
    try:
        queries = [TopicPartition(topic, p, round(since.timestamp() * 1000)) for p in bounds]
        metadata = reader.offsets_for_times(queries, timeout_s)
        return {one.partition: one.offset if one.offset >= 0 else bounds[one.partition][1] for one in metadata}
    finally:
        reader.close()


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic as its cluster knows it now."""

    topic: str
    cluster_id: str
    topic_id: str
    """Changes when the topic is deleted and created again."""
    bounds: dict[int, tuple[int, int]]
    """For each partition its first offset and its end."""


def describe(settings: Settings, topic: str, timeout_s: float = 10.0) -> TopicDescription:
    """The topic's ids and bounds, empty when it does not exist; raises `KafkaException` without a broker."""
    try:
        return TopicDescription(topic, *topic_ids(settings, topic, timeout_s), offsets(settings, topic, timeout_s))
    except KafkaException as error:
        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise
        return TopicDescription(topic, "", "", {})


def topic_ids(settings: Settings, topic: str, timeout_s: float = 10.0) -> tuple[str, str]:
    """(id of the cluster, id of the topic)."""
    admin = AdminClient(_client_options(settings))
    cluster = admin.describe_cluster(request_timeout=timeout_s).result()
    described = admin.describe_topics(TopicCollection([topic]), request_timeout=timeout_s)[topic].result()
    high, low = described.topic_id.get_most_significant_bits(), described.topic_id.get_least_significant_bits()
    whole = ((high % 2**64) << 64) | (low % 2**64)
    return str(cluster.cluster_id), f"{whole:032x}"


def records(
    settings: Settings,
    topic: str,
    since: dict[int, int] | None = None,
    timeout_s: float = 60.0,
) -> Iterator[Message]:
    """The records that the topic holds now, from its start or from `since` (offsets by partition); then it ends.

    Ordered within a partition. Raises `TimeoutError` when not all are read in time.
    """
    bounds = offsets(settings, topic, min(10.0, timeout_s))
    first = {p: max(low, (since or {}).get(p, OFFSET_INVALID)) for p, (low, _) in bounds.items()}
    left = {p: high for p, (_, high) in bounds.items() if high > first[p]}
    deadline = time.monotonic() + timeout_s
    reader = consumer(settings)
    try:
        reader.assign([TopicPartition(topic, p, first[p]) for p in left])
        while left:
            message = reader.poll(1.0)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic}: {len(left)} partitions not read to their end within {timeout_s} s")
            if message is None:
                continue
            if message.error() is not None:
                raise KafkaException(message.error())
            partition, offset = message.partition() or 0, message.offset() or 0
            if partition in left and offset < left[partition]:
                yield message
            if offset + 1 >= left.get(partition, 0):
                left.pop(partition, None)
    finally:
        reader.close()
