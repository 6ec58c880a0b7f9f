"""Cusum: evidence of slow burns adds up over steps too weak to speak (Page 1954), in all and by single values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log

import numpy as np

from qoescope.monitor.search.counts import Floats, Value

SliceName = tuple[tuple[str, Value], ...]
"""A shallow slice: at most one dimension and its value."""

RISE = 1.6
"""The rise that it is tuned to: at this many times the expected rate evidence grows fastest."""


@dataclass(frozen=True, slots=True)
class SlowBurn:
    """A slice whose evidence passed the bar: since when it grew, and how far."""

    name: SliceName
    since: int
    score: float


@dataclass(slots=True)
class Cusum:
    """Binomial CUSUM a slice: S = max(0, S + k ln(p1/p0) + (n - k) ln((1 - p1)/(1 - p0))), p1 = 1.6 p0.

    p0 is learned before and kept while S > 0, so that a fault that grows does not become its own baseline.
    """

    bar: float = 14.0
    memory: float = 0.985
    """Weight that the learned rate keeps a step."""
    _state: dict[SliceName, tuple[float, int, float, float]] = field(default_factory=dict)

    def step(self, at: int, counts: Iterable[tuple[SliceName, float, float]]) -> list[SlowBurn]:
        """One step's (slice, n, k); those that passed the bar, strongest first."""
        burning = []
        for name, n, k in counts:
            s, since, base_n, base_k = self._state.get(name, (0.0, at, 0.0, 0.0))
            rate = (base_k + 0.5) / (base_n + 1.0) if base_n >= _LEARNED else 0.0
            if rate > 0:
                p0 = min(max(rate, 1e-6), 0.6)
                p1 = min(RISE * p0, 0.99)
                s = s + k * log(p1 / p0) + (n - k) * log((1 - p1) / (1 - p0))
                if s <= 0:
                    s, since = 0.0, at + 1
                elif s >= self.bar:
                    burning.append(SlowBurn(name, since, s))
                s = min(s, 2 * self.bar)
            if s <= self.bar / 4:
                base_n, base_k = base_n * self.memory + n, base_k * self.memory + k
            self._state[name] = (s, since, base_n, base_k)
        return sorted(burning, key=lambda burn: -burn.score)

    def restart(self, name: SliceName) -> None:
        """Forgets a slice's evidence, once it was looked into."""
        if name in self._state:
            _, since, base_n, base_k = self._state[name]
            self._state[name] = (0.0, since, base_n, base_k)


_LEARNED = 200.0
"""Sessions that a slice's rate is learned from before its evidence counts."""


def counts_by_value(
    codes: np.ndarray, names: tuple[tuple[Value, ...], ...], dims: tuple[str, ...], sums: Floats
) -> list[tuple[SliceName, float, float]]:
    """N and k of the whole and of each value of each dimension; `sums` are n and k by leaf."""
    n, k = sums
    out: list[tuple[SliceName, float, float]] = [((), float(n.sum()), float(k.sum()))]
    for dim, code, values in zip(dims, codes, names, strict=True):
        by_n, by_k = np.bincount(code, n, len(values)), np.bincount(code, k, len(values))
        out += [(((dim, values[i]),), float(by_n[i]), float(by_k[i])) for i in np.flatnonzero(by_n > 0)]
    return out
