"""Odd values: what players, databases, languages and mistakes write where something else was meant."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

NUMBERS = (
    -1,
    0,
    1,
    7,
    1.5,
    -0.0,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**53 - 1,
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**31),
    -(2**53),
    -(2**63),
    10**30,
    1e308,
    -1e308,
    5e-324,
    1_000_000,
    86_400_000,
    2_592_000_000,
    253_402_300_800_000,
)
TEXTS = (
    "",
    "0",
    "-1",
    "NaN",
    "null",
    "undefined",
    "a" * 5_000,
    "\u2028",
    "line\nbreak",
    "\0",
    "\ud83d",
    "\U0001f600",
    "<script>",
    "'; drop table sessions; --",
    "=cmd()",
    "../../etc/passwd",
    "é" * 300,
    "\x7f\x85",
    "2025-11-01T00:00:00Z",
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from(NUMBERS)
    | st.sampled_from(TEXTS)
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in the value something could be replaced."""
    yield here
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*here, name))


def replaced(value: Any, place: tuple[Any, ...], by: object) -> Any:
    """A copy with something else in that place."""
    if not place:
        return by
    made = copy.deepcopy(value)
    inner = made
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = by
    return made


@st.composite
def spoiled(draw: st.DrawFn, good: Any) -> Any:
    """The value with something odd in up to three places."""
    made = good
    for _ in range(draw(st.integers(0, 3))):
        made = replaced(made, draw(st.sampled_from(list(places(made)))), draw(JSON))
    return made
