"""Together: what several ask for in the same moment is found out once, and all of them get the answer."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Work under way, by what is asked for. Nothing is remembered: who asks when it is done asks anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[T]] = {}

    def do(self, asked: Hashable, work: Callable[[], T]) -> T:
        """What `work` answers, or raises, or the same work that somebody else began and has not ended."""
        with self._lock:
            there = self._under_way.get(asked)
            mine: Future[T] = there or self._under_way.setdefault(asked, Future())
        if there is not None:
            return there.result()
        try:
            found = work()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(found)
            return found
        finally:
            with self._lock:
                del self._under_way[asked]
