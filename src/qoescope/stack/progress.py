"""How far the streams are behind the log, and how fresh live numbers are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect import kafka, postgres
from qoescope.connect.postgres import Connection
from qoescope.settings import Settings

Offsets = Mapping[int, int]
RECENT = timedelta(minutes=10)


def log_ends(settings: Settings) -> dict[int, int]:
    """The end of each partition of the log."""
    return {partition: end for partition, (_, end) in kafka.offsets(settings, BEACONS_TOPIC.name).items()}


def lake_offsets(connection: Connection) -> dict[int, int]:
    """By partition, the first record that the lake does not have, in Kafka's own offsets."""
    rows = connection.execute(
        "select kafka_partition, next_offset - shift from stream_offsets "
        "join log_partitions using (topic, kafka_partition) where stream = 'events' and topic = %s and topic_id <> ''",
        (BEACONS_TOPIC.name,),
    )
    return dict(rows.fetchall())


def lag(ends: Offsets, until: Offsets) -> int:
    """Records of the log that the lake has not read."""
    return sum(max(0, end - until.get(partition, 0)) for partition, end in ends.items())


@dataclass(frozen=True, slots=True)
class EventTotals:
    """Events of one property by where they are."""

    received: int
    accepted: int
    lake: int
    set_aside: int
    """Late, quarantined or erased; and CMCD reports, whose events are counted when they are mapped."""
    in_sessions: int
    sessions: int

    @property
    def is_complete(self) -> bool:
        """Whether every accepted event is stored or set aside, and every stored one in a session row."""
        return self.accepted == self.lake + self.set_aside and self.in_sessions == self.lake


def event_totals(connection: Connection, property_id: str) -> EventTotals:
    """The property's totals now."""
    door = connection.execute(
        "select coalesce(sum(received), 0)::bigint, coalesce(sum(accepted), 0)::bigint, coalesce(sum(lake), 0)::bigint,"
        " coalesce(sum(reports + late + quarantined + erased), 0)::bigint from outcomes where property = %s",
        (property_id,),
    ).fetchone()
    folded = connection.execute(
        "select coalesce(sum(event_count), 0)::bigint, count(*) from sessions where property = %s", (property_id,)
    ).fetchone()
    return EventTotals(*(door or (0, 0, 0, 0)), *(folded or (0, 0)))


def live_until(connection: Connection) -> datetime | None:
    """Everything received before is in the live numbers; None without any."""
    row = connection.execute("select complete_until from stream_progress where stream = 'live'").fetchone()
    return row[0] if row else None


def streams(settings: Settings) -> list[dict[str, Any]]:
    """One row a stream: when it last wrote, and its lag."""
    now = datetime.now(UTC)
    with postgres.connect(settings, "writer", settings.postgres_question_s) as connection:
        until = lake_offsets(connection)
        written = connection.execute("select stream, complete_until, updated_at from stream_progress order by 1")
        rows = written.fetchall()
    behind = lag(log_ends(settings), until)
    return [
        {
            "stream": name,
            "wrote_s_ago": round((now - updated).total_seconds(), 1),
            "complete_s_ago": round((now - complete).total_seconds(), 1) if complete else None,
            "lag_records": behind if name == "events" else None,
        }
        for name, complete, updated in rows
    ]


def freshness(settings: Settings, since: datetime | None = None) -> dict[str, Any]:
    """How old events were when live numbers showed them, over the last minutes or since a time."""
    from qoescope.mart.jobs.measure_freshness import measure_freshness

    result = measure_freshness(settings, since or datetime.now(UTC) - RECENT)
    return {"events": result.events, "p50_ms": result.p50_ms, "p95_ms": result.p95_ms, "worst_ms": result.worst_ms}
