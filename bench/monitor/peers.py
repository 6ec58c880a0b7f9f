"""Peers: two published ways to name the slice, re-implemented: Adtributor (2014), risk-ratio DIFF (2015).

Adtributor: one dimension at a time; values by surprise (Jensen-Shannon) until they explain it (T_EP 0.67, T_EEP 0.1).
DIFF, as in DIFF/MacroBase: combinations of up to three values with support ≥ 5 % of bad sessions and risk ratio ≥ 2.
"""

from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from planted import COLUMNS, DIMS

from qoescope.monitor.search.counts import leaves

Slices = list[dict[str, Any]]


def _counts(table: pa.Table) -> Any:
    return leaves(table, DIMS, [table.column(c).cast(pa.float64()).to_numpy() for c in COLUMNS])


def adtributor(table: pa.Table) -> Slices:
    """The dimension with the most surprise, and its values; fires when the bad share moved by a tenth."""
    c = _counts(table)
    n, k, base_n, base_k = c.sums
    rate, before = k.sum() / n.sum(), base_k.sum() / base_n.sum()
    if rate <= 1.1 * before:
        return []
    expected = before * n.sum()
    best: tuple[float, Slices] = (0.0, [])
    for d, name in enumerate(c.dims):
        size = len(c.values[d])
        a = np.bincount(c.codes[d], k, size)
        f = np.bincount(c.codes[d], base_k, size) * expected / max(base_k.sum(), 1)
        p, q = f / max(f.sum(), 1e-9), a / max(a.sum(), 1e-9)
        with np.errstate(divide="ignore", invalid="ignore"):
            s = 0.5 * (np.nan_to_num(p * np.log(2 * p / (p + q))) + np.nan_to_num(q * np.log(2 * q / (p + q))))
        explains = (a - f) / max(a.sum() - f.sum(), 1e-9)
        chosen, total, surprise = [], 0.0, 0.0
        for v in np.argsort(-s):
            if explains[v] > 0.1:
                chosen.append({name: c.values[d][v]})
                total, surprise = total + explains[v], surprise + s[v]
            if total > 0.67:
                break
        if total > 0.67 and surprise > best[0]:
            best = (surprise, chosen)
    return best[1]


def risk_ratio(table: pa.Table) -> Slices:
    """Minimal combinations whose risk of a bad session is twice that of all others."""
    c = _counts(table)
    n, k = c.sums[0], c.sums[1]
    found: Slices = []
    for depth in (1, 2, 3):
        for dims in combinations(range(len(c.dims)), depth):
            key = np.zeros(c.size, dtype=np.int64)
            for d in dims:
                key = key * len(c.values[d]) + c.codes[d]
            names, inverse = np.unique(key, return_inverse=True)
            bad, all_ = np.bincount(inverse, k), np.bincount(inverse, n)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = (bad / all_) / ((k.sum() - bad) / (n.sum() - all_))
            for i in np.flatnonzero((bad >= 0.05 * k.sum()) & (ratio >= 2)):
                left, slice_ = int(names[i]), {}
                for d in reversed(dims):
                    left, code = divmod(left, len(c.values[d]))
                    slice_[c.dims[d]] = c.values[d][code]
                if not any(all(slice_.get(x) == y for x, y in f.items()) for f in found):
                    found.append(slice_)
    return found
