"""Windows: tables of counts with known causes, drawn afresh for each family and seed, to score root causes on.

Long because a family is a table of choices, and all of them are here.

Ratio families are sessions of one window and those before it, by seven dimensions of which some follow from others.
Mixtures and rates drift, dimensions depend on each other through the kind of viewer, values may be missing, slices
are thin, and causes share sessions. Additive families follow the recipe of RiskLoc's synthetic sets (Kalander 2022,
arXiv 2205.10004, section V): Weibull values, relative forecast errors, causes of one to several elements.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa

from qoescope.monitor.search.counts import coded

Codes = dict[str, np.ndarray]
COUNTS = ("sessions", "failures", "base_sessions", "base_failures")
FORECAST = ("real", "forecast")


@dataclass
class Window:
    """One table, its dimensions, and the slices that were broken in it."""

    table: pa.Table
    dims: tuple[str, ...]
    causes: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class RatioFamily:
    """How windows of sessions are drawn; spreads are of logarithms."""

    sessions: tuple[int, int] = (15_000, 25_000)
    history: float = 5.0
    """Sessions before the window, as a multiple of its own."""
    causes: tuple[int, int] = (1, 2)
    mix_drift: float = 0.1
    """How far each value's share of the traffic moves."""
    rate_drift: float = 0.08
    """How far each value's rate moves without a fault …"""
    pair_drift: float = 0.0
    """… and each pair's of two dimensions."""
    unlike: float = 0.0
    """How differently values inside a broken slice are hit."""
    missing: float = 0.0
    """Part of the sessions that do not tell a dimension; two dimensions have such."""
    overlap: float = 0.0
    """Chance that a cause shares a value, or sessions, with the one before."""
    extra: tuple[float, float] = (0.05, 0.4)
    """By how much a cause raises the rate of its sessions."""
    rate: tuple[float, float] = (0.006, 0.05)
    least: float = 40.0
    """Bad sessions that each cause adds, at least, where no other cause is at work."""
    depths: tuple[float, float, float, float] = (0.45, 0.35, 0.15, 0.05)
    """How many causes name one dimension, two, three, four."""
    concentration: float = 1.5
    """Of the values' shares: the smaller, the more values are thin."""


_CARDS = {"device": 6, "os": 12, "version": 10, "country": 9, "isp": 28, "cdn": 4, "pop": 20}
_PARENTS = {"os": "device", "isp": "country", "pop": "cdn"}
"""A value of the first fixes the second."""
_KINDS = 3


def _parent(child: str) -> np.ndarray:
    return np.arange(_CARDS[child]) % _CARDS[_PARENTS[child]]


def _draw(rng: np.random.Generator, size: int, kinds: np.ndarray, shares: Mapping[str, np.ndarray]) -> Codes:
    """Sessions: each is of a kind of viewer, whose shares of the values are its own."""
    kind = rng.choice(_KINDS, size, p=kinds)
    codes: Codes = {}
    for name, by_kind in shares.items():
        edges = np.cumsum(by_kind / by_kind.sum(axis=1, keepdims=True), axis=1)
        codes[name] = np.minimum((rng.random(size)[:, None] > edges[kind]).sum(axis=1), by_kind.shape[1] - 1)
    for child, parent in _PARENTS.items():
        codes[parent] = _parent(child)[codes[child]]
    return codes


def _factors(rng: np.random.Generator, spread: float, pair_spread: float) -> dict[tuple[str, ...], np.ndarray]:
    """A factor for each value of each dimension, and for the pairs of some dimensions."""
    factors: dict[tuple[str, ...], np.ndarray] = {(n,): np.exp(rng.normal(0, spread, c)) for n, c in _CARDS.items()}
    for a, b in (("isp", "cdn"), ("device", "version"), ("country", "os"), ("pop", "isp")):
        factors[a, b] = np.exp(rng.normal(0, pair_spread, (_CARDS[a], _CARDS[b])))
    return factors


def _times(codes: Codes, factors: Mapping[tuple[str, ...], np.ndarray]) -> np.ndarray:
    rate = np.ones(len(codes["isp"]))
    for names, factor in factors.items():
        rate *= factor[tuple(codes[name] for name in names)]
    return rate


def _inside(codes: Codes, cause: Mapping[str, int]) -> np.ndarray:
    return np.all([codes[name] == code for name, code in cause.items()], axis=0)


def _drawn_cause(
    rng: np.random.Generator, codes: Codes, before: list[dict[str, int]], family: RatioFamily
) -> dict[str, int]:
    """A slice of one to four dimensions, none of which follows from another; perhaps near one drawn before."""
    depth = int(rng.choice([1, 2, 3, 4], p=family.depths))
    names = [str(name) for name in rng.choice(list(_CARDS), depth, replace=False)]
    rows = np.arange(len(codes["isp"]))
    if before and rng.random() < family.overlap:
        near = before[-1]
        rows = np.flatnonzero(_inside(codes, near))
        shared = str(rng.choice(list(near)))
        if rng.random() < 0.5 and len(near) > 1:
            names = list(dict.fromkeys([shared, *names]))[:4]
    at = int(rng.choice(rows))
    return {name: int(codes[name][at]) for name in names}


def _causes(
    rng: np.random.Generator, family: RatioFamily, codes: Codes, number: int
) -> list[tuple[dict[str, int], float]]:
    """Slices and by how much each raises the rate; every one has enough bad sessions that no other one has."""
    found: list[tuple[dict[str, int], float]] = []
    for _ in range(500):
        if len(found) == number:
            break
        cause = _drawn_cause(rng, codes, [one for one, _ in found], family)
        if any(parent in cause and child in cause for child, parent in _PARENTS.items()):
            continue
        extra = float(np.exp(rng.uniform(*np.log(family.extra))))
        tried = [*found, (cause, extra)]
        rows = [_inside(codes, one) for one, _ in tried]
        own = [r & ~np.any([o for o in rows if o is not r] or [~r], axis=0) for r in rows]
        enough = all(
            o.sum() * by >= family.least and o.sum() >= 0.4 * r.sum()
            for o, r, (_, by) in zip(own, rows, tried, strict=True)
        )
        if enough and rows[-1].mean() < 0.5:
            found = tried
    return found


def ratio_window(seed: int, family: RatioFamily, *, broken: bool = True) -> Window:
    """Sessions of a window and of the time before, one row each; without `broken` nothing is at fault."""
    rng = np.random.default_rng([seed, 1])
    size = int(rng.integers(*family.sessions, endpoint=True))
    shares = {
        name: rng.dirichlet(np.full(_CARDS[name], family.concentration), _KINDS)
        for name in ("os", "isp", "pop", "version")
    }
    moved = {
        name: by_kind * np.exp(rng.normal(0, family.mix_drift, by_kind.shape[1])) for name, by_kind in shares.items()
    }
    kinds, kinds_now = rng.dirichlet(np.full(_KINDS, 5.0)), rng.dirichlet(np.full(_KINDS, 5.0))
    kinds_now = kinds if family.mix_drift < 0.15 else kinds_now  # a steady mixture has a steady crowd
    now, then = _draw(rng, size, kinds_now, moved), _draw(rng, round(size * family.history), kinds, shares)
    usual = _factors(rng, 0.3, 0.2)
    level = float(np.exp(rng.uniform(*np.log(family.rate))))
    drift = _factors(rng, family.rate_drift, family.pair_drift)
    rate_then = np.clip(level * _times(then, usual), 0, 0.9)
    before_drift, drifted = level * _times(now, usual), _times(now, drift)
    drifted *= before_drift.sum() / (before_drift * drifted).sum() * np.exp(rng.normal(0, family.rate_drift))
    rate_now = np.clip(before_drift * drifted, 0, 0.9)
    number = int(rng.integers(*family.causes, endpoint=True)) if broken else 0
    causes = _causes(rng, family, now, number)
    for cause, extra in causes:
        inside = _inside(now, cause)
        uneven = {n: f for n, f in _factors(rng, family.unlike, 0.0).items() if len(n) == 1 and n[0] not in cause}
        by = np.clip(extra * _times(now, uneven), 0, 0.9)
        rate_now = np.where(inside, 1 - (1 - rate_now) * (1 - by), rate_now)
    bad = [rng.random(len(rate)) < rate for rate in (rate_now, rate_then)]
    silent = set(rng.choice(list(_CARDS), 2, replace=False)) if family.missing else set()
    columns = {
        name: _named(rng, name, np.concatenate([now[name], then[name]]), family.missing if name in silent else 0.0)
        for name in _CARDS
    }
    nothing, ones = [np.zeros(len(r), np.int64) for r in bad], [np.ones(len(r), np.int64) for r in bad]
    counts = ((ones[0], nothing[1]), (bad[0], nothing[1]), (nothing[0], ones[1]), (nothing[0], bad[1]))
    columns |= {n: pa.array(np.concatenate(c).astype(np.int64)) for n, c in zip(COUNTS, counts, strict=True)}
    named = [{name: f"{name}-{code}" for name, code in cause.items()} for cause, _ in causes]
    return Window(pa.table(columns), tuple(_CARDS), named)


def _named(rng: np.random.Generator, name: str, codes: np.ndarray, missing: float) -> pa.Array:
    untold = rng.random(len(codes)) < missing if missing else None
    return pa.array(np.char.add(f"{name}-", codes.astype(str)), mask=untold)


@dataclass(frozen=True)
class AdditiveFamily:
    """How windows of an additive figure beside its forecast are drawn."""

    cards: tuple[int, ...]
    noise: tuple[float, float] = (0.0, 0.25)
    """Relative error of the forecast."""
    severity: tuple[float, float] = (0.2, 1.0)
    """By how much a cause moves the figure, beyond the noise …"""
    spread: tuple[float, float] = (0.0, 0.1)
    """… and how differently its leaves are moved."""
    causes: tuple[int, int] = (1, 3)
    elements: tuple[int, int] = (1, 3)
    """Slices of the same dimensions that one cause breaks."""
    depth: tuple[int, int] = (1, 4)
    empty: tuple[float, float] = (0.0, 0.25)
    """Leaves without any figure."""
    shape: tuple[float, float] = (0.5, 1.0)
    """Of the Weibull distribution of figures."""


def additive_window(seed: int, family: AdditiveFamily, *, broken: bool = True) -> Window:
    """Every combination of values with its real figure and its forecast."""
    rng = np.random.default_rng([seed, 2])
    dims = tuple("abcdefgh"[: len(family.cards)])
    grid = np.array(list(product(*(range(card) for card in family.cards)))).T
    size = grid.shape[1]
    noise = rng.uniform(*family.noise)
    figure = 100 * rng.weibull(rng.uniform(*family.shape), size) * (rng.random(size) > rng.uniform(*family.empty))
    strayed = np.maximum(figure * (1 + rng.normal(0, noise, size)), 0.0)
    first = rng.random(size) < 0.5
    real, forecast = np.where(first, figure, strayed), np.where(first, strayed, figure)
    rises = real.sum() > forecast.sum()
    causes: list[dict[int, int]] = []
    for names in _cause_dims(rng, family) if broken else ():
        elements = _elements(rng, family, names, causes, grid, figure)
        depth_severity = rng.uniform(*family.severity) + noise
        inside = np.any([_inside_grid(grid, one) for one in elements], axis=0) if elements else np.zeros(size, bool)
        cut = np.maximum(1 - rng.normal(depth_severity, rng.uniform(*family.spread), size), 0.0)
        known = real if rises else forecast
        real = np.where(inside, known if rises else known * cut, real)
        forecast = np.where(inside, known * cut if rises else known, forecast)
        causes += elements
    columns = {name: pa.array(np.char.add(name, grid[d].astype(str))) for d, name in enumerate(dims)}
    table = pa.table(columns | {"real": real, "forecast": forecast})
    return Window(table, dims, [{dims[d]: f"{dims[d]}{code}" for d, code in one.items()} for one in causes])


def _cause_dims(rng: np.random.Generator, family: AdditiveFamily) -> list[tuple[int, ...]]:
    """The dimensions of each cause; no two have the same ones, but for causes of all dimensions."""
    chosen: list[tuple[int, ...]] = []
    for _ in range(int(rng.integers(*family.causes, endpoint=True))):
        for _ in range(50):
            depth = int(rng.integers(*family.depth, endpoint=True))
            names = tuple(sorted(int(d) for d in rng.choice(len(family.cards), depth, replace=False)))
            if names not in chosen or depth == len(family.cards):
                chosen.append(names)
                break
    return chosen


def _inside_grid(grid: np.ndarray, cause: Mapping[int, int]) -> np.ndarray:
    return np.all([grid[d] == code for d, code in cause.items()], axis=0)


def _elements(
    rng: np.random.Generator,
    family: AdditiveFamily,
    names: tuple[int, ...],
    before: list[dict[int, int]],
    grid: np.ndarray,
    figure: np.ndarray,
) -> list[dict[int, int]]:
    """Slices of these dimensions with values that no other cause has; a single leaf has a figure."""
    free = {d: [v for v in range(family.cards[d]) if all(one.get(d) != v for one in before)] for d in names}
    number = int(rng.integers(*family.elements, endpoint=True))
    found: list[dict[int, int]] = []
    for _ in range(200):
        if len(found) == number or not all(free.values()):
            break
        one = {d: int(rng.choice(free[d])) for d in names}
        if one not in found and figure[_inside_grid(grid, one)].sum() > 0:
            found.append(one)
    return found


TUNED_ON: dict[str, RatioFamily | AdditiveFamily] = {
    "steady": RatioFamily(),
    "drifting": RatioFamily(history=3, mix_drift=0.3, rate_drift=0.12, pair_drift=0.1, missing=0.05, causes=(1, 3)),
    "overlapping": RatioFamily(causes=(2, 4), overlap=0.8, mix_drift=0.2),
    "service": RatioFamily(
        sessions=(6_000, 12_000), history=1, mix_drift=0.3, rate_drift=0.15, pair_drift=0.15, unlike=0.3, missing=0.1,
        causes=(1, 2), overlap=0.5, extra=(0.1, 0.6), rate=(0.02, 0.08), concentration=0.6,
    ),
    "thin": RatioFamily(
        sessions=(8_000, 15_000), history=4, causes=(1, 3), extra=(0.03, 0.3), least=25, concentration=0.8,
        mix_drift=0.15, rate_drift=0.1, depths=(0.3, 0.4, 0.2, 0.1), overlap=0.3,
    ),
    "leaf_of_five": AdditiveFamily((8, 9, 8, 7, 5)),
    "quiet_of_five": AdditiveFamily((8, 9, 8, 7, 5), noise=(0.0, 0.1), severity=(0.3, 1.0)),
    "noisy_of_five": AdditiveFamily((8, 9, 8, 7, 5), noise=(0.2, 0.5), depth=(1, 5)),
    "last_of_four": AdditiveFamily(
        (9, 18, 9, 12), noise=(0, 0.1), severity=(0.5, 1.0), spread=(0, 0), causes=(1, 5), elements=(1, 1), depth=(4, 4)
    ),
    "six": AdditiveFamily((6, 4, 40, 8, 5, 4)),
}  # fmt: skip
"""Families that the search's settings were chosen on."""

REPORTED: dict[str, RatioFamily | AdditiveFamily] = {
    "calm": RatioFamily(sessions=(18_000, 22_000), history=4, mix_drift=0.05, rate_drift=0.06),
    "shifting": RatioFamily(history=2, mix_drift=0.4, rate_drift=0.1, pair_drift=0.12, missing=0.08, causes=(1, 3)),
    "entangled": RatioFamily(causes=(2, 3), overlap=1.0, mix_drift=0.3, rate_drift=0.1, extra=(0.08, 0.5)),
    "live_service": RatioFamily(
        sessions=(5_000, 15_000), history=1.5, mix_drift=0.4, rate_drift=0.2, pair_drift=0.2, unlike=0.4, missing=0.15,
        causes=(1, 3), overlap=0.4, extra=(0.08, 0.6), rate=(0.02, 0.1), concentration=0.5,
    ),
    "sparse": RatioFamily(
        sessions=(6_000, 14_000), history=5, causes=(1, 2), extra=(0.04, 0.3), least=25, concentration=0.6,
        mix_drift=0.2, rate_drift=0.12, depths=(0.3, 0.35, 0.25, 0.1), overlap=0.3, missing=0.05,
    ),
    "five_dimensions": AdditiveFamily((10, 12, 10, 8, 5)),
    "five_smaller": AdditiveFamily((7, 11, 6, 9, 6)),
    "single_leaves": AdditiveFamily(
        (10, 24, 10, 15), noise=(0, 0.1), severity=(0.5, 1.0), spread=(0, 0), causes=(1, 5), elements=(1, 1),
        depth=(4, 4),
    ),
    "six_dimensions": AdditiveFamily((5, 5, 60, 10, 4, 5)),
}  # fmt: skip
"""Families that are reported, with seeds of their own, and that nothing was chosen on."""


def window(seed: int, family: RatioFamily | AdditiveFamily, *, broken: bool = True) -> Window:
    """A window of either kind of family."""
    if isinstance(family, RatioFamily):
        return ratio_window(seed, family, broken=broken)
    return additive_window(seed, family, broken=broken)


class Rows:
    """The rows of a window that have any figure: which of them a slice holds, by the codes of its values."""

    def __init__(self, one: Window) -> None:
        names = one.table.column_names
        some = np.sum([np.asarray(one.table.column(n)) for n in ("sessions", *FORECAST) if n in names], axis=0) > 0
        table = one.table.filter(pa.array(some))
        self.codes, self.values, self.size = {}, {}, table.num_rows
        for name in one.dims:
            self.codes[name], values = coded(table.column(name))
            self.values[name] = {value: code for code, value in enumerate(values)}

    def held(self, chosen: Mapping[str, Any]) -> bytes:
        """Which rows the slice holds, as a value to compare."""
        mask = np.ones(self.size, dtype=bool)
        for name, value in chosen.items():
            mask &= self.codes[name] == self.values[name].get(value, -1)
        return np.packbits(mask).tobytes()
