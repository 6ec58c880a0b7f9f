"""Together: what several ask for in the same moment is found out once, and all of them get the answer."""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Work under way or just done, by what is asked for; who asks later than `kept_s` after it was done asks anew."""

    def __init__(self, kept_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept_s, self._clock = kept_s, clock
        self._lock = threading.Lock()
        self._known: dict[Hashable, Future[T]] = {}
        self._done: deque[tuple[float, Hashable]] = deque()
        """When what was done is forgotten, the first to be forgotten first."""

    def do(self, asked: Hashable, work: Callable[[], T]) -> T:
        """What `work` answers, or raises, or the same work that somebody else began."""
        with self._lock:
            while self._done and self._done[0][0] <= self._clock():
                del self._known[self._done.popleft()[1]]
            there = self._known.get(asked)
            mine: Future[T] = there or self._known.setdefault(asked, Future())
        if there is not None:
            return there.result()
        try:
            found = work()
        except BaseException as error:
            with self._lock:
                del self._known[asked]
            mine.set_exception(error)
            raise
        mine.set_result(found)
        with self._lock:
            self._done.append((self._clock() + self._kept_s, asked))
        return found
