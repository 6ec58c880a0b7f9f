"""Explain: counts by leaf → the slices that got worse, and why the others lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np
import pyarrow as pa

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.monitor.search.alternatives import Rival, joined, rivals
from qoescope.monitor.search.backfit import refitted
from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.counts import Floats, Leaves, Value, leaves
from qoescope.monitor.search.evidence import Measure, Share, Volume
from qoescope.monitor.search.overdispersion import left_over_drift
from qoescope.monitor.search.scan import Limits, figures, peel
from qoescope.monitor.search.slices import Slice

EVERYWHERE = "everywhere, or outside the recorded dimensions"


_HARDLY_ANY = 0.1
"""Sessions: where fewer bad ones were due in the window, the model's guess makes the lift, not what was seen before."""


def factor(excess: float, lift: float) -> float | None:
    """The lift as it may be told. None where hardly any bad session was due, or is left: over nothing is no factor."""
    due = abs(excess) / max(lift - 1, 1e-12)
    return lift if due >= _HARDLY_ANY else None


@dataclass(frozen=True, slots=True)
class Found:
    """One slice that got worse. An empty slice is everything: the cause lies outside the recorded dimensions."""

    slice: Mapping[str, Value]
    score: float
    """Log-likelihood ratio over the over-dispersion."""
    excess: float
    lift: float
    support: float
    actual: float
    expected: float
    share: float
    """Of the whole excess, the part that this slice explains."""
    rivals: tuple[Rival, ...] = ()

    def as_json(self) -> dict[str, object]:
        """What `qoescope explain --json` prints of it; `lift` is null where nothing was to be expected."""
        lift = factor(self.excess, self.lift)
        return {
            "slice": dict(self.slice),
            "score": round(self.score, 3),
            "excess": round(self.excess, 3),
            "lift": None if lift is None else round(lift, 3),
            "sessions": round(self.support, 3),
            "actual": round(self.actual, 6),
            "expected": round(self.expected, 6),
            "share": round(self.share, 4),
        }


def _numbers(table: pa.Table, name: str, what: str) -> Floats:
    if name not in table.column_names:
        raise UnknownName(f"column for {what}", name, table.column_names)
    column = table.column(name)
    if pa.types.is_null(column.type):
        return np.zeros(table.num_rows)
    try:
        numbers = column.cast(pa.float64(), safe=False)  # counts beyond 2^53 lose their last digits
        values = np.asarray(numbers.fill_null(0.0) if numbers.null_count else numbers)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Mistake(f"column '{name}' must hold numbers for {what}: {error}") from error
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise Mistake(f"column '{name}', row {row + 1}: {values[row]} is no count")
    return values


def _checked(table: pa.Table, dims: Sequence[str], counts: Sequence[str]) -> None:
    if not dims:
        raise Mistake("name at least one dimension to explain by, such as --dims isp,cdn")
    for name in dims:
        if name not in table.column_names:
            raise UnknownName("dimension", name, table.column_names)
    for name in (*dims, *counts):
        if table.column_names.count(name) > 1:
            raise Mistake(f"column '{name}' is there twice: rename one of them")
    for name in dims:
        if pa.types.is_nested(table.schema.field(name).type):
            raise Mistake(f"dimension '{name}' holds {table.schema.field(name).type}: a dimension holds single values")
    if len(set(dims)) < len(dims):
        raise Mistake(f"a dimension is named twice in {', '.join(dims)}")


def _no_more(small: Floats, large: Floats, small_name: str, large_name: str) -> None:
    for values, name in ((small, small_name), (large, large_name)):
        if (values < 0).any():
            row = int(np.flatnonzero(values < 0)[0])
            raise Mistake(f"column '{name}', row {row + 1}: {values[row]:g} is below zero")
    beyond = small > large
    if beyond.any():
        row = int(np.flatnonzero(beyond)[0])
        raise Mistake(
            f"row {row + 1}: '{small_name}' ({small[row]:g}) is greater than '{large_name}' ({large[row]:g}); "
            "bad sessions are part of all sessions"
        )


def found(counts: Leaves, measure: Measure, limits: Limits | None = None, *, measured: bool = False) -> list[Found]:
    """Slices of `counts` that got worse, largest excess first.

    `measured` says that `limits` carry the drift of clean history; else it is read off the slices that are left over.
    """
    given = limits or Limits()
    if not counts.size or not counts.dims:
        return []
    prepared = measure.prepared(counts)
    steps = refitted(prepared, measure, given, peel(prepared, measure, given))
    if not steps:
        return []
    kept = joined(prepared, measure, given, [step.best for step in steps])
    if not measured:
        kept = _beyond_left_over(prepared, measure, given, kept, log(steps[0].slices / given.alpha))
    pool = [other for step in steps for other in step.others]
    return _named(prepared, measure, given, kept, pool)


def _beyond_left_over(
    prepared: Leaves, measure: Measure, limits: Limits, kept: Sequence[Slice], bar: float
) -> list[Slice]:
    """Those of `kept` that stand out even if all slices drift as the left-over ones do."""
    rest = ~np.any([matching(prepared, one.codes) for one in kept], axis=0)
    if not rest.any():
        return list(kept)
    drift = left_over_drift(prepared.only(rest), measure, limits)
    damped = [replace(one, score=one.score / (1 + drift[one.depth] * one.information)) for one in kept]
    return [one for one in damped if one.score >= bar]


def _named(
    prepared: Leaves, measure: Measure, limits: Limits, kept: Sequence[Slice], pool: Sequence[Slice]
) -> list[Found]:
    root = abs(figures(prepared.sums.sum(axis=1), measure, {}, limits).excess)
    total = max(root, sum(abs(one.excess) for one in kept), 1e-12)
    return [
        Found(
            slice=prepared.named(one.codes),
            score=one.score,
            excess=one.excess,
            lift=one.lift,
            support=one.support,
            actual=one.actual,
            expected=one.expected,
            share=abs(one.excess) / total,
            rivals=rivals(prepared, measure, limits, one, pool),
        )
        for one in sorted(kept, key=lambda one: -abs(one.excess))
    ]


def explain(table: pa.Table, dims: Sequence[str], n: str, k: str, base_n: str, base_k: str) -> list[Found]:
    """Slices in which `k` of `n` sessions are bad far more often than `base_k` of `base_n` were; none when nothing is.

    Null is a value of a dimension like any other; a null count is 0. Raises `Mistake` for a missing column or k > n.
    """
    _checked(table, dims, (n, k, base_n, base_k))
    columns = [
        _numbers(table, n, "sessions"),
        _numbers(table, k, "bad sessions"),
        _numbers(table, base_n, "sessions of the baseline"),
        _numbers(table, base_k, "bad sessions of the baseline"),
    ]
    _no_more(columns[1], columns[0], k, n)
    _no_more(columns[3], columns[2], base_k, base_n)
    if columns[2].sum() <= 0:
        return []
    return found(leaves(table, dims, columns), Share())


def explain_volume(table: pa.Table, dims: Sequence[str], real: str, forecast: str) -> list[Found]:
    """Slices in which an additive figure left its forecast, up or down (`excess` is then negative)."""
    _checked(table, dims, (real, forecast))
    columns = [_numbers(table, real, "the real figure"), _numbers(table, forecast, "the forecast")]
    counts = leaves(table, dims, columns)
    measure = Volume(usual_dispersion(counts.sums[0], counts.sums[1]))
    return found(counts, measure, Limits(excess=8 * measure.dispersion))


def usual_dispersion(real: Floats, forecast: Floats) -> float:
    """Variance of a unit of forecast among most leaves: (1.4826 · median |v - f| / √f)²."""
    known = forecast > 0
    if not known.any():
        return 1.0
    strays = np.abs(real[known] - forecast[known]) / np.sqrt(forecast[known])
    usual = float((1.4826 * np.median(strays)) ** 2)
    return usual if usual > 0 else 1.0
