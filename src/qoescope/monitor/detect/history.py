"""History: sums by leaf for each step of time (minute or hour), from which windows and baselines are cut."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qoescope.monitor.search.counts import Floats, Ints, Leaves, Value, coded, merged

Chosen = Mapping[str, Value | Sequence[Value]]
"""A slice in words; several values of a dimension are siblings."""


@dataclass(frozen=True, slots=True)
class Span:
    """Steps from `begin` to before `end`; with a slice, only inside it."""

    begin: int
    end: int
    slice: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    votes: float = 0.0
    """How much spoke for that name so far."""

    @property
    def steps(self) -> range:
        """Its steps."""
        return range(self.begin, self.end)

    @property
    def chosen(self) -> Chosen:
        """Its slice in words, as incidents say it."""
        return {name: values[0] if len(values) == 1 else values for name, values in self.slice}


def span_of(begin: int, end: int, chosen: Chosen, votes: float = 0.0) -> Span:
    """A span of a slice in words."""
    items = sorted(chosen.items())
    return Span(begin, end, tuple((name, tuple(listed(value))) for name, value in items), votes)


def listed(value: Value | Sequence[Value]) -> list[Value]:
    """The values of a dimension of a slice: one, or its siblings."""
    return list(value) if isinstance(value, (list, tuple)) else [value]  # type: ignore[list-item]


def name_of(chosen: Chosen) -> str:
    """The slice as one text, the same for the same slice."""
    values = {name: listed(value) for name, value in sorted(chosen.items())}
    return json.dumps({name: v[0] if len(v) == 1 else v for name, v in values.items()}, ensure_ascii=False)


def named(text: str) -> dict[str, Value | list[Value]]:
    """The slice that `name_of` wrote."""
    slice_: dict[str, Value | list[Value]] = json.loads(text)
    return slice_


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

    def inside(self, codes: Ints, chosen: Chosen) -> NDArray[np.bool_]:
        """Which of these leaves lie in the slice."""
        rows = np.ones(codes.shape[1], dtype=bool)
        for name, value in chosen.items():
            if name not in self.dims:
                return np.zeros(codes.shape[1], dtype=bool)
            at = self.dims.index(name)
            wanted = [self._codes[at].get(v, -1) for v in listed(value)]
            rows &= np.isin(codes[at], wanted)
        return rows

    def series(self, steps: Iterable[int], chosen: Chosen) -> Floats:
        """The columns' sums inside the slice, a column a step: columns x steps."""
        out = []
        for step in steps:
            if step in self._steps:
                codes, sums = self._steps[step]
                out.append(sums[:, self.inside(codes, chosen)].sum(axis=1))
            else:
                out.append(np.zeros(len(self.columns)))
        return np.array(out).reshape(-1, len(self.columns)).T

    def against(
        self,
        window: Iterable[int],
        baseline: Iterable[int],
        without: Sequence[Span] = (),
        told: Sequence[Span] = (),
    ) -> Leaves:
        """Leaves of both: the window's sums, then the baseline's.

        Of the baseline the steps of `without` are left out, each inside its slice: an incident is no history. Of the
        window what is `told` already.
        """
        now = [self._kept(s, told) for s in window if s in self._steps]
        then = [self._kept(s, without) for s in baseline if s in self._steps]
        if not now and not then:
            none = np.zeros((2 * len(self.columns), 0))
            return Leaves(self.dims, self._values(), np.zeros((len(self.dims), 0), dtype=np.int64), none)
        codes = np.concatenate([c for c, _ in (*now, *then)], axis=1)
        width = sum(c.shape[1] for c, _ in now)
        sums = np.zeros((2 * len(self.columns), codes.shape[1]))
        if now:
            sums[: len(self.columns), :width] = np.concatenate([s for _, s in now], axis=1)
        if then:
            sums[len(self.columns) :, width:] = np.concatenate([s for _, s in then], axis=1)
        number, first = merged(codes, [len(book) for book in self._codes])
        grouped = np.array([np.bincount(number, row, first.size) for row in sums])
        return Leaves(self.dims, self._values(), codes[:, first], grouped)

    def _values(self) -> tuple[tuple[Value, ...], ...]:
        return tuple(tuple(book) for book in self._codes)

    def _kept(self, step: int, without: Sequence[Span]) -> tuple[Ints, Floats]:
        codes, sums = self._steps[step]
        keep = np.ones(codes.shape[1], dtype=bool)
        for span in without:
            if span.begin <= step < span.end:
                keep &= ~self.inside(codes, span.chosen)
        return (codes, sums) if keep.all() else (codes[:, keep], sums[:, keep])
