"""Dead letters: what was not understood, as rows for people to look through; nothing in them can stop a stream."""

import base64
import binascii
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.operations import DEAD_LETTERS
from qoescope.compile import arrow

Letter = tuple[int, int, bytes | None, datetime]
"""(partition, offset, record, when the log had it)."""


def rows(letters: Iterable[Letter]) -> pa.Table:
    """Rows of the catalog's `dead_letters`; a letter that cannot be read itself is kept as it came."""
    return pa.Table.from_pylist([_row(*letter) for letter in letters], arrow.schema(DEAD_LETTERS))


def _row(partition: int, offset: int, record: bytes | None, logged_at: datetime) -> dict[str, Any]:
    place = {"kafka_partition": partition, "kafka_offset": offset}
    try:
        told = json.loads(record or b"")
        return place | {
            "property": str(told["property"]),
            "received_at": datetime.fromtimestamp(told["received_at"] / 1000, UTC),
            "stage": str(told["stage"]),
            "reason": str(told["reason"]),
            "detail": str(told.get("detail") or ""),
            "body": base64.b64decode(told.get("body_base64") or "", validate=True),
            "count": int(told.get("count", 1)),
        }
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError, binascii.Error) as error:
        return place | {
            "property": UNKNOWN, "received_at": logged_at, "stage": "lake", "reason": "unreadable",
            "detail": str(error)[:512],
            "body": record or b"", "count": 1,
        }  # fmt: skip
