import json
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from until import until

from qoescope.connect import health
from qoescope.connect.health import Board, LoopHealth, PartHealth
from qoescope.connect.readiness import FAILURES, SILENT_S, STEADY_S, Limits, find_problems, is_ready
from qoescope.settings import Settings

NOW = 1_000_000.0
PART = PartHealth("stream", "host", 7, NOW - 100, NOW, "running", loops=(LoopHealth("events", NOW - 1),))


def with_loop(**values: object) -> PartHealth:
    """The part, its loop otherwise."""
    return replace(PART, loops=(replace(PART.loops[0], **values),))  # type: ignore[arg-type]


def sentences(part: PartHealth) -> list[str]:
    """What is wrong with it, as people read it."""
    return [str(problem) for problem in find_problems(part, NOW, Limits(stuck_s=60, least_free_bytes=1000))]


def test_a_running_part_whose_loops_succeed_is_ready() -> None:
    assert is_ready(PART, NOW)
    assert not is_ready(replace(PART, state="starting"), NOW)
    assert not is_ready(replace(PART, state="stopped"), NOW)


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (
            with_loop(failures=FAILURES, cause="the disk is full", anchor="disk-full"),
            "stream: events failed 3 times in a row: the disk is full (disk-full)",
        ),
        (
            with_loop(waiting_since=NOW - 61),
            "stream: events has had work for 61 s and no good batch (a-stream-is-stuck)",
        ),
        (
            with_loop(waiting_since=NOW - 61, failures=1, cause="no Kafka", anchor="kafka-does-not-answer"),
            "stream: events has had work for 61 s and no good batch: no Kafka (kafka-does-not-answer)",
        ),
        (
            replace(PART, written_at=NOW - SILENT_S - 1),
            "stream is frozen or gone: no word for 16 s (a-part-is-frozen-or-gone)",
        ),
        (
            replace(PART, ends=(NOW - 90, NOW - 60, NOW - 9), since=NOW - STEADY_S + 1),
            "stream ended 3 times within 5 minutes (a-part-ends-again-and-again)",
        ),
        (replace(PART, free_bytes={"/lake": 999}), "stream has 0 MB of disk left under /lake (disk-full)"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_and_makes_it_not_ready(part: PartHealth, problem: str) -> None:
    assert sentences(part) == [problem]
    assert not is_ready(part, NOW, Limits(60, 1000))


@pytest.mark.parametrize(
    "part",
    [
        with_loop(failures=FAILURES - 1, cause="the disk is full"),
        with_loop(waiting_since=NOW - 59),
        replace(PART, ends=(NOW - 90, NOW - 60, NOW - 9), since=NOW - STEADY_S),
        replace(PART, ends=(NOW - 900, NOW - 60, NOW - 9), since=NOW - 1),
        replace(PART, state="stopped", written_at=NOW - 9999),
    ],
)
def test_what_may_pass_by_itself_is_no_problem(part: PartHealth) -> None:
    assert sentences(part) == []


@given(
    part=st.builds(
        PartHealth,
        part=st.text(min_size=1),
        host=st.text(),
        pid=st.integers(1),
        since=st.floats(0, 1e10),
        written_at=st.floats(0, 1e10),
        state=st.sampled_from(["starting", "running", "stopping", "stopped"]),
        ends=st.lists(st.floats(0, 1e10)).map(tuple),
        free_bytes=st.dictionaries(st.text(), st.integers(0)),
        loops=st.lists(st.builds(LoopHealth)).map(tuple),
    )
)
def test_a_part_is_read_as_it_was_written_also_by_an_older_version(part: PartHealth) -> None:
    assert health.load(health.dump(part)) == part
    newer = json.loads(health.dump(part)) | {"unheard_of": 1}
    for loop in newer["loops"]:
        loop["unheard_of"] = 2
    assert health.load(json.dumps(newer)) == part


def test_failures_are_counted_until_a_batch_succeeds_and_the_cause_is_kept(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    with Board(settings, "stream", ["events", "sessions"]) as board:
        board.turn("running")
        events = board["events"]
        for _ in range(FAILURES):
            events.working()
            events.failed(OSError(28, "No space left on device", "/lake"))
        (told,) = health.read(settings)
        (loop, other) = told.loops
        assert (loop.failures, loop.anchor, other.failures) == (0, "", 0)  # written each second, not at each change
        until(lambda: not is_ready(health.read(settings)[0], time.time()), 10, "the file says so")
        events.succeeded()
        assert is_ready(board.now(), time.time())
        (loop, _) = board.now().loops
        assert (loop.failures, loop.waiting_since, loop.anchor) == (0, None, "disk-full")
    (told,) = health.read(settings)
    assert (told.state, told.ends) == ("stopped", ())


def test_a_stream_that_has_nothing_to_do_is_not_stuck_and_its_failures_still_count(tmp_path: Path) -> None:
    board = Board(Settings(var=tmp_path), "stream", ["events"])
    events = board["events"]
    events.working()
    events.failed("no Kafka at x:1")
    assert board.now().loops[0].waiting_since is not None
    events.resting()
    (loop,) = board.now().loops
    assert (loop.waiting_since, loop.failures) == (None, 1)


def test_an_end_without_a_word_is_remembered_by_the_next_process(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    for ends in range(4):
        with suppress(ZeroDivisionError), Board(settings, "stream", []) as board:
            board.turn("running")
            assert len(board.now().ends) == ends
            raise ZeroDivisionError
    assert not is_ready(health.read(settings)[0], time.time())


def test_lag_and_ages_are_never_negative(tmp_path: Path) -> None:
    board = Board(Settings(var=tmp_path), "stream", ["events"])
    board["events"].lags(records=3, seconds=-6.7)
    assert board.now().loops[0].lag_s == 0.0


def made(folder: Path) -> bool:
    """Whether the folder is there now."""
    with suppress(FileExistsError):
        folder.mkdir()
    return folder.is_dir()


def test_health_is_written_also_where_the_disk_takes_no_new_file(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    with Board(settings, "stream", ["events"]) as board:
        until(lambda: health.read(settings), 10)
        folder = health.folder(settings)
        blocker = folder / f".stream.json.{board.now().pid}"
        until(lambda: made(blocker), 10)  # in place of what it would write beside and then rename
        board["events"].failed("No space left on device")
        until(
            lambda: (found := health.read(settings)) and found[0].loops[0].failures == 1, 10, "it is written in place"
        )
        blocker.rmdir()


def test_loops_may_be_told_of_from_many_threads(tmp_path: Path) -> None:
    board = Board(Settings(var=tmp_path), "stream", ["events"])
    threads = [threading.Thread(target=lambda: [board["events"].failed("x") for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert board.now().loops[0].failures == 800
