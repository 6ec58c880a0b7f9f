"""Named slices: dimensions with their values, as incidents have them; a key for each, and what contains what."""

import json
from collections.abc import Mapping, Sequence

from qoescope.monitor.search.counts import Value

NamedSlice = Mapping[str, Value | Sequence[Value]]
"""Dimension → its value, or several values that got worse alike; empty: everything."""


def values_of(value: Value | Sequence[Value]) -> list[Value]:
    """The values of one dimension of a named slice."""
    return list(value) if isinstance(value, (list, tuple)) else [value]  # type: ignore[list-item]


def slice_key(slice_: NamedSlice) -> str:
    """The slice as JSON, the same for the same slice."""
    values = {name: values_of(value) for name, value in sorted(slice_.items())}
    return json.dumps({name: v[0] if len(v) == 1 else v for name, v in values.items()}, ensure_ascii=False)


def parse_slice(key: str) -> dict[str, Value | list[Value]]:
    """The slice that `slice_key` wrote."""
    slice_: dict[str, Value | list[Value]] = json.loads(key)
    return slice_


def is_within(inner: NamedSlice, outer: NamedSlice) -> bool:
    """Whether each session of `inner` is one of `outer`, as far as the names tell."""
    return all(
        name in inner and set(map(str, values_of(inner[name]))) <= set(map(str, values_of(value)))
        for name, value in outer.items()
    )


def are_related(one: NamedSlice, other: NamedSlice) -> bool:
    """Whether one is part of the other, or their sets of values overlap. Everything is related to itself only."""
    if not one or not other:
        return not one and not other
    return is_within(one, other) or is_within(other, one) or _overlap(one, other)


def _overlap(one: NamedSlice, other: NamedSlice) -> bool:
    """Whether they name the same dimensions, and in each some value is in both."""
    if sorted(one) != sorted(other):
        return False
    return all(set(map(str, values_of(one[n]))) & set(map(str, values_of(other[n]))) for n in one)
