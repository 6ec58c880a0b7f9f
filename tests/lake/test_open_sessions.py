"""Open sessions: which are due, what a start has to look for, and that no mark is lost."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from qoescope.lake.open_sessions import MARKS, OpenSessions, RestartPoint, marks

AT = datetime(2026, 1, 2, 8, tzinfo=UTC)
GAP = timedelta(minutes=1)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def second(n: float) -> datetime:
    return AT + timedelta(seconds=n)


def mark(*rows: tuple[str, float, float]) -> pa.Table:
    """(session, first second, last second)."""
    told = [
        {"property": "app", "session_id": name, "bucket": 1, "events": 2, "first_received_at": second(first),
         "last_received_at": second(last)} for name, first, last in rows
    ]  # fmt: skip
    return pa.Table.from_pylist(told, MARKS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def still_open(clock: Clock) -> OpenSessions:
    made = OpenSessions(GAP, timedelta(seconds=30), clock)
    made.restore([], None)
    return made


def due(sessions: OpenSessions) -> list[str]:
    return sorted(sessions.due()["session_id"].to_pylist())


def test_marks_name_each_session_of_stored_rows_once() -> None:
    rows = pa.table(
        {
            "property": ["app", "app", "web", "app"],
            "session_id": ["a", "a", "a", "b"],
            "bucket": [1, 1, 1, 2],
            "received_at": pa.array([second(3), second(1), second(2), second(9)], pa.timestamp("us", "UTC")),
        }
    )
    found = marks(rows)
    assert found.schema == MARKS
    spans = {tuple(row.values()) for row in found.to_pylist()}
    assert spans == {
        ("app", "a", 1, second(1), second(3), 2),
        ("web", "a", 1, second(2), second(2), 1),
        ("app", "b", 2, second(9), second(9), 1),
    }


def test_a_session_is_due_when_it_was_silent_for_the_gap_and_not_before(still_open: OpenSessions, clock: Clock) -> None:
    still_open.mark(mark(("a", 0, 10), ("b", 0, 20)))
    clock.now = 100
    for complete, expected in ((69, []), (70, ["a"]), (79, ["a"]), (80, ["a", "b"])):
        still_open.advance(second(complete))
        assert due(still_open) == expected


def test_a_mark_however_late_makes_its_session_due_again(still_open: OpenSessions, clock: Clock) -> None:
    still_open.mark(mark(("a", 0, 10)))
    clock.now = 100
    still_open.advance(second(90))
    still_open.forget(still_open.due())
    assert len(still_open) == 0
    still_open.mark(mark(("a", 5, 5)))
    assert still_open.restart_point() == RestartPoint(second(5), second(5))
    clock.now = 140
    assert due(still_open) == ["a"]


def test_what_was_marked_while_it_was_measured_is_measured_again(still_open: OpenSessions, clock: Clock) -> None:
    still_open.mark(mark(("a", 0, 10), ("b", 0, 10)))
    clock.now = 100
    still_open.advance(second(90))
    taken = still_open.due()
    still_open.mark(mark(("b", 7, 7)))
    still_open.forget(taken)
    assert due(still_open) == []
    clock.now = 140
    assert due(still_open) == ["b"]
    assert still_open.restart_point() == RestartPoint(second(7), second(7))


def test_a_session_that_was_just_spoken_of_waits_whatever_the_doors_clocks_say(
    still_open: OpenSessions, clock: Clock
) -> None:
    still_open.advance(second(3600))
    still_open.mark(mark(("a", 0, 10)))
    assert due(still_open) == []
    clock.now = 30
    assert due(still_open) == ["a"]


def test_the_floor_is_the_oldest_of_what_is_open_or_where_the_log_is_read_to(still_open: OpenSessions) -> None:
    assert still_open.restart_point() is None
    still_open.advance(second(50))
    assert still_open.restart_point() == RestartPoint(second(50), second(50))
    still_open.mark(mark(("a", 0, 10), ("b", 5, 40)))
    assert still_open.restart_point() == RestartPoint(second(10), second(0))


def test_before_what_was_open_is_known_nothing_is_booked() -> None:
    with pytest.raises(RuntimeError, match="restore"):
        OpenSessions(GAP, GAP).restart_point()


def test_marks_of_one_session_are_one(still_open: OpenSessions, clock: Clock) -> None:
    still_open.mark(mark(("a", 5, 6), ("b", 1, 1)))
    still_open.mark(mark(("a", 2, 9)))
    clock.now = 100
    still_open.advance(second(90))
    rows = {row["session_id"]: row for row in still_open.due().to_pylist()}
    assert len(rows) == len(still_open) == 2
    assert (rows["a"]["first_received_at"], rows["a"]["last_received_at"], rows["a"]["events"]) == (
        second(2), second(9), 4,
    )  # fmt: skip


def test_at_most_so_many_are_due_at_once(still_open: OpenSessions, clock: Clock) -> None:
    still_open.mark(mark(*((f"s{n}", 0, 0) for n in range(20))))
    still_open.advance(second(90))
    clock.now = 100
    some = still_open.due(7)
    still_open.forget(some)
    assert len(still_open.due()) == 13
