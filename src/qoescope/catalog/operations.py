"""Operations: the books, what streams and batches have done, and what was kept aside."""

from qoescope.catalog.cmcd import OBSERVED, RECORDS, REQUESTS
from qoescope.catalog.erasures import ERASED_LETTERS, ERASURES
from qoescope.catalog.running import PART_HEALTH
from qoescope.catalog.schema import Field, Table
from qoescope.catalog.tables import EVENTS, SESSIONS

_PROPERTY = Field("property", "text", "the property: one app or site", nullable=False)

COUNTED = (
    Field("received", "int", "events in bodies that were read", default=0, nullable=False),
    Field("accepted", "int", "acknowledged by Kafka, less repeats that only the lake saw", default=0, nullable=False),
    Field("duplicate", "int", "identities that were here before", default=0, nullable=False),
    Field("invalid", "int", "not understood, or beyond a limit", default=0, nullable=False),
    Field("rate_limited", "int", "over the key's budget", default=0, nullable=False),
    Field("filtered", "int", "switched off, an erased viewer, or a session beyond its cap", default=0, nullable=False),
    Field("lake", "int", "events in the lake", default=0, nullable=False),
    Field("reports", "int", "reports of players (CMCD) in the lake: their events come anew", default=0, nullable=False),
    Field("late", "int", "older than what is still restated", default=0, nullable=False),
    Field("quarantined", "int", "accepted, then not storable", default=0, nullable=False),
    Field("erased", "int", "rows of viewers who asked to be forgotten", default=0, nullable=False),
)

OUTCOMES = Table(
    "outcomes",
    "the door's and the lake's books: what became of the events received in a minute",
    (_PROPERTY, Field("minute_at", "instant", "minute of received_at", nullable=False), *COUNTED),
    key=("property", "minute_at"),
    sums=tuple(f.name for f in COUNTED),
)

UNKNOWN_FIELDS = Table(
    "unknown_fields",
    "values that could not be meant, such as players' sentinels, and were left out of what was accepted, a minute",
    (
        _PROPERTY,
        Field("minute_at", "instant", "minute of received_at", nullable=False),
        Field("field", "text", "the field of event or session; `cmcd:br` of CMCD, `status` of a log", nullable=False),
        Field("count", "int", "values that were taken as unknown", default=0, nullable=False),
    ),
    key=("property", "minute_at", "field"),
    sums=("count",),
)

EPOCHS = Table(
    "epochs",
    "one row a batch that a stream has written, in the transaction that wrote it",
    (
        Field("query", "text", "the stream's own id", nullable=False),
        Field("batch", "int", "its batch", nullable=False),
        Field("committed_at", "instant", "when it was written"),
    ),
    key=("query", "batch"),
)

FRESHNESS = Table(
    "freshness",
    "one row a batch of live windows: how old its events were when they could be seen",
    (
        Field("query", "text", "the stream's own id", nullable=False),
        Field("batch", "int", "its batch", nullable=False),
        Field("committed_at", "instant", "when its numbers could be seen", nullable=False),
        Field("first_at", "instant", "start of the first tick", nullable=False),
        Field("tick_ms", "int", "length of a tick", nullable=False),
        Field("sent", "ints", "events by the tick in which the player sent them", nullable=False),
        Field("older", "int", "events sent before the first tick: kept back by the player", default=0, nullable=False),
        Field("events", "int", "events of the batch", default=0, nullable=False),
    ),
    key=("query", "batch"),
)

DEAD_LETTERS = Table(
    "dead_letters",
    "what was not understood, with its bytes; operators only, kept 30 days",
    (
        Field("kafka_partition", "int", "where in the log it lies", nullable=False),
        Field("kafka_offset", "int", "where in the partition it lies", nullable=False),
        Field("property", "text", "the property", nullable=False),
        Field("received_at", "instant", "when the door had it", nullable=False),
        Field("stage", "text", "who could not understand it", nullable=False),
        Field("reason", "text", "why, in a word", nullable=False),
        Field("detail", "text", "why, in a sentence"),
        Field("body", "bytes", "as it came"),
        Field("count", "int", "events it stands for", default=1, nullable=False),
        Field("replayed_at", "instant", "when it was sent through the door again"),
    ),
    key=("kafka_partition", "kafka_offset"),
)

REPLAYS = Table(
    "replays",
    "the replay of a property's dead letters that runs, or the last one",
    (
        _PROPERTY,
        Field("id", "text", "of the replay", nullable=False),
        Field("state", "text", "running, done or failed", nullable=False),
        Field("reason", "text", "only letters refused for this reason; empty for all", nullable=False),
        Field("total", "int", "letters that waited when it began", nullable=False),
        Field("letters", "int", "letters judged so far", nullable=False),
        Field("replayed", "int", "letters of which something was understood", nullable=False),
        Field("events", "int", "their events", nullable=False),
        Field("detail", "text", "what became of them all, or why it stopped"),
        Field("made_by", "text", "who started it", nullable=False),
        Field("started_at", "instant", "when", nullable=False),
        Field("updated_at", "instant", "when it last said where it is", nullable=False),
    ),
    key=("property",),
)

STREAM_PROGRESS = Table(
    "stream_progress",
    "one row a stream: how far it has come, also in silence",
    (
        Field("stream", "text", "its name", nullable=False),
        Field("complete_until", "instant", "everything received before this time is included"),
        Field("open_since", "instant", "of sessions that are open, the first event that is not in a row yet"),
        Field("version", "int", "the lake's version that it is about"),
        Field("updated_at", "instant", "when that was written", nullable=False),
    ),
    key=("stream",),
)

STREAM_OFFSETS = Table(
    "stream_offsets",
    "one row a stream and partition of the log: the next record to read, written with the batch before it",
    (
        Field("stream", "text", "its name", nullable=False),
        Field("topic", "text", "the topic read", nullable=False),
        Field("kafka_partition", "int", "partition of the topic", nullable=False),
        Field("first_offset", "int", "first record that it read", nullable=False),
        Field("next_offset", "int", "first record that it has not read", nullable=False),
        Field("records", "int", "records read", default=0, nullable=False),
        Field("lost", "int", "records that the log lost before they were read", default=0, nullable=False),
    ),
    key=("stream", "topic", "kafka_partition"),
    sums=("records", "lost"),
)

LOG_PARTITIONS = Table(
    "log_partitions",
    "one row a partition of the log as streams know it: by it they notice that another topic has its name",
    (
        Field("topic", "text", "the topic read", nullable=False),
        Field("kafka_partition", "int", "partition of the topic", nullable=False),
        Field("cluster_id", "text", "Kafka's id of its cluster", nullable=False),
        Field("topic_id", "text", "Kafka's id of the topic; empty once the partition is gone", nullable=False),
        Field("first_offset", "int", "Kafka's first offset when it was first met", nullable=False),
        Field("shift", "int", "added to Kafka's offsets: they go on where a topic was made again", nullable=False),
        Field("met_at", "instant", "when it was first met", nullable=False),
    ),
    key=("topic", "kafka_partition"),
)

LOG_ANSWERED = Table(
    "log_answered",
    "one row a partition: how far collectors have answered its senders, by their own word",
    (
        Field("topic_id", "text", "Kafka's id of the topic", nullable=False),
        Field("kafka_partition", "int", "partition of the topic", nullable=False),
        Field("next_offset", "int", "behind the last record that was answered, as Kafka counts", nullable=False),
        Field("written_at", "instant", "when a collector wrote it", nullable=False),
        Field("topic", "text", "the topic's name; null where an earlier version wrote it"),
        Field("booked", "int", "the offset up to which records are booked, as read or lost", default=0, nullable=False),
    ),
    key=("topic_id", "kafka_partition"),
)

RESTATEMENTS = Table(
    "restatements",
    "one row a restatement that changed a day",
    (
        Field("day", "day", "the day of the lake", nullable=False),
        Field("version", "int", "1, 2, 3 …: how often the day was changed by the batch", nullable=False),
        Field("sessions", "int", "sessions of the day", nullable=False),
        Field("changed", "int", "sessions that came, went or changed", nullable=False),
        Field("events", "int", "their events", nullable=False),
        Field("checksum", "text", "of the day's session rows, in no order", nullable=False),
        Field("finished_at", "instant", "when it was written", nullable=False),
    ),
    key=("day", "version"),
)

IMPORTS = Table(
    "imports",
    "one row an imported file",
    (
        Field("checksum", "text", "SHA-256 of the file", nullable=False),
        Field("property", "text", "the property it was imported for", nullable=False),
        Field("name", "text", "the file's name", nullable=False),
        Field("rows", "int", "its rows", nullable=False),
        Field("sessions", "int", "sessions that came of it", nullable=False),
        Field("repeated", "int", "rows whose session was there before", nullable=False),
        Field("quarantined", "int", "rows that broke a rule", nullable=False),
        Field("finished_at", "instant", "when it was written", nullable=False),
    ),
    key=("property", "checksum"),
)

IMPORT_QUARANTINE = Table(
    "import_quarantine",
    "rows of imported files that broke a rule",
    (
        Field("property", "text", "the property it was imported for", nullable=False),
        Field("checksum", "text", "SHA-256 of the file", nullable=False),
        Field("line", "int", "line in the file, from 2 (1 is the header)", nullable=False),
        Field("reason", "text", "the rule that it broke", nullable=False),
        Field("content", "text", "the row as it came"),
    ),
    key=("property", "checksum", "line"),
)

VERSION_FIELDS = (
    Field("version", "int", "1, 2, 3 …: how often the row was written", default=1, nullable=False),
    Field("written_at", "instant", "when this version was written", nullable=False),
)

SESSION_VERSIONS = Table(
    "sessions",
    "in the lake: one row a version of a session, the greatest counts",
    (
        *SESSIONS.fields,
        *VERSION_FIELDS,
        Field("replaces_day", "day", "day of the version before, null for a first one"),
        Field("session_day", "day", "day of the lake in which its events lie", nullable=False),
        Field("bucket", "int", "hash bucket of the session", nullable=False),
    ),
    key=("property", "session_id", "version"),
    partition=("session_day", "bucket"),
)

SESSION_ROWS = Table(
    "sessions", "one row a session", (*SESSIONS.fields, *VERSION_FIELDS), key=SESSIONS.key, partition=SESSIONS.partition
)
"""Sessions in Postgres: the last version of each."""

LATE = Table("late", "events older than what is still restated", EVENTS.fields, EVENTS.key, ("session_day", "bucket"))

QUARANTINE = Table(
    "quarantine",
    "events that were accepted and could not be stored: the same identity with another body",
    (
        *EVENTS.fields,
        Field("reason_kept", "text", "conflict, malformed, unreadable, or broken: why", nullable=False),
        Field("record", "text", "the record, or its event, as it came, where it could not be understood"),
    ),
    EVENTS.key,
    ("session_day", "bucket"),
)

REPORTS = Table(
    "reports",
    "CMCD as sent: one row a report, kept so that a session's reports can be mapped again together",
    (
        *RECORDS.fields,
        Field("session_day", "day", "day on which it was received", nullable=False),
        Field("bucket", "int", "hash bucket of the session", nullable=False),
    ),
    key=("kafka_partition", "kafka_offset", "position"),
    partition=("session_day", "bucket"),
)

LAKE_TABLES = (EVENTS, SESSION_VERSIONS, LATE, QUARANTINE, REPORTS)

POSTGRES_TABLES = (
    EPOCHS,
    OUTCOMES,
    UNKNOWN_FIELDS,
    FRESHNESS,
    DEAD_LETTERS,
    ERASED_LETTERS,
    REPLAYS,
    STREAM_PROGRESS,
    STREAM_OFFSETS,
    LOG_PARTITIONS,
    LOG_ANSWERED,
    PART_HEALTH,
    RESTATEMENTS,
    IMPORTS,
    IMPORT_QUARANTINE,
    ERASURES,
    SESSION_ROWS,
    OBSERVED,
    REQUESTS,
)
"""Tables in Postgres beside the marts."""
