"""Tables: everything that is stored, in the lake and in the marts, declared once."""

from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.events import EVENT_FIELDS, IN_TABLES
from qoescope.catalog.schema import Field, Table
from qoescope.catalog.sessions import SESSION_FIELDS

_PROPERTY = Field("property", "text", "the property: one app or site", nullable=False)
_RECEIVED_AT = Field("received_at", "instant", "when the door had it, by the collector's clock", nullable=False)
_CONTEXT_NAMES = {"started_at": "session_started_at"}

ORIGIN_FIELDS = (
    _RECEIVED_AT,
    Field("sent_at", "instant", "when the player sent it, by its own clock"),
    Field("kafka_partition", "int", "where in the log its record lies", default=0),
    Field("kafka_offset", "int", "where in the partition its record lies", default=0),
    Field("position", "int", "its place in the record, from 0", default=0),
    Field("clock_adjusted", "bool", "`at` was ahead of the collector's clock and set to received_at", default=False),
)
"""Where a row of the lake came from; (partition, offset, position) also says which of two repeats was first."""

EVENTS = Table(
    "events",
    "every accepted event, once",
    (
        _PROPERTY,
        Field("session_id", "text", "one press of play", nullable=False),
        *(Field(IN_TABLES[f.name], f.type, f.doc, f.default, f.nullable) for f in EVENT_FIELDS),
        *(
            Field(_CONTEXT_NAMES.get(f.name, f.name), f.type, f.doc, f.default, f.nullable)
            for f in CONTEXT_FIELDS
            if f.name != "session_id"
        ),
        *ORIGIN_FIELDS,
        Field("session_day", "day", "day of the session's start: a session's events lie in one place", nullable=False),
        Field("bucket", "int", "hash bucket of the session", nullable=False),
    ),
    key=("property", "session_id", "seq"),
    partition=("session_day", "bucket"),
)

SESSIONS = Table(
    "sessions", "one row a session", SESSION_FIELDS, key=("property", "day", "session_id"), partition=("day",)
)
