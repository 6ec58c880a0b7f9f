"""Freshness: how old an event is when its number can be seen, from the player's clock to the mart's commit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from qoescope.mart.cubes import TICK_MS, TICKS


@dataclass(frozen=True, slots=True)
class Freshness:
    """Ages in ms over `events` events, exact to a tick; None when there were none."""

    events: int
    older: int
    p50_ms: int | None
    p95_ms: int | None
    worst_ms: int | None


def row(query: str, batch: int, ticks: Iterable[tuple[int | None, int]], committed_at: datetime) -> dict[str, object]:
    """A batch's row of `freshness`: events by the tick in which they were sent, from the first that counts."""
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
        "query": query, "batch": batch, "committed_at": committed_at, "tick_ms": TICK_MS, "sent": sent,
        "first_at": datetime.fromtimestamp(first * TICK_MS / 1000, UTC), "events": total,
        "older": sum(known.values()) - sum(recent.values()),
    }  # fmt: skip


def freshness(rows: Sequence[tuple[datetime, datetime, int, Sequence[int], int]]) -> Freshness:
    """Over rows of (committed_at, first_at, tick_ms, sent, older): each event's age is commit − start of its tick."""
    ages: dict[int, int] = {}
    older = 0
    for committed_at, first_at, tick_ms, sent, kept_back in rows:
        base = round((committed_at - first_at).total_seconds() * 1000)
        older += kept_back
        for i, events in enumerate(sent):
            if events:
                age = base - i * tick_ms
                ages[age] = ages.get(age, 0) + events
    total = sum(ages.values())
    return Freshness(total, older, _quantile(ages, total, 0.5), _quantile(ages, total, 0.95), max(ages, default=None))


def _quantile(ages: dict[int, int], total: int, q: float) -> int | None:
    seen = 0
    for age in sorted(ages):
        seen += ages[age]
        if seen >= q * total:
            return age
    return None
