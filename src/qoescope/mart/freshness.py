"""Freshness: the age of an event when it shows in live numbers, from the player's clock to the mart's commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Freshness:
    """Quantiles of ages in ms over `events` events, exact to a tick; None when there were none."""

    events: int
    older: int
    p50_ms: int | None
    p95_ms: int | None
    worst_ms: int | None


def freshness(rows: Sequence[tuple[datetime, datetime, int, Sequence[int], int]]) -> Freshness:
    """Over rows of (committed_at, first_at, tick_ms, sent, older): an event's age is commit minus start of its tick."""
    ages: dict[int, int] = {}
    older = 0
    for committed_at, first_at, tick_ms, sent, kept_back in rows:
        base = round((committed_at - first_at).total_seconds() * 1000)
        older += kept_back
        for i, events in enumerate(sent):
            if events:
                age = max(0, base - i * tick_ms)  # clocks of two machines
                ages[age] = ages.get(age, 0) + events
    total = sum(ages.values())
    return Freshness(total, older, _quantile(ages, total, 0.5), _quantile(ages, total, 0.95), max(ages, default=None))


def _quantile(ages: dict[int, int], total: int, q: float) -> int | None:
    counted = 0
    for age in sorted(ages):
        counted += ages[age]
        if counted >= q * total:
            return age
    return None
