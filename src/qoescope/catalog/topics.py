"""Topics: what lies in the log between the door and the lake, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: what a record holds, by what it is keyed, in how many partitions and for how long it is kept."""

    name: str
    doc: str
    key: str
    partitions: int
    retention_days: int
    largest_record_bytes: int = 8 * 1024 * 1024
    """A beacon may hold 4 MiB when inflated; a dead letter holds 1 MiB as base64."""


BEACONS_TOPIC = Topic(
    "beacons",
    "one record an accepted request: the books of all its events, and the events that were accepted",
    key="session_id",
    partitions=4,
    retention_days=7,
)

DEAD_LETTERS_TOPIC = Topic(
    "dead_letters",
    "what was not understood: its bytes, the reason and the stage; operators only, never exported",
    key="property",
    partitions=1,
    retention_days=30,
)

TOPICS = (BEACONS_TOPIC, DEAD_LETTERS_TOPIC)

TICK_PROPERTY = "_door"
"""Property of a tick: the record that the door writes to each partition of `beacons` each second.

In silence it comes every three seconds. It tells how far the log is complete when no player speaks. `rate_limited`
holds [property, minute in epoch ms, events] since the last tick; only the tick of partition 0 carries it: to add
up all ticks counts each once."""
