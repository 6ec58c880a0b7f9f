"""Localizers: five published methods, written anew after their papers, over leaves with a real figure and a forecast.

Long because the five share their cells and are read side by side.

Of sessions the figure is the bad ones, and the forecast is what our own baseline model expects of each leaf, so that
the methods differ in their search alone. Thresholds are the papers' own.

- Adtributor: Bhagwan et al., NSDI 2014: one dimension; values by surprise until they explain the change.
- Squeeze: Li et al., ISSRE 2019, doi 10.1109/issre.2019.00015: leaves in clusters of alike deviation, then the cuboid
  with the best potential score.
- AutoRoot: Jing et al., WCNC 2021: clusters by kernel density, then one element by its new potential score.
- RobustSpot: Sun et al., IEEE Trans. Services Computing 2023, doi 10.1109/tsc.2022.3155500, in its form: leaves by
  anomaly degree and contribution, then weighted rules among their frequent values; one answer.
- RiskLoc: Kalander 2022, arXiv 2205.10004: a cutoff between usual and unusual leaves, then weighted risk by layers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.signal import argrelextrema
from scipy.stats import gaussian_kde
from windows import COUNTS, FORECAST, Window

from qoescope.monitor.search.counts import Leaves, leaves
from qoescope.monitor.search.share import ShareModel

Slices = list[dict[str, Any]]
_TINY = 1e-12


@dataclass(frozen=True)
class Figures:
    """Leaves that have any figure: codes (dimensions x leaves), real and forecast."""

    leaves: Leaves
    codes: np.ndarray
    real: np.ndarray
    forecast: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """2·(f - v) / (f + v), from -2 to 2."""
        return 2 * (self.forecast - self.real) / np.maximum(self.forecast + self.real, _TINY)

    def only(self, rows: np.ndarray) -> "Figures":
        """Some of the leaves."""
        return Figures(self.leaves, self.codes[:, rows], self.real[rows], self.forecast[rows])

    def groups(self, dims: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """For each leaf the number of its element of the cuboid, and the codes of each element."""
        key = np.zeros(self.codes.shape[1], dtype=np.int64)
        for dim in dims:
            key = key * len(self.leaves.values[dim]) + self.codes[dim]
        _, first, number = np.unique(key, return_index=True, return_inverse=True)
        return number, self.codes[list(dims)][:, first]

    def named(self, dims: tuple[int, ...], codes: np.ndarray) -> dict[str, Any]:
        """An element in words."""
        return self.leaves.named({dim: int(code) for dim, code in zip(dims, codes, strict=True)})

    def cuboids(self, layer: int) -> Iterator[tuple[int, ...]]:
        """Sets of so many dimensions."""
        return combinations(range(len(self.leaves.dims)), layer)


def figures(one: Window) -> Figures:
    """The window's leaves in the methods' form."""
    additive = "real" in one.table.column_names
    names = FORECAST if additive else COUNTS
    counts = leaves(one.table, one.dims, [one.table.column(n).cast(pa.float64()).to_numpy() for n in names])
    if additive:
        real, forecast = counts.sums
    else:
        prepared = ShareModel().prepared(counts).sums
        real, forecast = prepared[1], prepared[4]
    some = (real > 0) | (forecast > 0)
    return Figures(counts, counts.codes[:, some], real[some], forecast[some])


def adtributor(one: Window) -> Slices:
    """T_EP 0.67, T_EEP 0.1; fires when the figure moved by a tenth."""
    f = figures(one)
    total, expected = f.real.sum(), f.forecast.sum()
    if abs(total - expected) <= 0.1 * expected:
        return []
    best: tuple[float, Slices] = (0.0, [])
    for (dim,) in f.cuboids(1):
        number, codes = f.groups((dim,))
        a, e = np.bincount(number, f.real), np.bincount(number, f.forecast)
        p, q = e / expected, a / max(total, _TINY)
        with np.errstate(divide="ignore", invalid="ignore"):
            s = 0.5 * (np.nan_to_num(p * np.log(2 * p / (p + q))) + np.nan_to_num(q * np.log(2 * q / (p + q))))
        power = (a - e) / (total - expected)
        chosen: list[int] = []
        for value in np.argsort(-s):
            if power[value] > 0.1:
                chosen.append(int(value))
            if power[chosen].sum() > 0.67:
                if s[chosen].sum() > best[0]:
                    best = (float(s[chosen].sum()), [f.named((dim,), codes[:, v]) for v in chosen])
                break
    return best[1]


def riskloc(one: Window) -> Slices:
    """Risk threshold 0.5, proportional explanatory power 0.02, five outliers left out at each end."""
    f = figures(one)
    if not f.real.size or f.real.sum() == f.forecast.sum():
        return []
    power = (f.real - f.forecast) / (f.real.sum() - f.forecast.sum())
    apart = np.sort(np.unique(f.deviation))
    if apart.size <= 5:
        return []
    cutoff = -min(apart[5], apart[-6], key=abs)
    unusual = f.deviation > cutoff if cutoff >= 0 else f.deviation < cutoff
    weight = np.minimum(np.where(unusual, np.abs(f.deviation), np.abs(cutoff - f.deviation)), 1.0)
    if power[unusual].sum() < 0:
        power = -power
    least = 0.02 * power[unusual].sum()
    named: Slices = []
    while power[unusual].sum() >= least > 0 and len(named) < 30:
        best = _riskiest(f, power, unusual, weight, least)
        if best is None:
            break
        dims, codes = best
        named.append(f.named(dims, codes))
        rest = ~np.all(f.codes[list(dims)] == codes[:, None], axis=0)
        f, power, unusual, weight = f.only(rest), power[rest], unusual[rest], weight[rest]
    return named


def _riskiest(
    f: Figures, power: np.ndarray, unusual: np.ndarray, weight: np.ndarray, least: float
) -> tuple[tuple[int, ...], np.ndarray] | None:
    """In the first layer that has any, the element with enough risk that explains most."""
    known = (f.real > 0) & (f.forecast > 0)
    for layer in range(1, len(f.leaves.dims) + 1):
        best: tuple[float, tuple[int, ...], np.ndarray] | None = None
        for dims in f.cuboids(layer):
            number, codes = f.groups(dims)
            size = codes.shape[1]
            explained = np.bincount(number, power, size)
            high, low = (np.bincount(number, weight * side, size) for side in (unusual, ~unusual))
            scale = np.bincount(number, f.real * known, size) / np.maximum(
                np.bincount(number, f.forecast * known, size), _TINY
            )
            ripple = f.forecast * scale[number]
            d = np.abs(2 * (ripple - f.real) / np.maximum(ripple + f.real, _TINY))
            w1, w2 = (np.bincount(number, v * known, size) for v in (d, np.abs(f.deviation)))
            risk = high / (high + low + 1) - np.divide(w1, w2, out=np.zeros(size), where=w2 > 0)
            good = (risk >= 0.5) & (explained > (best[0] if best else least)) & (high > 0)
            if good.any():
                at = int(np.argmax(np.where(good, explained, -np.inf)))
                best = (float(explained[at]), dims, codes[:, at])
        if best is not None:
            return best[1], best[2]
    return None


def autoroot(one: Window) -> Slices:
    """δ 0.1, leaves whose deviation is beyond 0.2."""
    f = figures(one)
    relevant = np.flatnonzero(np.abs(f.deviation) > 0.2)
    if relevant.size < 3:
        return []
    values = f.deviation[relevant]
    ends = np.zeros(0)
    if np.unique(values).size > 1:
        at = np.linspace(-2, 2, 400)
        density = gaussian_kde(values, bw_method="silverman").evaluate(at)
        ends = at[argrelextrema(density, np.less)[0]]
    cluster = np.searchsorted(ends, values)
    found = [_autoroot_element(f, relevant[cluster == c]) for c in np.unique(cluster)]
    return _without_inner([name for name in found if name is not None])


def _without_inner(found: Slices) -> Slices:
    """Without repetitions and elements inside another one."""
    kept: Slices = []
    for name in sorted(found, key=len):
        if not any(all(name.get(key) == value for key, value in other.items()) for other in kept):
            kept.append(name)
    return kept


def _autoroot_element(f: Figures, inside: np.ndarray) -> dict[str, Any] | None:
    """The element with the best mean of new potential score, leaf fraction and cluster fraction."""
    best: tuple[float, dict[str, Any] | None] = (-1.0, None)
    error = np.divide(np.abs(f.real - f.forecast), f.real, out=np.zeros(f.real.size), where=f.real > 0)
    for layer in range(1, len(f.leaves.dims) + 1):
        for dims in f.cuboids(layer):
            number, codes = f.groups(dims)
            size = codes.shape[1]
            x, y = np.bincount(number[inside], minlength=size), np.bincount(number, minlength=size)
            good = (x > 0.1 * inside.size) & (x > 0.1 * y)
            if not good.any():
                continue
            scale = np.bincount(number, f.real, size) / np.maximum(np.bincount(number, f.forecast, size), _TINY)
            a_leaf = np.abs(f.real - f.forecast * scale[number])
            a_leaf = np.divide(a_leaf, f.real, out=np.zeros(f.real.size), where=f.real > 0)
            a, b = np.bincount(number, a_leaf, size) / y, np.bincount(number, error, size) / y
            c = (error.sum() - b * y) / np.maximum(f.real.size - y, 1)
            nps = 1 - (a + c) / np.maximum(b + c, _TINY)
            nps = np.where(good, nps, -1.0)
            at = int(np.argmax(nps))
            score = (nps[at] + x[at] / y[at] + x[at] / inside.size) / 3
            if nps[at] > -1 and score > best[0]:
                best = (float(score), f.named(dims, codes[:, at]))
    return best[1]


def squeeze(one: Window) -> Slices:
    """Potential score 0.9 ends the layers; twelve elements at most; automatic weight of the score."""
    f = figures(one)
    f = f.only(f.forecast > 0)
    if f.real.size < 3:
        return []
    deviation = f.deviation
    counts, edges = np.histogram(deviation, bins="auto")
    counts = np.concatenate([[0], counts, [0]])
    middles = np.concatenate([[edges[0] - 0.05], (edges[1:] + edges[:-1]) / 2, [edges[-1] + 0.05]])
    peaks = argrelextrema(counts, np.greater)[0]
    valleys = argrelextrema(counts, np.less_equal)[0]
    usual = np.abs(deviation).mean()
    clusters = []
    for peak in peaks:
        low = max((middles[v] for v in valleys if v < peak), default=-np.inf)
        high = min((middles[v] for v in valleys if v > peak), default=np.inf)
        rows = np.flatnonzero((deviation >= low) & (deviation <= high))
        if rows.size and np.abs(deviation[rows]).mean() >= usual:
            clusters.append(rows)
    if not clusters:
        return []
    names = sum(len(np.unique(code)) for code in f.codes)
    covered = min(sum(rows.size for rows in clusters) / f.real.size, 0.999)
    weight = np.log(len(clusters) + 1) / len(clusters) * names / np.log(names + 1) * -np.log(covered)
    named: Slices = []
    for rows in clusters[:40]:
        named += [name for name in _squeeze_cluster(f, rows, float(weight)) if name not in named]
    return named


def _squeeze_cluster(f: Figures, rows: np.ndarray, weight: float) -> Slices:
    """The elements of one cuboid that explain one cluster."""
    normal = np.abs(f.deviation) < np.abs(f.deviation[rows]).min()
    normal[rows] = False
    subset = np.concatenate([rows, np.flatnonzero(normal)])
    best: tuple[float, Slices] = (-np.inf, [])
    for layer in range(1, len(f.leaves.dims) + 1):
        done = False
        for dims in f.cuboids(layer):
            number, codes = f.groups(dims)
            x, y = np.bincount(number[rows], minlength=codes.shape[1]), np.bincount(number, minlength=codes.shape[1])
            order = np.argsort(-x / y, kind="stable")[: min(12, np.count_nonzero(x))]
            rank = np.full(codes.shape[1], codes.shape[1])
            rank[order] = np.arange(order.size)
            scores = _potential_scores(f.real[subset], f.forecast[subset], rank[number[subset]], order.size)
            size = int(np.argmax(scores)) + 1
            value = float(scores[size - 1]) * weight - size * layer
            done |= scores[size - 1] > 0.9
            if value > best[0]:
                best = (value, [f.named(dims, codes[:, e]) for e in order[:size]])
        if done:
            break
    return best[1]


def _potential_scores(real: np.ndarray, forecast: np.ndarray, rank: np.ndarray, most: int) -> np.ndarray:
    """The generalised potential score of the first element, of the first two and so on."""
    error = np.abs(real - forecast)
    scores = np.full(most, -np.inf)
    for size in range(1, most + 1):
        inside = rank < size
        number, rest = np.count_nonzero(inside), np.count_nonzero(~inside)
        ripple = forecast[inside] * (real[inside].sum() / max(forecast[inside].sum(), _TINY))
        beside = error[~inside].sum() / max(rest, 1)
        explained = np.abs(real[inside] - ripple).sum() / max(number, 1)
        whole = error[inside].sum() / max(number, 1)
        scores[size - 1] = 1 - (explained + beside) / max(whole + beside, _TINY)
    return scores


def robustspot(one: Window) -> Slices:
    """Influence beyond 0.5, confidence 0.8, one answer; the contribution is the leaf's own excess."""
    f = figures(one)
    size = f.real.size
    if size < 3:
        return []
    change = f.real - f.forecast
    others = np.abs((change.sum() - change) / (size - 1))
    influence = 1 - 1 / (np.abs(change) / np.maximum(others, _TINY) + 1)
    contribution = change / max(f.forecast.sum(), _TINY) * np.sign(change.sum())
    strong = (influence > 0.5) & (contribution > 0)
    if not strong.any():
        return []
    weight = (influence * contribution)[strong]
    codes = f.codes[:, strong]
    frequent = [int(np.argmax(np.bincount(code, weight))) for code in codes]
    best: tuple[float, dict[str, Any]] = (0.0, {})
    for layer in (1, 2, 3):
        for dims in f.cuboids(layer):
            here = [codes[d] == frequent[d] for d in dims]
            both = np.all(here, axis=0)
            confidence = max(weight[both].sum() / max(weight[h].sum(), _TINY) for h in here)
            if layer > 1 and confidence <= 0.8:
                continue
            everywhere = np.all([f.codes[d] == frequent[d] for d in dims], axis=0)
            gain = weight[both].sum() / weight.sum() - everywhere.mean()
            if gain > best[0]:
                best = (float(gain), f.leaves.named({d: frequent[d] for d in dims}))
    return [best[1]] if best[1] else []


METHODS: Mapping[str, Callable[[Window], Slices]] = {
    "adtributor": adtributor, "robustspot": robustspot, "riskloc": riskloc, "autoroot": autoroot, "squeeze": squeeze,
}  # fmt: skip
