"""When the events of a batch were sent, stored beside the live numbers that they are in."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

TICK_MS = 100
TICKS = 3_000
"""Ticks of the last five minutes are counted one by one; older events only as a total."""


def sent_ticks(events: pa.Table) -> pa.Table:
    """(tick, events): how many events were sent in each tick since the epoch.

    An event counts as sent when it was received, if its player does not say when, or says a later time.
    """
    came, sent = (_milliseconds(events[name]) for name in ("received_at", "sent_at"))
    ms = pc.min_element_wise(pc.coalesce(sent, came), came)
    ticks = pc.floor(pc.divide(ms.cast(pa.float64()), float(TICK_MS))).cast(pa.int64())
    return pa.table({"tick": ticks}).group_by("tick").aggregate([([], "count_all")]).rename_columns(["tick", "events"])


def _milliseconds(instants: pa.ChunkedArray) -> pa.ChunkedArray:
    return instants.cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64())


def freshness_row(
    query: str, batch: int, ticks: Iterable[tuple[int | None, int]], committed_at: datetime
) -> dict[str, object]:
    """A batch's row of `freshness`: events by the tick in which they were sent."""
    known = {tick: 0 for tick, _ in ticks if tick is not None}
    total = 0
    for tick, events in ticks:
        total += events
        if tick is not None:
            known[tick] += events
    last = int(committed_at.timestamp() * 1000) // TICK_MS
    recent = {tick: n for tick, n in known.items() if last - TICKS <= tick <= last + TICKS}
    first = min(recent, default=last)
    length = max(recent, default=first - 1) - first + 1
    sent = [0] * length
    for tick, events in recent.items():
        sent[tick - first] = events
    return {
        "query": query,
        "batch": batch,
        "committed_at": committed_at,
        "tick_ms": TICK_MS,
        "sent": sent,
        "first_at": datetime.fromtimestamp(first * TICK_MS / 1000, UTC),
        "events": total,
        "older": sum(known.values()) - sum(recent.values()),
    }
