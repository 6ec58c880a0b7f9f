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

from qoescope.connect import health, health_rows
from qoescope.connect.health import HealthBoard, LoopHealth, PartHealth
from qoescope.connect.readiness import (
    FAILING_S,
    FAILURES,
    RETRY_GRACE_S,
    SET_ASIDE_SHOWN_S,
    SILENT_S,
    STEADY_S,
    ReadinessLimits,
    find_problems,
    is_ready,
)
from qoescope.settings import Settings
from qoescope.stack import system
from qoescope.stack.children import Part

NOW = 1_000_000.0
PART = PartHealth("stream", "host", 7, NOW - 100, NOW, "running", loops=(LoopHealth("events", NOW - 1),))


def with_loop(**values: object) -> PartHealth:
    """The part, its loop otherwise."""
    return replace(PART, loops=(replace(PART.loops[0], **values),))  # type: ignore[arg-type]


def sentences(part: PartHealth) -> list[str]:
    """What is wrong with it, as people read it."""
    return [str(problem) for problem in find_problems(part, NOW, ReadinessLimits(stuck_s=60, least_free_bytes=1000))]


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
            with_loop(
                failures=1,
                succeeded_at=NOW - FAILING_S - 1,
                failing_since=NOW - RETRY_GRACE_S - 1,
                cause="the disk is full",
            ),
            "stream: events failed once, and has had no good batch for 16 s: the disk is full",
        ),
        (
            with_loop(failures=2, succeeded_at=None, failing_since=NOW - FAILING_S - 1, cause="no Kafka", anchor="x"),
            "stream: events failed 2 times, and has had no good batch for 16 s: no Kafka (x)",
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
    assert not is_ready(part, NOW, ReadinessLimits(60, 1000))


@pytest.mark.parametrize(
    "part",
    [
        with_loop(failures=FAILURES - 1, cause="the disk is full"),
        with_loop(failures=1, succeeded_at=NOW - FAILING_S, failing_since=NOW - FAILING_S + 1),
        with_loop(failures=1, succeeded_at=NOW - 9999, failing_since=NOW - RETRY_GRACE_S),
        with_loop(failures=1, succeeded_at=None, failing_since=NOW - FAILING_S),
        with_loop(succeeded_at=NOW - 9999),
        with_loop(set_aside=1, set_aside_at=NOW - SET_ASIDE_SHOWN_S - 1),
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
    with HealthBoard(settings, "stream", ["events", "sessions"]) as board:
        board.set_state("running")
        events = board["events"]
        for _ in range(FAILURES):
            events.working()
            events.failed(OSError(28, "No space left on device", "/lake"))
        (told,) = health.read(settings)
        (loop, other) = told.loops
        assert (loop.failures, loop.anchor, other.failures) == (0, "", 0)  # written each second, not at each change
        until(lambda: not is_ready(health.read(settings)[0], time.time()), 10, "the file says so")
        events.succeeded()
        assert is_ready(board.snapshot(), time.time())
        (loop, _) = board.snapshot().loops
        assert (loop.failures, loop.waiting_since, loop.anchor) == (0, None, "disk-full")
    (told,) = health.read(settings)
    assert (told.state, told.ends) == ("stopped", ())


def test_a_stream_that_has_nothing_to_do_is_not_stuck_and_its_failures_still_count(tmp_path: Path) -> None:
    board = HealthBoard(Settings(var=tmp_path), "stream", ["events"])
    events = board["events"]
    events.working()
    events.failed("no Kafka at x:1")
    assert board.snapshot().loops[0].waiting_since is not None
    events.resting()
    (loop,) = board.snapshot().loops
    assert (loop.waiting_since, loop.failures) == (None, 1)


def test_an_end_without_a_word_is_remembered_by_the_next_process(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    for ends in range(4):
        with suppress(ZeroDivisionError), HealthBoard(settings, "stream", []) as board:
            board.set_state("running")
            assert len(board.snapshot().ends) == ends
            raise ZeroDivisionError
    assert not is_ready(health.read(settings)[0], time.time())


def test_lag_and_ages_are_never_negative(tmp_path: Path) -> None:
    board = HealthBoard(Settings(var=tmp_path), "stream", ["events"])
    board["events"].lags(records=3, seconds=-6.7)
    assert board.snapshot().loops[0].lag_s == 0.0


def made(folder: Path) -> bool:
    """Whether the folder is there now."""
    with suppress(FileExistsError):
        folder.mkdir()
    return folder.is_dir()


def test_health_is_written_also_where_the_disk_takes_no_new_file(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    with HealthBoard(settings, "stream", ["events"]) as board:
        until(lambda: health.read(settings), 10)
        folder = health.folder(settings)
        blocker = folder / f".stream.json.{board.snapshot().pid}"
        until(lambda: made(blocker), 10)  # in place of what it would write beside and then rename
        board["events"].failed("No space left on device")
        until(
            lambda: (found := health.read(settings)) and found[0].loops[0].failures == 1, 10, "it is written in place"
        )
        blocker.rmdir()


def test_loops_may_be_told_of_from_many_threads(tmp_path: Path) -> None:
    board = HealthBoard(Settings(var=tmp_path), "stream", ["events"])
    threads = [threading.Thread(target=lambda: [board["events"].failed("x") for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert board.snapshot().loops[0].failures == 800


def test_a_part_that_fails_is_not_ready_everywhere_within_30_s_however_slow_its_tries_are() -> None:
    """After the first failure: the limit, the beat by which it is written, and whoever reads it every few seconds."""
    looks_s = max(system.CHECK_S, Part("any", (), bool).check_s)
    assert max(RETRY_GRACE_S, FAILING_S) + health.HEARTBEAT_S + health_rows.EVERY_S + looks_s < 30
    failing = with_loop(failures=1, succeeded_at=NOW - 1, failing_since=NOW)
    assert is_ready(failing, NOW)
    late = NOW + FAILING_S
    assert not is_ready(replace(failing, written_at=late), late)


def test_the_first_failure_since_the_last_good_batch_is_remembered(tmp_path: Path) -> None:
    board = HealthBoard(Settings(var=tmp_path), "stream", ["events"])
    events = board["events"]
    events.failed("x")
    first = events.health.failing_since
    assert first is not None
    events.failed("x")
    assert (events.health.failing_since, events.health.failures) == (first, 2)
    events.succeeded()
    assert events.health.failing_since is None


def test_a_record_that_was_set_aside_is_told_and_keeps_nobody_from_being_ready(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, least_free_bytes=0)
    with HealthBoard(settings, "stream", ["events", "quality"]) as board:
        board.set_state("running")
        board["events"].set_aside(1, "at beacons partition 2 offset 17,\n broken: OverflowError: too big")
        part, now = board.snapshot(), time.time()
        assert is_ready(part, now, ReadinessLimits(least_free_bytes=0))
        (problem,) = find_problems(part, now, ReadinessLimits(least_free_bytes=0))
        assert not problem.blocks
        assert str(problem) == (
            "stream: events has set 1 record that broke a batch aside, the last one at beacons partition 2 offset 17, "
            "broken: OverflowError: too big (a-record-is-set-aside)"
        )
    with HealthBoard(settings, "stream", ["events", "quality"]) as board:  # a start forgets nothing of it
        board["events"].set_aside(2, "at beacons partition 2 offset 19, broken: ValueError")
        assert [loop.set_aside for loop in board.snapshot().loops] == [3, 0]
        board.set_state("running")
        assert (
            find_problems(board.snapshot(), time.time() + SET_ASIDE_SHOWN_S + 1, ReadinessLimits(least_free_bytes=0))[
                1:
            ]
            == []
        )


def test_a_full_disk_is_named_by_the_folder_with_the_least_room(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path / "var", lake=str(tmp_path / "lake"))
    settings.var.mkdir()
    with HealthBoard(settings, "stream", ["events"]) as board:
        loop = board["events"]
        loop.failed(OSError(28, "No space left on device"))
        assert f"under {settings.var} " in loop.health.cause
        assert loop.health.cause.endswith(" MB are left")
        loop.failed(OSError(28, "No space left on device", "/data/lake/x.parquet"))
        assert loop.health.cause.endswith("'/data/lake/x.parquet'")
        loop.failed(OSError(13, "Permission denied"))
        assert "MB" not in loop.health.cause
