"""Recognises a topic that was deleted and created again, by what the books know of the one that was read.

A topic that is created again starts at offset 0. Its offsets are shifted, so that in lake and books they continue
those of the topic before: no two records have the same position.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import LiteralString

import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import KafkaException

from qoescope.catalog.errors import Mistake
from qoescope.catalog.operations import LOG_PARTITIONS
from qoescope.catalog.topics import DEAD_LETTERS_TOPIC
from qoescope.compile import arrow
from qoescope.connect import kafka, postgres
from qoescope.connect.kafka import TopicDescription
from qoescope.connect.postgres import Connection, Write
from qoescope.settings import Settings

log = logging.getLogger("qoescope.streams")
ALLOWED = "QOESCOPE_SKIP_LOST_RECORDS=true"


@dataclass(frozen=True, slots=True)
class TopicHistory:
    """What the books know of a topic."""

    topic_id: str = ""
    shifts: dict[int, int] = field(default_factory=dict)
    """By partition of the topic, what is added to Kafka's offsets."""
    gone: dict[int, int] = field(default_factory=dict)
    """The same for partitions that no longer exist, in case they are created again."""
    next_offsets: dict[int, int] = field(default_factory=dict)
    """By partition the first record that is not read."""
    answered: dict[int, int] = field(default_factory=dict)
    """By partition, the offset behind the last record that a collector acknowledged to a sender."""
    elsewhere: dict[str, dict[int, int]] = field(default_factory=dict)
    """By id of another topic of this name and partition, the records that were acknowledged and are not booked."""

    def shift(self, partition: int) -> int:
        """What is added to Kafka's offsets of the partition."""
        return self.shifts.get(partition, self.gone.get(partition, 0))

    def reached(self, partition: int) -> int:
        """The offset behind the partition's last record that was read or acknowledged."""
        return max(known.get(partition, 0) for known in (self.next_offsets, self.answered, self.gone))

    def unread(self, partition: int) -> int:
        """How many records were acknowledged and not read."""
        return max(0, self.answered.get(partition, 0) - self.next_offsets.get(partition, 0))

    def gone_elsewhere(self, topic_id: str) -> dict[int, int]:
        """By partition, records acknowledged by topics of this name that are neither the known one nor this one."""
        gone: Counter[int] = Counter()
        for other, partitions in self.elsewhere.items():
            if other not in (topic_id, self.topic_id):
                gone.update(partitions)
        return dict(gone)

    def end(self, partition: int, topic_id: str) -> int:
        """The offset at which the topic of this id goes on: behind all that was read or acknowledged before it."""
        gone = self.gone_elsewhere(topic_id) if topic_id != self.topic_id else {}
        return self.reached(partition) + gone.get(partition, 0)


@dataclass(frozen=True, slots=True)
class TopicBreak:
    """Why the topic is not the one that was read, and how many acknowledged records were lost by partition."""

    why: str
    lost: dict[int, int]

    def __str__(self) -> str:
        """What is the matter, in a line."""
        records = sum(self.lost.values())
        return f"{self.why}; {records} {'record' if records == 1 else 'records'} that were answered are gone unread"


def read_history(connection: Connection, topic: str) -> TopicHistory:
    """What the books know of a topic, in shifted offsets."""
    rows = connection.execute(
        "select p.kafka_partition, p.topic_id, p.shift, a.next_offset + p.shift from log_partitions p "
        "left join log_answered a using (topic_id, kafka_partition) where p.topic = %s",
        (topic,),
    ).fetchall()
    present = [row for row in rows if row[1]]
    return TopicHistory(
        present[0][1] if present else "",
        {p: shift for p, _, shift, _ in present},
        {p: shift for p, topic_id, shift, _ in rows if not topic_id},
        _read_next_offsets(connection, topic),
        {p: answered for p, _, _, answered in present if answered is not None},
        _read_elsewhere(connection, topic),
    )


def _read_elsewhere(connection: Connection, topic: str) -> dict[str, dict[int, int]]:
    elsewhere: dict[str, dict[int, int]] = {}
    for topic_id, partition, records in connection.execute(
        "select topic_id, kafka_partition, next_offset - booked from log_answered a where topic = %s "
        "and next_offset > booked and not exists (select from log_partitions p where p.topic_id = a.topic_id)",
        (topic,),
    ):
        elsewhere.setdefault(topic_id, {})[partition] = records
    return elsewhere


def _read_next_offsets(connection: Connection, topic: str) -> dict[int, int]:
    next_offsets: dict[int, int] = dict(
        connection.execute(
            "select kafka_partition, max(next_offset) from stream_offsets where topic = %s group by 1", (topic,)
        ).fetchall()
    )
    if topic == DEAD_LETTERS_TOPIC.name:  # an older version kept only the letters
        letters = connection.execute("select kafka_partition, max(kafka_offset) + 1 from dead_letters group by 1")
        for partition, following in letters.fetchall():
            next_offsets[partition] = max(following, next_offsets.get(partition, 0))
    return next_offsets


def compare(known: TopicHistory, now: TopicDescription) -> TopicBreak | None:
    """Whether the topic is another one than that which was read, or has less than was read of it."""
    missing = sorted(known.next_offsets.keys() - now.bounds.keys() - known.gone.keys())
    short = [p for p, (_, end) in now.bounds.items() if end + known.shift(p) < known.next_offsets.get(p, 0)]
    if not now.topic_id:
        why, lost = f"topic '{now.topic}' is not there", set(known.shifts)
    elif known.topic_id and known.topic_id != now.topic_id:
        why = f"topic '{now.topic}' is another one than that which was read: it was deleted and made again"
        lost = set(known.shifts)
    elif missing:
        why = f"topic '{now.topic}' has no partition {', '.join(map(str, missing))} any more"
        lost = set(missing)
    elif short:
        last = ", ".join(
            f"partition {p} ends at {now.bounds[p][1]} and was read to {known.next_offsets[p] - known.shift(p)}"
            for p in short
        )
        why, lost = f"topic '{now.topic}' is shorter than what was read of it ({last})", set(short)
    else:
        return None
    counts = Counter({p: known.unread(p) for p in lost})
    if known.topic_id and known.topic_id != now.topic_id:
        counts.update(known.gone_elsewhere(now.topic_id))
    return TopicBreak(why, {p: counts[p] for p in sorted(counts) if counts[p]})


def join(known: TopicHistory, now: TopicDescription, broken: TopicBreak | None) -> dict[int, int]:
    """By partition, the shift with which the topic continues what was read of it."""
    if broken is None:
        return {p: known.shift(p) for p in now.bounds}
    shifts = {}
    for p, (first, end) in now.bounds.items():
        if known.topic_id != now.topic_id:
            shifts[p] = max(0, known.end(p, now.topic_id) - first)
        elif end + known.shift(p) < known.next_offsets.get(p, 0):
            shifts[p] = known.reached(p) - end
        else:
            shifts[p] = known.shift(p)
    return shifts


@dataclass(frozen=True)
class TopicState:
    """A topic as it was found at a start."""

    known: TopicHistory
    now: TopicDescription
    broken: TopicBreak | None

    @cached_property
    def shifts(self) -> dict[int, int]:
        """By partition, what is added to Kafka's offsets from now on."""
        return join(self.known, self.now, self.broken)

    def shift(self, records: pa.Table) -> pa.Table:
        """The records with shifted offsets."""
        if not any(self.shifts.values()):
            return records
        shifts, place = self.shifts, records.column_names.index("kafka_offset")
        by_record = pa.array([shifts.get(p, 0) for p in records["kafka_partition"].to_pylist()], pa.int64())
        return records.set_column(place, "kafka_offset", pc.add(records["kafka_offset"], by_record))


def open_topic(settings: Settings, connection: Connection, topic: str) -> TopicState:
    """Compares the topic with the books.

    Raises `Mistake` when it is another topic, unless the settings allow to continue without what is lost, and
    `ConnectionError` without a broker.
    """
    try:
        now = kafka.describe(settings, topic)
    except KafkaException as error:
        raise ConnectionError(f"no Kafka at {settings.brokers}: {error.args[0].str()}") from error
    if not now.topic_id:
        raise ConnectionError(f"there is no topic '{topic}' at {settings.brokers}: the collector makes it")
    known = read_history(connection, topic)
    met = TopicState(known, now, compare(known, now))
    if met.broken is not None and not (settings.skip_lost_records or settings.new_checkpoint):
        raise Mistake(
            f"{met.broken}: {ALLOWED} books them as lost and reads the topic, as it is now, from its beginning"
        )
    return met


def save_topic(connection: Connection, met: TopicState) -> None:
    """Books the topic's state and lost records, in one transaction; nothing where nothing has changed."""
    known, now = met.known, met.now
    if met.broken is None and known.topic_id == now.topic_id and known.shifts.keys() == now.bounds.keys():
        return
    rows = [_row(now, p, now.topic_id, shift) for p, shift in met.shifts.items()]
    earlier = known.shifts.keys() | known.next_offsets.keys() | (met.broken.lost.keys() if met.broken else set())
    vanished = earlier - now.bounds.keys() - known.gone.keys()
    rows += [_row(now, p, "", known.end(p, now.topic_id)) for p in vanished]
    with connection.transaction():
        postgres.upsert(connection, Write(LOG_PARTITIONS, pa.Table.from_pylist(rows, arrow.schema(LOG_PARTITIONS))))
        if met.broken is None:
            return
        log.warning("%s: it goes on without them, and they are booked as lost", met.broken)
        books = [
            {
                "stream": "events",
                "topic": now.topic,
                "kafka_partition": partition,
                "first_offset": 0,
                "next_offset": known.end(partition, now.topic_id),
                "records": 0,
                "lost": lost,
            }
            for partition, lost in met.broken.lost.items()
        ]
        for row in books:
            connection.execute(_LOST, row)
        if known.topic_id != now.topic_id:
            _mark_booked(connection, known, now)
        else:  # what was answered of it counts anew from where it ends
            connection.execute("delete from log_answered where topic_id = %s", (now.topic_id,))


def _mark_booked(connection: Connection, known: TopicHistory, now: TopicDescription) -> None:
    """Notes that all of the topics before `now` is booked, so that only what is stored late of them counts again."""
    rows = [(known.topic_id, p, known.reached(p) - shift, now.topic) for p, shift in known.shifts.items()]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into log_answered as a (topic_id, kafka_partition, next_offset, booked, topic, written_at) "
            "values (%s, %s, %s, %s, %s, now()) on conflict (topic_id, kafka_partition) do update set "
            "booked = greatest(a.booked, excluded.booked), topic = excluded.topic",
            [(topic_id, p, following, following, topic) for topic_id, p, following, topic in rows],
        )
        cursor.executemany(
            "update log_answered set booked = booked + %s where topic_id = %s and kafka_partition = %s",
            [
                (records, topic_id, p)
                for topic_id, partitions in known.elsewhere.items()
                if topic_id not in (known.topic_id, now.topic_id)
                for p, records in partitions.items()
            ],
        )


_LOST: LiteralString = """
insert into stream_offsets (stream, topic, kafka_partition, first_offset, next_offset, records, lost)
values (%(stream)s, %(topic)s, %(kafka_partition)s, %(first_offset)s, %(next_offset)s, %(records)s, %(lost)s)
on conflict (stream, topic, kafka_partition)
do update set next_offset = excluded.next_offset, lost = stream_offsets.lost + excluded.lost"""


def _row(now: TopicDescription, partition: int, topic_id: str, shift: int) -> dict[str, object]:
    first = now.bounds.get(partition, (0, 0))[0]
    return {
        "topic": now.topic,
        "kafka_partition": partition,
        "cluster_id": now.cluster_id,
        "topic_id": topic_id,
        "first_offset": first,
        "shift": shift,
        "met_at": datetime.now(UTC),
    }


def save_acknowledged(settings: Settings, topic: str, topic_id: str, answered: Mapping[int, int]) -> None:
    """Stores how far a collector acknowledged, in Kafka's own offsets; the greatest of all collectors counts."""
    if not answered:
        return
    with postgres.connect(settings, "writer") as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into log_answered (topic, topic_id, kafka_partition, next_offset, booked, written_at) "
            "values (%s, %s, %s, %s, 0, now()) on conflict (topic_id, kafka_partition) do update set "
            "topic = excluded.topic, written_at = now(), "
            "next_offset = greatest(log_answered.next_offset, excluded.next_offset)",
            [(topic, topic_id, partition, following) for partition, following in answered.items()],
        )
