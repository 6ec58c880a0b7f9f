"""Erasures: what was deleted of viewers who asked to be forgotten; no id of theirs."""

from qoescope.catalog.schema import Field, Table

ERASURES = Table(
    "erasures",
    "one row an erasure: the receipt of a viewer's being forgotten",
    (
        Field("property", "text", "the property: one app or site", nullable=False),
        Field("viewer_id", "text", "the pseudonym that was forgotten", nullable=False),
        Field("asked_at", "instant", "when it was asked for", nullable=False),
        Field("events", "int", "rows erased from the lake's events", nullable=False),
        Field("sessions", "int", "rows erased from the lake's sessions", nullable=False),
        Field("marts", "int", "rows erased from Postgres", nullable=False),
        Field(
            "letters",
            "int",
            "dead letters, or their unreadable bytes, and kept rows of imports erased",
            default=0,
            nullable=False,
        ),
        Field("gone_by", "day", "when no byte is left", nullable=False),
    ),
    key=("property", "viewer_id", "asked_at"),
)

ERASED_LETTERS = Table(
    "erased_letters",
    "one row a dead letter that was erased, or never stored, since it names a forgotten viewer: only where it lay",
    (
        Field("kafka_partition", "int", "where in the log it lay", nullable=False),
        Field("kafka_offset", "int", "where in the partition it lay", nullable=False),
        Field("erased_at", "instant", "when", nullable=False),
    ),
    key=("kafka_partition", "kafka_offset"),
)
