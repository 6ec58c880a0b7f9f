"""Counts: a table of counts as small integers a dimension, one column a leaf."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Value = str | int | float | bool | None
"""A value of a dimension; None is a value like any other."""

_RADIX_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class Leaves:
    """Sums by leaf (a value for each dimension): `codes` is dimensions x leaves, `sums` is columns x leaves."""

    dims: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]
    codes: Ints
    sums: Floats

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return int(self.codes.shape[1])

    @property
    def cards(self) -> list[int]:
        """How many values each dimension has."""
        return [len(names) for names in self.values]

    def named(self, codes: Mapping[int, int]) -> dict[str, Value]:
        """The slice in words."""
        return {self.dims[dim]: self.values[dim][code] for dim, code in codes.items()}

    def with_columns(self, *columns: Floats) -> "Leaves":
        """The leaves with more columns."""
        return replace(self, sums=np.vstack([self.sums, *columns]))

    def only(self, rows: NDArray[np.bool_]) -> "Leaves":
        """The leaves that `rows` picks."""
        return replace(self, codes=self.codes[:, rows], sums=self.sums[:, rows])


def coded(column: "pa.ChunkedArray[Any]") -> tuple[Ints, tuple[Value, ...]]:
    """Each row's value as an integer, and the values; null is a value of its own."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    whole: Any = column.combine_chunks()
    encoded = whole.dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), tuple(encoded.dictionary.to_pylist())


def merged(codes: Ints, cards: Sequence[int]) -> tuple[Ints, Ints]:
    """For each column of `codes` the number of its distinct combination, and one column that holds each."""
    length = codes.shape[1]
    key = np.zeros(length, dtype=np.int64)
    width = 1
    for code, card in zip(codes, cards, strict=True):
        if width * max(card, 1) >= _RADIX_LIMIT:
            _, key = np.unique(key, return_inverse=True)
            width = int(key.max(initial=0)) + 1
        key = key * max(card, 1) + code
        width *= max(card, 1)
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    return number.astype(np.int64), first.astype(np.int64)


def leaves(table: pa.Table, dims: Sequence[str], columns: Sequence[Floats]) -> Leaves:
    """`columns` summed by the distinct combinations of `dims`; order and repetition of rows change nothing."""
    length = table.num_rows
    encoded = [coded(table.column(name)) for name in dims]
    sums = np.array(columns, dtype=np.float64).reshape(len(columns), length)
    if not dims:
        total = sums.sum(axis=1, keepdims=True)
        return Leaves((), (), np.zeros((0, min(length, 1)), dtype=np.int64), total[:, : min(length, 1)])
    codes = np.array([code for code, _ in encoded], dtype=np.int64).reshape(len(dims), length)
    values = tuple(names for _, names in encoded)
    number, first = merged(codes, [len(names) for names in values])
    if len(first) == length:
        return Leaves(tuple(dims), values, codes, sums)
    grouped = np.array([np.bincount(number, row, len(first)) for row in sums])
    return Leaves(tuple(dims), values, codes[:, first], grouped)
