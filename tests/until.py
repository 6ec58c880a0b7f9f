"""Until: the only clock of the tests: wait for a condition, or fail with what was waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LONGEST_PAUSE_S = 3.0


def until(condition: Callable[[], T | None], timeout_s: float, what: str = "", every_s: float = 0.1) -> T:
    """What the condition says once it is true; an AssertionError when it is not within the time.

    It pauses for twice as long as the condition took: a question that costs a second of a core, asked without a pause,
    keeps a busy machine from what it waits for.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        began = time.monotonic()
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what or condition}; it said {found!r}")
        time.sleep(max(every_s, min(LONGEST_PAUSE_S, 2 * (time.monotonic() - began))))
