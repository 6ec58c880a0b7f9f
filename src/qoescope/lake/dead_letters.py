"""Dead letters as rows of the catalog's table; nothing in one can stop the stream."""

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
    """Rows of `dead_letters`; a letter that cannot be read itself is kept with its original bytes."""
    return pa.Table.from_pylist([_row(*letter) for letter in letters], arrow.schema(DEAD_LETTERS))


def _row(partition: int, offset: int, record: bytes | None, logged_at: datetime) -> dict[str, Any]:
    position = {"kafka_partition": partition, "kafka_offset": offset}
    try:
        fields = json.loads(record or b"")
        return position | {
            "property": str(fields["property"]),
            "received_at": datetime.fromtimestamp(fields["received_at"] / 1000, UTC),
            "stage": str(fields["stage"]),
            "reason": str(fields["reason"]),
            "detail": str(fields.get("detail") or ""),
            "body": base64.b64decode(fields.get("body_base64") or "", validate=True),
            "count": int(fields.get("count", 1)),
        }
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError, binascii.Error) as error:
        return position | {
            "property": UNKNOWN,
            "received_at": logged_at,
            "stage": "lake",
            "reason": "unreadable",
            "detail": str(error)[:512],
            "body": record or b"",
            "count": 1,
        }
