"""Cells: every slice of a grouping with its sums, counted once a grouping, thin ones dropped early."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from qoescope.monitor.search.counts import Floats, Ints, Leaves

Grouping = tuple[int, ...]
"""Numbers of dimensions, ascending."""

_DENSE_CELLS = 250_000
"""Up to here a table over all combinations is cheaper than sorting those that occur."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Supported slices of one grouping: one row of codes a dimension, one column a slice."""

    dims: Grouping
    codes: Ints
    sums: Floats


def root_cell(leaves: Leaves) -> Cells:
    """The root: everything, in one slice without dimensions."""
    return Cells((), np.zeros((0, 1), dtype=np.int64), leaves.sums.sum(axis=1, keepdims=True))


def matching(leaves: Leaves, where: Mapping[int, int]) -> NDArray[np.bool_]:
    """Which leaves lie in the slice that gives dimensions these codes."""
    rows = np.ones(leaves.size, dtype=bool)
    for dim, code in where.items():
        rows &= leaves.codes[dim] == code
    return rows


def untold(leaves: Leaves, where: Mapping[int, int]) -> NDArray[np.bool_]:
    """Which leaves may lie in the slice, for they have null in some of its dimensions and its values in the others."""
    nulls = {dim: leaves.values[dim].index(None) if None in leaves.values[dim] else -1 for dim in where}
    may, tells = np.ones(leaves.size, dtype=bool), np.ones(leaves.size, dtype=bool)
    if any(null >= 0 for null in nulls.values()):
        for dim, code in where.items():
            here = leaves.codes[dim] == code
            tells &= here
            may &= here | (leaves.codes[dim] == nulls[dim])
    return may & ~tells


def dependent_pairs(leaves: Leaves, dims: Sequence[int]) -> set[frozenset[int]]:
    """Pairs of which one fixes the other (ISP → country): naming both says no more than naming one."""
    codes, cards = leaves.codes, leaves.cards
    present = {dim: len(np.unique(codes[dim])) for dim in dims}
    pairs = set()
    for a, b in combinations(dims, 2):
        key = codes[a] * cards[b] + codes[b]
        width = cards[a] * cards[b]
        both = int(np.count_nonzero(np.bincount(key))) if width <= _DENSE_CELLS else len(np.unique(key))
        if both in (present[a], present[b]):
            pairs.add(frozenset((a, b)))
    return pairs


def groupings(leaves: Leaves, depth: int) -> list[Grouping]:
    """Sets of dimensions worth looking at: none constant, none that another one of the set fixes."""
    useful = [dim for dim, code in enumerate(leaves.codes) if code.size and int(code.min()) != int(code.max())]
    pairs = dependent_pairs(leaves, useful)
    return [
        dims
        for size in range(1, min(depth, len(useful)) + 1)
        for dims in combinations(useful, size)
        if not any(frozenset(pair) in pairs for pair in combinations(dims, 2))
    ]


def _numbered(key: Ints, width: int, support: Floats, least: float) -> tuple[Ints, Ints]:
    """Keys of the cells that reach `least` support, and for each row its cell's number or -1."""
    if width <= max(_DENSE_CELLS, 4 * key.size):
        reached = np.bincount(key, support, width)
        kept = np.flatnonzero(reached >= least)
        number = np.full(width, -1, dtype=np.int64)
        number[kept] = np.arange(kept.size)
        return kept, number[key]
    distinct, inverse = np.unique(key, return_inverse=True)
    kept = np.flatnonzero(np.bincount(inverse, support, distinct.size) >= least)
    number = np.full(distinct.size, -1, dtype=np.int64)
    number[kept] = np.arange(kept.size)
    return distinct[kept], number[inverse]


def _tree(wanted: Sequence[Grouping]) -> dict[Grouping, list[int]]:
    """For each grouping the dimensions by which it is extended, so that a pair is numbered once for all its triples."""
    grown: dict[Grouping, list[int]] = {}
    for dims in wanted:
        for size, dim in enumerate(dims):
            branch = grown.setdefault(dims[:size], [])
            if dim not in branch:
                branch.append(dim)
    return grown


@dataclass(frozen=True, slots=True)
class _Partial:
    """A grouping on the way: which leaves are still in (None: all), the number of each one's cell, the cells' codes."""

    dims: Grouping
    rows: Ints | None
    number: Ints
    codes: Ints


@dataclass(frozen=True, slots=True)
class CellCounter:
    """Counts the slices of `wanted` groupings that have `least` support."""

    leaves: Leaves
    support: Floats
    wanted: Sequence[Grouping]
    least: float

    def cells(self) -> Iterator[Cells]:
        """One `Cells` a grouping that has any; a slice without support is not looked into further."""
        if self.leaves.size:
            stem = _Partial((), None, np.zeros(0, dtype=np.int64), np.zeros((0, 1), dtype=np.int64))
            yield from self._grown(stem, _tree(self.wanted), frozenset(self.wanted))

    def _grown(
        self, stem: _Partial, tree: Mapping[Grouping, Sequence[int]], wanted: frozenset[Grouping]
    ) -> Iterator[Cells]:
        for dim in tree.get(stem.dims, ()):
            branch = self._extended(stem, dim)
            count = branch.codes.shape[1]
            if not count:
                continue
            if branch.dims in wanted:
                sums = self.leaves.sums if branch.rows is None else self.leaves.sums[:, branch.rows]
                yield Cells(
                    branch.dims, branch.codes, np.array([np.bincount(branch.number, row, count) for row in sums])
                )
            yield from self._grown(branch, tree, wanted)

    def _extended(self, stem: _Partial, dim: int) -> _Partial:
        card = len(self.leaves.values[dim])
        code, support = self.leaves.codes[dim], self.support
        if stem.rows is not None:
            code, support = code[stem.rows], support[stem.rows]
        key = stem.number * card + code if stem.dims else code
        kept, number = _numbered(key, card * stem.codes.shape[1], support, self.least)
        codes = np.vstack([stem.codes[:, kept // card], kept % card]) if stem.dims else kept[None, :]
        rows = stem.rows
        if int(number.min(initial=0)) < 0:
            inside = np.flatnonzero(number >= 0)
            number = number[inside]
            rows = inside if rows is None else rows[inside]
        return _Partial((*stem.dims, dim), rows, number, codes)


def summed(leaves: Leaves, dims: Grouping, codes: Ints) -> Floats:
    """The columns of these slices of a grouping, over all leaves; `codes` has one row a dimension."""
    wide = 1
    for dim in dims:
        wide *= leaves.cards[dim]
    key, names = np.zeros(leaves.size, dtype=np.int64), np.zeros(codes.shape[1], dtype=np.int64)
    for dim, code in zip(dims, codes, strict=True):
        key = key * leaves.cards[dim] + leaves.codes[dim]
        names = names * leaves.cards[dim] + code
    if wide <= max(_DENSE_CELLS, 4 * leaves.size):
        numbers = np.full(wide, -1, dtype=np.int64)
        numbers[names] = np.arange(names.size)
        number = numbers[key]
    else:
        order = np.argsort(names)
        at = np.minimum(np.searchsorted(names[order], key), names.size - 1)
        number = np.where(names[order][at] == key, order[at], -1)
    rows = np.flatnonzero(number >= 0)
    return np.array([np.bincount(number[rows], row[rows], names.size) for row in leaves.sums])
