"""Engagement: whether quality goes with watch time once device and network are held; pure.

Each bucket of quality is compared with the best one inside every stratum (device × network), and the differences are
averaged with the weights that make the average most certain (n₁·n₀ / (n₁ + n₀), as Mantel and Haenszel). It removes
what the strata explain; it proves no cause.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

Z95 = 1.959964
LEAST = 2
"""Plays a cell needs to have a spread."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Plays of one bucket in one stratum: their number, and sum and squares of what was measured."""

    bucket: int
    stratum: Hashable
    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """Of what was measured."""
        return self.total / self.n

    @property
    def variance(self) -> float:
        """Of one play."""
        return max(self.squares - self.total * self.total / self.n, 0.0) / (self.n - 1)


@dataclass(frozen=True, slots=True)
class BucketMean:
    """A bucket's mean with its 95 % interval."""

    bucket: int
    n: int
    mean: float
    low: float
    high: float


def naive(cells: Iterable[Cell]) -> list[BucketMean]:
    """Each bucket's plain mean: what one sees without asking who is in it."""
    together: dict[int, list[Cell]] = defaultdict(list)
    for cell in cells:
        together[cell.bucket].append(cell)
    found = []
    for bucket, mine in sorted(together.items()):
        whole = Cell(bucket, "", sum(c.n for c in mine), sum(c.total for c in mine), sum(c.squares for c in mine))
        if whole.n >= LEAST:
            half = Z95 * math.sqrt(whole.variance / whole.n)
            found.append(BucketMean(bucket, whole.n, whole.mean, whole.mean - half, whole.mean + half))
    return found


@dataclass(frozen=True, slots=True)
class BucketEffect:
    """A bucket against the reference, inside strata: the difference with its 95 % interval."""

    bucket: int
    difference: float
    low: float
    high: float
    plays: int
    """Plays of the bucket that could be compared."""


def adjusted(cells: Sequence[Cell], reference: int) -> list[BucketEffect]:
    """Each bucket's difference from the reference with the strata held; only strata that have both count."""
    base: Mapping[Hashable, Cell] = {c.stratum: c for c in cells if c.bucket == reference and c.n >= LEAST}
    found = []
    for bucket in sorted({c.bucket for c in cells} - {reference}):
        pairs = [(c, base[c.stratum]) for c in cells if c.bucket == bucket and c.n >= LEAST and c.stratum in base]
        weights = [a.n * b.n / (a.n + b.n) for a, b in pairs]
        whole = sum(weights)
        if not whole:
            continue
        apart = sum(w * (a.mean - b.mean) for w, (a, b) in zip(weights, pairs, strict=True)) / whole
        spread = sum(w * w * (a.variance / a.n + b.variance / b.n) for w, (a, b) in zip(weights, pairs, strict=True))
        half = Z95 * math.sqrt(spread) / whole
        found.append(BucketEffect(bucket, apart, apart - half, apart + half, sum(a.n for a, _ in pairs)))
    return found
