"""Sets aside a record that breaks its batch, so that the other records are processed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import pyarrow as pa

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.operations import QUARANTINE
from qoescope.compile import arrow

Result = TypeVar("Result")
MOST_BROKEN = 20
"""If more records than these break and none passes, the fault is the program's, not the records'."""
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A record that breaks its batch, and the exception."""

    record: pa.Table
    """A table of one row."""
    error: Exception


def isolate(
    work: Callable[[pa.Table], Result], rows: pa.Table, environment: tuple[type[BaseException], ...]
) -> Iterator[Result | BrokenRecord]:
    """The results of `work` on the rows, bisected around those on which it raises, in their order.

    Exceptions in `environment` are raised: a full disk is no record's fault.
    """
    try:
        done: Result | BrokenRecord = work(rows)
    except environment:
        raise
    except Exception as error:  # noqa: BLE001
        if len(rows) > 1:
            half = len(rows) // 2
            yield from isolate(work, rows.slice(0, half), environment)
            yield from isolate(work, rows.slice(half), environment)
            return
        done = BrokenRecord(rows, error)
    yield done


def program_error(done: list[Result | BrokenRecord]) -> Exception | None:
    """The first record's error if no record passed and many broke: the program is at fault; else None."""
    culprits = [one for one in done if isinstance(one, BrokenRecord)]
    return culprits[0].error if len(culprits) > MOST_BROKEN and len(culprits) == len(done) else None


def quarantine_record(culprit: BrokenRecord, now: datetime) -> tuple[pa.Table, pa.Table, pa.Table]:
    """(rows of `quarantine`, counts, offsets) of a broken record, which was accepted and is kept with its bytes.

    Its property is the one it names, if any; it is counted as one event.
    """
    (row,) = culprit.record.to_pylist()
    property_id = _property_of(row["value"])
    position = {"kafka_partition": row["kafka_partition"], "kafka_offset": row["kafka_offset"]}
    reason = f"{type(culprit.error).__name__}: {culprit.error}".replace("\0", "")[:LONGEST_REASON]
    quarantined = {
        "property": property_id,
        "session_id": UNKNOWN,
        "seq": 0,
        "at": now,
        "type": UNKNOWN,
        "state": UNKNOWN,
        "state_ms": 0,
        "received_at": now,
        "session_day": now.date(),
        "bucket": 0,
        **position,
        "reason_kept": f"broken: {reason}",
        "record": _text(row["value"]),
    }
    minute = now.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None)
    counts = {"property": property_id, "minute_at": minute, "received": 1, "accepted": 1, "quarantined": 1}
    offset = row["kafka_offset"]
    read = {
        "kafka_partition": row["kafka_partition"],
        "first_offset": offset,
        "next_offset": offset + 1,
        "records": 1,
        "complete_until": None,
    }
    return (
        arrow.conform(pa.Table.from_pylist([quarantined]), QUARANTINE),
        pa.Table.from_pylist([counts]),
        pa.Table.from_pylist([read]),
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace").replace("\0", "")


def _property_of(value: bytes | None) -> str:
    """The property that the record names, where that can be read; else `unknown`."""
    try:
        members: Any = json.loads(value or b"")
        return members["property"].replace("\0", "") if isinstance(members["property"], str) else UNKNOWN
    except (ValueError, KeyError, TypeError, RecursionError):
        return UNKNOWN
