"""History: sums by leaf for each step of time (minute or hour), from which windows and baselines are cut."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qoescope.monitor.detect.named_slices import NamedSlice, values_of
from qoescope.monitor.search.counts import Floats, Ints, Leaves, Value, coded, merged


@dataclass(frozen=True, slots=True)
class SliceSpan:
    """Steps from `begin` to before `end`, inside a slice: those of an incident, which are no history."""

    begin: int
    end: int
    slice: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    votes: float = 0.0
    """The evidence for the slice's name so far."""

    @property
    def steps(self) -> range:
        """Its steps."""
        return range(self.begin, self.end)

    @property
    def named(self) -> NamedSlice:
        """Its slice by name, as incidents have it."""
        return {name: values[0] if len(values) == 1 else values for name, values in self.slice}


def slice_span(begin: int, end: int, slice_: NamedSlice, votes: float = 0.0) -> SliceSpan:
    """The span of a named slice."""
    items = sorted(slice_.items())
    return SliceSpan(begin, end, tuple((name, tuple(values_of(value))) for name, value in items), votes)


@dataclass(slots=True)
class History:
    """Leaves by step; a step that is put again is replaced, so that late counts correct it."""

    dims: tuple[str, ...]
    columns: tuple[str, ...]
    _codes: list[dict[Value, int]] = field(default_factory=list)
    _steps: dict[int, tuple[Ints, Floats]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._codes = [{} for _ in self.dims]

    @property
    def steps(self) -> list[int]:
        """Steps that are there, in order."""
        return sorted(self._steps)

    def put(self, step: int, rows: pa.Table) -> None:
        """The leaves of a step: dimensions and columns by name; absent columns are 0."""
        codes = np.zeros((len(self.dims), rows.num_rows), dtype=np.int64)
        for at, name in enumerate(self.dims):
            local, values = coded(rows.column(name))
            book = self._codes[at]
            codes[at] = np.array([book.setdefault(v, len(book)) for v in values], dtype=np.int64)[local]
        sums = np.zeros((len(self.columns), rows.num_rows))
        for at, name in enumerate(self.columns):
            if name in rows.column_names:
                sums[at] = np.nan_to_num(np.asarray(rows.column(name).cast(pa.float64())))
        self._steps[step] = (codes, sums)

    def forget(self, before: int) -> None:
        """Drops what is older."""
        for step in [s for s in self._steps if s < before]:
            del self._steps[step]

    def inside(self, codes: Ints, slice_: NamedSlice) -> NDArray[np.bool_]:
        """Which of these leaves lie in the slice."""
        rows = np.ones(codes.shape[1], dtype=bool)
        for name, value in slice_.items():
            if name not in self.dims:
                return np.zeros(codes.shape[1], dtype=bool)
            at = self.dims.index(name)
            wanted = [self._codes[at].get(v, -1) for v in values_of(value)]
            rows &= np.isin(codes[at], wanted)
        return rows

    def series(self, steps: Iterable[int], slice_: NamedSlice) -> Floats:
        """The columns' sums inside the slice, a column a step: columns x steps."""
        out = []
        for step in steps:
            if step in self._steps:
                codes, sums = self._steps[step]
                out.append(sums[:, self.inside(codes, slice_)].sum(axis=1))
            else:
                out.append(np.zeros(len(self.columns)))
        return np.array(out).reshape(-1, len(self.columns)).T

    def against(
        self,
        window: Iterable[int],
        baseline: Iterable[int],
        without: Sequence[SliceSpan] = (),
        known: Sequence[SliceSpan] = (),
    ) -> Leaves:
        """Leaves of both: the window's columns, then the baseline's.

        Of the baseline the spans `without` are left out: an incident is no history. Of the window those that are
        `known` already.
        """
        window_leaves = [self._rest(s, known) for s in window if s in self._steps]
        baseline_leaves = [self._rest(s, without) for s in baseline if s in self._steps]
        if not window_leaves and not baseline_leaves:
            none = np.zeros((2 * len(self.columns), 0))
            return Leaves(self.dims, self._values(), np.zeros((len(self.dims), 0), dtype=np.int64), none)
        codes = np.concatenate([c for c, _ in (*window_leaves, *baseline_leaves)], axis=1)
        width = sum(c.shape[1] for c, _ in window_leaves)
        sums = np.zeros((2 * len(self.columns), codes.shape[1]))
        if window_leaves:
            sums[: len(self.columns), :width] = np.concatenate([s for _, s in window_leaves], axis=1)
        if baseline_leaves:
            sums[len(self.columns) :, width:] = np.concatenate([s for _, s in baseline_leaves], axis=1)
        number, first = merged(codes, [len(book) for book in self._codes])
        grouped = np.array([np.bincount(number, row, first.size) for row in sums])
        return Leaves(self.dims, self._values(), codes[:, first], grouped)

    def _values(self) -> tuple[tuple[Value, ...], ...]:
        return tuple(tuple(book) for book in self._codes)

    def _rest(self, step: int, without: Sequence[SliceSpan]) -> tuple[Ints, Floats]:
        codes, sums = self._steps[step]
        keep = np.ones(codes.shape[1], dtype=bool)
        for span in without:
            if span.begin <= step < span.end:
                keep &= ~self.inside(codes, span.named)
        return (codes, sums) if keep.all() else (codes[:, keep], sums[:, keep])
