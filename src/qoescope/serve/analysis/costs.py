"""Costs: how many bad sessions a slice has beyond what the rest of the viewers would have had in its place."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qoescope.catalog.metrics import Metric, Ratio

LEAST = 25
"""Sessions below which a slice is not judged."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A slice against the rest: its value, the rest's, and what the difference amounts to."""

    dimension: str
    value: str
    volume: float
    here: float
    rest: float
    excess: float
    """Units of the numerator (sessions, milliseconds …) beyond the rest's rate; negative where better."""
    impact: float
    """Share of all the badness of the whole that this excess is."""
    z: float
    """How many standard errors the difference is; large is sure."""


def costs(metric: Metric, dimension: str, rows: Sequence[Mapping[str, Any]]) -> list[Cost]:
    """Each slice's cost; `rows` hold the dimension and the measures. A metric without a direction costs nothing."""
    if not isinstance(metric, Ratio) or metric.better == "neither":
        return []
    parts = [(str(r[dimension]), *_bad(metric, r)) for r in rows]
    bad, whole = sum(k for _, k, _ in parts), sum(n for _, _, n in parts)
    found = []
    for value, k, n in parts:
        others, left = bad - k, whole - n
        if n < LEAST or left <= 0:
            continue
        here, rest = k / n, others / left
        excess = k - n * rest
        spread = math.sqrt(max(rest * (1 - rest), 1e-12) * (1 / n + 1 / left)) if 0 <= rest <= 1 else math.inf
        shown = (1 - here, 1 - rest) if metric.better == "higher" else (here, rest)
        found.append(Cost(dimension, value, n, *shown, excess, excess / bad if bad else 0.0, (here - rest) / spread))
    return found


def _bad(metric: Ratio, row: Mapping[str, Any]) -> tuple[float, float]:
    """Bad ones and all; where higher is better, the bad ones are those that are missing."""
    k, n = (float(sum(row[name] for name in names)) for names in (metric.numerator, metric.denominator))
    return (n - k, n) if metric.better == "higher" else (k, n)


def worst(found: Sequence[Cost], count: int, sure: float = 3.0) -> list[Cost]:
    """The slices that cost most, surely, and no two that are nearly the same sessions."""
    chosen: list[Cost] = []
    for cost in sorted((c for c in found if c.excess > 0 and c.z >= sure), key=lambda c: -c.excess):
        alike = any(
            abs(cost.volume - c.volume) < 0.01 * c.volume and abs(cost.excess - c.excess) < 0.02 * c.excess
            for c in chosen
        )
        if not alike:
            chosen.append(cost)
        if len(chosen) == count:
            break
    return chosen
