"""Explain: a table of counts in, the slices that got worse out, and why others lost; what is wrong with it is told."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.monitor.search.additive import fitted_noise
from qoescope.monitor.search.counts import Floats, leaves
from qoescope.monitor.search.find import find_root_causes
from qoescope.monitor.search.root_cause import RootCause
from qoescope.monitor.search.scan import DEPTH, SearchLimits
from qoescope.monitor.search.share import ShareModel

_ALPHA = 0.003
"""The chance of a false finding in a table; one table brings no clean history that its drift could be read off."""

_FLOOR = 0.03
"""A further finding has 3 % of the largest one's excess: in the bench's windows that costs no cause, 5 % costs some."""


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


def explain(
    table: pa.Table, dims: Sequence[str], n: str, k: str, base_n: str, base_k: str, depth: int = DEPTH
) -> list[RootCause]:
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
    return find_root_causes(
        leaves(table, dims, columns), ShareModel(), SearchLimits(alpha=_ALPHA, floor=_FLOOR, depth=depth)
    )


def explain_volume(
    table: pa.Table, dims: Sequence[str], real: str, forecast: str, depth: int = DEPTH
) -> list[RootCause]:
    """Slices in which an additive figure left its forecast, up or down (`excess` is then negative)."""
    _checked(table, dims, (real, forecast))
    columns = [_numbers(table, real, "the real figure"), _numbers(table, forecast, "the forecast")]
    counts = leaves(table, dims, columns)
    model = fitted_noise(*counts.sums)
    limits = SearchLimits(support=10.0, excess=8 * model.chance, lift=1.1, root_lift=1.1, findings=12, depth=depth)
    return find_root_causes(counts, model, limits)
