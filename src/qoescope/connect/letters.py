"""Dead letters in Postgres: read for a replay, marked afterwards, erased."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.connect.postgres import Connection

LetterId = tuple[int, int]
"""(kafka_partition, kafka_offset)."""
AT_ONCE = 50
"""Letters read together; one may hold 4 MiB."""


def read_waiting(
    connection: Connection, property_id: str, places: Sequence[LetterId], reason: str
) -> Iterator[list[dict[str, Any]]]:
    """The property's letters from the collector that are not replayed yet, oldest first, in batches.

    Limited to these places and this reason; empty ones mean all.
    """
    partitions, offsets = (list(column) for column in zip(*places, strict=True)) if places else ([], [])
    last: LetterId = (-1, -1)
    while True:
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                "select kafka_partition, kafka_offset, property, received_at, reason, body from dead_letters "
                "where property = %(property)s and stage = 'door' and replayed_at is null "
                "and (kafka_partition, kafka_offset) > (%(partition)s, %(offset)s) "
                "and (%(reason)s = '' or reason = %(reason)s) "
                "and (cardinality(%(partitions)s::bigint[]) = 0 or (kafka_partition, kafka_offset) in "
                "(select * from unnest(%(partitions)s::bigint[], %(offsets)s::bigint[]))) "
                "order by kafka_partition, kafka_offset limit %(limit)s",
                {
                    "property": property_id,
                    "partition": last[0],
                    "offset": last[1],
                    "reason": reason,
                    "partitions": partitions,
                    "offsets": offsets,
                    "limit": AT_ONCE,
                },
            ).fetchall()
        if not rows:
            return
        yield rows
        last = rows[-1]["kafka_partition"], rows[-1]["kafka_offset"]


def mark(connection: Connection, places: Sequence[LetterId], replayed_at: datetime) -> None:
    """Marks these letters as replayed."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "update dead_letters set replayed_at = %s where kafka_partition = %s and kafka_offset = %s",
            [(replayed_at, *place) for place in places],
        )


def erase(connection: Connection, property_id: str, is_theirs: Callable[[bytes], bool]) -> int:
    """Deletes the property's letters, and those without a property, whose bytes `is_theirs`; returns their number."""
    last: LetterId = (-1, -1)
    gone = 0
    while True:
        rows = connection.execute(
            "select kafka_partition, kafka_offset, body from dead_letters where property in (%s, %s) "
            "and (kafka_partition, kafka_offset) > (%s, %s) order by kafka_partition, kafka_offset limit %s",
            (property_id, UNKNOWN, *last, AT_ONCE),
        ).fetchall()
        if not rows:
            return gone
        theirs = [(partition, offset) for partition, offset, body in rows if body and is_theirs(bytes(body))]
        with connection.cursor() as cursor:
            cursor.executemany("delete from dead_letters where (kafka_partition, kafka_offset) = (%s, %s)", theirs)
        gone += len(theirs)
        last = rows[-1][0], rows[-1][1]
