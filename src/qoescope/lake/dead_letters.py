"""Dead letters as rows of the catalog's table; nothing in one can stop the stream."""

import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.operations import DEAD_LETTERS, STREAM_OFFSETS
from qoescope.catalog.topics import DEAD_LETTERS_TOPIC
from qoescope.compile import arrow
from qoescope.compile.forgotten import ForgottenViewers, describe_withheld

STREAM, LAKE = "dead_letters", "lake"
"""The stream, and the stage of records that are no letters."""
Letter = tuple[int, int, bytes | None, datetime]
"""(partition, offset, record, when the log had it)."""


def rows(letters: Iterable[Letter]) -> pa.Table:
    """Rows of `dead_letters`; a letter that cannot be read itself is kept with its original bytes."""
    return pa.Table.from_pylist([_row(*letter) for letter in letters], arrow.schema(DEAD_LETTERS))


def split_forgotten(letters: pa.Table, forgotten: ForgottenViewers) -> tuple[pa.Table, list[tuple[int, int]]]:
    """(rows of `dead_letters` that may be stored, (partition, offset) of those that name a forgotten viewer).

    Takes seconds where many letters hold much, so call it outside of transactions. Bytes that cannot be read are left
    out where somebody of the property is forgotten; of a record that is no letter, where anybody is, since its bytes
    are packed in a way that nobody knows.
    """
    kept, dropped = [], []
    found = letters.to_pylist() if forgotten else []
    fates = forgotten.judge_all((row["property"], row["body"]) for row in found)
    for row, fate in zip(found, fates, strict=True):
        if fate == "drop":
            dropped.append((row["kafka_partition"], row["kafka_offset"]))
            continue
        if fate == "withhold" or row["stage"] == LAKE:
            row |= {"body": b"", "detail": describe_withheld(len(row["body"]))}
        kept.append(row)
    return (pa.Table.from_pylist(kept, letters.schema) if forgotten else letters), dropped


def offset_rows(letters: Iterable[tuple[int, int]], known: Mapping[int, tuple[int, int]]) -> pa.Table:
    """Rows of `stream_offsets` after these (partition, offset) were read, whatever became of them.

    `known` has (first offset, next offset) by partition as they are stored; letters before are not counted again.
    """
    offsets = defaultdict[int, list[int]](list)
    for partition, offset in letters:
        offsets[partition].append(offset)
    books = []
    for partition, read in offsets.items():
        first, following = known.get(partition, (min(read), 0))
        books.append(
            {
                "stream": STREAM,
                "topic": DEAD_LETTERS_TOPIC.name,
                "kafka_partition": partition,
                "first_offset": first,
                "next_offset": max(following, max(read) + 1),
                "records": sum(offset >= following for offset in read),
                "lost": 0,
            }
        )
    return pa.Table.from_pylist(books, arrow.schema(STREAM_OFFSETS))


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    """The row; raises `ValueError` for one that neither Arrow nor Postgres can hold."""
    if not 0 <= row["count"] < 2**31:
        raise ValueError(f"count {str(row['count'])[:32]} is no number of events")
    for name in ("property", "stage", "reason", "detail"):
        row[name].encode()
    return row


def _row(partition: int, offset: int, record: bytes | None, logged_at: datetime) -> dict[str, Any]:
    position = {"kafka_partition": partition, "kafka_offset": offset}
    try:
        fields = json.loads(record or b"")
        return _storable(
            position
            | {
                "property": str(fields["property"]),
                "received_at": datetime.fromtimestamp(fields["received_at"] / 1000, UTC),
                "stage": str(fields["stage"]),
                "reason": str(fields["reason"]),
                "detail": str(fields.get("detail") or ""),
                "body": base64.b64decode(fields.get("body_base64") or "", validate=True),
                "count": int(fields.get("count", 1)),
            }
        )
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError, binascii.Error) as error:
        return position | {
            "property": UNKNOWN,
            "received_at": logged_at,
            "stage": LAKE,
            "reason": "unreadable",
            "detail": str(error).encode(errors="replace").decode()[:512],
            "body": record or b"",
            "count": 1,
        }
