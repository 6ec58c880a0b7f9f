"""Isolation: one record that breaks what is done with its batch is set aside, and the others go on."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import pyarrow as pa

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.operations import QUARANTINE
from qoescope.compile import arrow

Done = TypeVar("Done")
MOST_ALIKE = 20
"""Where more records than these break and no record passes, it is not they that are broken."""
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Culprit:
    """A record that breaks what is done with it, and how."""

    record: pa.Table
    """One row."""
    error: Exception


def isolated(
    work: Callable[[pa.Table], Done], rows: pa.Table, environment: tuple[type[BaseException], ...]
) -> Iterator[Done | Culprit]:
    """What `work` makes of the rows, by halves of halves around those on which it raises, in their order.

    What a machine does to us, `environment`, is raised: no record is to blame for a full disk.
    """
    try:
        done: Done | Culprit = work(rows)
    except environment:
        raise
    except Exception as error:  # noqa: BLE001
        if len(rows) > 1:
            half = len(rows) // 2
            yield from isolated(work, rows.slice(0, half), environment)
            yield from isolated(work, rows.slice(half), environment)
            return
        done = Culprit(rows, error)
    yield done


def ours(done: list[Done | Culprit]) -> Exception | None:
    """The error of the first culprit where nothing passed and many broke: then it is the program that is broken."""
    culprits = [one for one in done if isinstance(one, Culprit)]
    return culprits[0].error if len(culprits) > MOST_ALIKE and len(culprits) == len(done) else None


def set_aside(culprit: Culprit, now: datetime) -> tuple[pa.Table, pa.Table, pa.Table]:
    """(rows of `quarantine`, counts, offsets) of a culprit: it was accepted and is kept with its bytes.

    Its property is named where it says one; its books are those of one event, as of a record that cannot be read.
    """
    (row,) = culprit.record.to_pylist()
    property_id = _property(row["value"])
    place = {"kafka_partition": row["kafka_partition"], "kafka_offset": row["kafka_offset"]}
    reason = f"{type(culprit.error).__name__}: {culprit.error}".replace("\0", "")[:LONGEST_REASON]
    kept = {
        "property": property_id, "session_id": UNKNOWN, "seq": 0, "at": now, "type": UNKNOWN, "state": UNKNOWN,
        "state_ms": 0, "received_at": now, "session_day": now.date(), "bucket": 0, **place,
        "reason_kept": f"broken: {reason}", "record": _text(row["value"]),
    }  # fmt: skip
    minute = now.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None)
    counts = {"property": property_id, "minute_at": minute, "received": 1, "accepted": 1, "quarantined": 1}
    offset = row["kafka_offset"]
    read = {"kafka_partition": row["kafka_partition"], "first_offset": offset, "next_offset": offset + 1,
            "records": 1, "complete_until": None}  # fmt: skip
    return (
        arrow.conform(pa.Table.from_pylist([kept]), QUARANTINE),
        pa.Table.from_pylist([counts]),
        pa.Table.from_pylist([read]),
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace").replace("\0", "")


def _property(value: bytes | None) -> str:
    """The property that the record names, where it can be read so far."""
    try:
        said: Any = json.loads(value or b"")
        return said["property"].replace("\0", "") if isinstance(said["property"], str) else UNKNOWN
    except (ValueError, KeyError, TypeError, RecursionError):
        return UNKNOWN
