"""Compares what streams have read of the log with the log's own offsets; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from qoescope.mart.ledger_result import Difference


@dataclass(frozen=True, slots=True)
class PartitionBooks:
    """A partition of the log and how far a stream has read it; None for one that the topic no longer has."""

    first: int | None
    end: int | None
    started: int
    next: int
    records: int
    lost: int
    answered: int = 0
    """The offset behind the last record that a collector acknowledged to a sender."""


def compare_log(partitions: Mapping[int, PartitionBooks]) -> list[Difference]:
    """Partitions whose records do not account for all offsets, or lost records before they were read."""
    differences = []
    for number, p in partitions.items():
        if p.next - p.started != p.records + p.lost:
            differences.append(
                Difference("log", f"partition {number} records read", p.next - p.started - p.lost, p.records)
            )
        if p.lost:
            differences.append(Difference("log", f"partition {number} records lost before they were read", 0, p.lost))
        if p.first is not None and p.first > p.next:
            differences.append(
                Difference(
                    "log", f"partition {number} offsets {p.next} to {p.first - 1} gone unread", 0, p.first - p.next
                )
            )
        if p.end is not None and p.next > p.end:
            differences.append(Difference("log", f"partition {number} end", p.next, p.end))
        unread = p.answered - max(p.next, p.end or 0)
        if unread > 0:
            differences.append(Difference("log", f"partition {number} records answered and gone unread", 0, unread))
    return differences
