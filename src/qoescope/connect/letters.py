"""Dead letters in Postgres: read for a replay, marked afterwards, erased."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import pyarrow as pa
from psycopg.rows import dict_row

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.erasures import ERASED_LETTERS
from qoescope.catalog.errors import Mistake
from qoescope.compile import arrow
from qoescope.compile.forgotten import ForgottenViewers, describe_withheld
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


def lock(connection: Connection) -> None:
    """Until the transaction ends no letters and no rows of imports are written, and no erasure begins to look.

    Whoever writes them reads the forgotten viewers under this lock; an erasure takes it once after it has noted its
    own, so what it does not see then is written by those who know of it. Nobody judges letters while holding it.
    """
    connection.execute(_LOCK)


def read_names(connection: Connection) -> frozenset[tuple[str, str]]:
    """(property, pseudonym) of all forgotten viewers."""
    return frozenset(connection.execute("select property, viewer_id from forgotten").fetchall())


def read_pseudonyms(connection: Connection, property_id: str) -> frozenset[str]:
    """The pseudonyms of the property's forgotten viewers."""
    rows = connection.execute("select viewer_id from forgotten where property = %s", (property_id,)).fetchall()
    return frozenset(name for (name,) in rows)


def read_forgotten(settings: Settings, connection: Connection) -> ForgottenViewers:
    """The forgotten viewers as they are now."""
    names = read_names(connection)
    try:
        return ForgottenViewers(viewer_keys.read(settings) if names else {}, names)
    except Mistake:  # not on this machine: nobody can be told apart
        return ForgottenViewers({}, names)


def erased(places: Sequence[LetterId], erased_at: datetime) -> Write:
    """Notes that these letters are not in `dead_letters` on purpose, so that the ledger does not miss them."""
    rows = [{"kafka_partition": p, "kafka_offset": offset, "erased_at": erased_at} for p, offset in places]
    return Write(ERASED_LETTERS, pa.Table.from_pylist(rows, arrow.schema(ERASED_LETTERS)))


@dataclass(frozen=True, slots=True)
class NamingLetters:
    """Letters that name, or may name, a forgotten viewer."""

    dropped: list[LetterId]
    withheld: list[tuple[str, int, int]]
    """(detail, partition, offset) of those whose bytes cannot be read."""


def find_naming(connection: Connection, property_id: str, forgotten: ForgottenViewers) -> NamingLetters:
    """The letters of the property, and those without a property, that name these viewers or cannot be read.

    Takes minutes where there are many, so call it outside of transactions, once the viewers are noted as forgotten.
    """
    with connection.transaction():
        lock(connection)
        ends = connection.execute(
            "select kafka_partition, max(kafka_offset) from dead_letters where property in (%s, %s) group by 1",
            (property_id, UNKNOWN),
        ).fetchall()
    found = NamingLetters([], [])
    for partition, end in ends:
        last = -1
        while rows := connection.execute(
            "select kafka_offset, body from dead_letters where property in (%s, %s) and kafka_partition = %s "
            "and kafka_offset > %s and kafka_offset <= %s order by kafka_offset limit %s",
            (property_id, UNKNOWN, partition, last, end, AT_ONCE),
        ).fetchall():
            bodies = [bytes(body or b"") for _, body in rows]
            fates = forgotten.judge_all((property_id, body) for body in bodies)
            for (offset, _), body, fate in zip(rows, bodies, fates, strict=True):
                if fate == "drop":
                    found.dropped.append((partition, offset))
                elif fate == "withhold":
                    found.withheld.append((describe_withheld(len(body)), partition, offset))
            last = rows[-1][0]
    return found


def erase(connection: Connection, found: NamingLetters, erased_at: datetime) -> int:
    """Erases these letters, or only their bytes; returns their number. Call it in a transaction."""
    with connection.cursor() as cursor:
        cursor.executemany("delete from dead_letters where (kafka_partition, kafka_offset) = (%s, %s)", found.dropped)
        cursor.executemany(
            "update dead_letters set body = '', detail = %s where (kafka_partition, kafka_offset) = (%s, %s)",
            found.withheld,
        )
    postgres.upsert(connection, erased(found.dropped, erased_at))
    return len(found.dropped) + len(found.withheld)
