"""Single flight: identical concurrent requests run once, and all of them get the result."""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Work in progress or just done, by key; a result is given again for `lifetime_s` after it was ready."""

    def __init__(self, lifetime_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime_s, self._clock = lifetime_s, clock
        self._lock = threading.Lock()
        self._results: dict[Hashable, Future[T]] = {}
        self._expiries: deque[tuple[float, Hashable]] = deque()
        """When each result expires, the earliest first."""

    def do(self, key: Hashable, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raises, or that of the same work that another thread began."""
        with self._lock:
            while self._expiries and self._expiries[0][0] <= self._clock():
                del self._results[self._expiries.popleft()[1]]
            other = self._results.get(key)
            own: Future[T] = other or self._results.setdefault(key, Future())
        if other is not None:
            return other.result()
        try:
            result = work()
        except BaseException as error:
            with self._lock:
                del self._results[key]
            own.set_exception(error)
            raise
        own.set_result(result)
        with self._lock:
            self._expiries.append((self._clock() + self._lifetime_s, key))
        return result
