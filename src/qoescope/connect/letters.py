"""Dead letters in Postgres: read for a replay, marked afterwards, erased."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, LiteralString

import pyarrow as pa
from psycopg.rows import dict_row

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.erasures import ERASED_LETTERS
from qoescope.catalog.errors import Mistake
from qoescope.compile import arrow
from qoescope.compile.forgotten import Fate, ForgottenViewers, describe_withheld
from qoescope.connect import postgres, viewer_keys
from qoescope.connect.postgres import Connection, Write
from qoescope.settings import Settings

LetterId = tuple[int, int]
"""(kafka_partition, kafka_offset)."""
_LOCK: LiteralString = "select pg_advisory_xact_lock(hashtext('qoescope.letters'))"
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


def read_forgotten(settings: Settings, connection: Connection) -> ForgottenViewers:
    """The forgotten viewers as they are until the transaction ends: no erasure looks through the letters meanwhile."""
    connection.execute(_LOCK)
    names = frozenset(connection.execute("select property, viewer_id from forgotten").fetchall())
    try:
        return ForgottenViewers(viewer_keys.read(settings) if names else {}, names)
    except Mistake:  # not on this machine: nobody can be told apart
        return ForgottenViewers({}, names)


def erased(places: Sequence[LetterId], erased_at: datetime) -> Write:
    """Notes that these letters are not in `dead_letters` on purpose, so that the ledger does not miss them."""
    rows = [{"kafka_partition": p, "kafka_offset": offset, "erased_at": erased_at} for p, offset in places]
    return Write(ERASED_LETTERS, pa.Table.from_pylist(rows, arrow.schema(ERASED_LETTERS)))


def erase(connection: Connection, property_id: str, judge: Callable[[bytes], Fate], erased_at: datetime) -> int:
    """Erases the property's letters, and those without a property, or only their bytes; returns their number.

    Call it in a transaction.
    """
    connection.execute(_LOCK)
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
        fates = [(partition, offset, len(body or b""), judge(bytes(body or b""))) for partition, offset, body in rows]
        dropped = [(partition, offset) for partition, offset, _, fate in fates if fate == "drop"]
        withheld = [(describe_withheld(size), p, offset) for p, offset, size, fate in fates if fate == "withhold"]
        with connection.cursor() as cursor:
            cursor.executemany("delete from dead_letters where (kafka_partition, kafka_offset) = (%s, %s)", dropped)
            cursor.executemany(
                "update dead_letters set body = '', detail = %s where (kafka_partition, kafka_offset) = (%s, %s)",
                withheld,
            )
        postgres.upsert(connection, erased(dropped, erased_at))
        gone += len(dropped) + len(withheld)
        last = rows[-1][0], rows[-1][1]
