"""Many who ask the same in one moment cost one question; who asks later asks anew."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from qoescope.serve.store import single_flight
from qoescope.serve.store.single_flight import SingleFlight

PEOPLE = 8
WAITING = threading.Semaphore(0)


class Watched(Future[Any]):
    """Says when somebody waits for it."""

    def result(self, timeout: float | None = None) -> Any:
        WAITING.release()
        return super().result(timeout)


@pytest.mark.parametrize(("fails", "heard"), [(False, 1), (True, "no answer")])
def test_the_same_question_is_answered_once_for_all_who_wait(
    fails: bool, heard: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_flight, "Future", Watched)
    shared: SingleFlight[int] = SingleFlight()
    times: list[int] = []

    def work() -> int:
        times.append(1)
        assert all(WAITING.acquire(timeout=30) for _ in range(PEOPLE - 1))  # everybody else waits
        if fails:
            raise ValueError("no answer")
        return len(times)

    def asks(_: int) -> object:
        try:
            return shared.do("the same", work)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(PEOPLE) as people:
        assert list(people.map(asks, range(PEOPLE))) == [heard] * PEOPLE
    assert len(times) == 1
    assert shared.do("the same", lambda: 7) == 7


def test_an_answer_is_given_again_for_a_moment_and_a_failure_is_not() -> None:
    now, times = [100.0], iter(range(9))
    shared: SingleFlight[int] = SingleFlight(lifetime_s=2.0, clock=lambda: now[0])

    def asks(after_s: float) -> int:
        now[0] = 100.0 + after_s
        return shared.do("the same", lambda: next(times))

    assert [asks(after_s) for after_s in (0, 1.9, 2, 3.9, 4.1)] == [0, 0, 1, 1, 2]
    with pytest.raises(ZeroDivisionError):
        shared.do("another", lambda: 1 // 0)
    assert shared.do("another", lambda: 7) == 7


def test_other_questions_do_not_wait() -> None:
    shared: SingleFlight[int] = SingleFlight()
    assert shared.do("one", lambda: shared.do("another", lambda: 2)) == 2
