"""Loops: what fails is told and tried again until it is done, and a stop ends what waits."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from until import until

from qoescope.connect import loops
from qoescope.connect.health import HealthBoard
from qoescope.connect.loops import Worker, run_workers
from qoescope.connect.writing import Stopped
from qoescope.host.backoff import Backoff
from qoescope.settings import Settings


@dataclass
class Work:
    """One piece of work, which fails so many times."""

    fails: int
    there: Event = field(default_factory=Event)
    mended: Event = field(default_factory=Event)
    tries: int = 0

    def wait(self) -> bool:
        if not self.there.wait(0.05):
            return False
        self.there.clear()
        return True

    def do(self) -> None:
        self.tries += 1
        if self.tries <= self.fails:
            raise OSError(28, "No space left on device")
        self.mended.wait()


@pytest.fixture
def board(tmp_path: Path) -> HealthBoard:
    return HealthBoard(Settings(var=tmp_path), "stream", ["work"])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "Backoff", partial(Backoff, first_s=0.01))


def test_work_that_fails_is_told_and_tried_again_until_it_is_done(board: HealthBoard) -> None:
    work, stopping = Work(fails=3), Event()
    with run_workers([Worker("work", work.wait, work.do)], stopping, board):
        until(lambda: board["work"].health.succeeded_at, 10, "nothing to do is told as well")
        work.there.set()
        until(lambda: board["work"].health.failures == 3, 10, "the failures are told: silence in between is no success")
        work.mended.set()
        until(
            lambda: work.tries == 4 and board["work"].health.failures == 0, 10, "it is done, without being told again"
        )
    assert "No space left" in board["work"].health.cause


def test_a_stop_ends_a_worker_that_waits_for_something(board: HealthBoard) -> None:
    stopping, waits = Event(), Event()

    def work() -> None:
        waits.set()
        stopping.wait()
        raise Stopped

    with run_workers([Worker("work", lambda: True, work)], stopping, board):
        until(waits.is_set, 10, "it waits")
    assert board["work"].health.failures == 0
