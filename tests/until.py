"""Until: the only clock of the tests: wait for a condition, or fail with what was waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T | None], timeout_s: float, what: str = "", every_s: float = 0.1) -> T:
    """What the condition says once it is true; an AssertionError when it is not within the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what or condition}; it said {found!r}")
        time.sleep(every_s)
