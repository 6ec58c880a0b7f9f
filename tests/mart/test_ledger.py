"""The books: what agrees passes, and each way of not agreeing is named."""

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa

from qoescope.catalog.marts import QUALITY_DAY, QUALITY_HOUR
from qoescope.catalog.operations import OUTCOMES
from qoescope.compile import arrow, fold
from qoescope.compile.cube import cube
from qoescope.mart import books, ledger_result, log_books

Events = Callable[..., pa.Table]
AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
PLAY = (
    ("a", 1, "playback_request", "idle", 0),
    ("a", 2, "playback_start", "starting", 900),
    ("a", 3, "playback_finish", "playing", 8000),
)


def outcomes(**counts: int) -> pa.Table:
    return arrow.conform(pa.Table.from_pylist([{"property": "app", "minute_at": AT, **counts}]), OUTCOMES)


def named(differences: list[ledger_result.Difference]) -> list[str]:
    return [f"{d.where}: {d.expected} {d.found}" for d in differences]


def test_the_door_must_account_for_every_event() -> None:
    assert books.compare_door(outcomes(received=5, accepted=3, duplicate=1, invalid=1).to_pylist()) == []
    wrong = books.compare_door(outcomes(received=5, accepted=3).to_pylist())
    assert named(wrong) == ["app 2026-01-02 12:00 received: 3 5"]


def counted(rows: pa.Table, kept: str = "lake") -> pa.Table:
    n = len(rows)
    return pa.table({"property": ["app"][:n], "minute_at": pa.array([AT][:n], pa.timestamp("us", "UTC")),
                     "kept": [kept][:n], "n": [n][:n]})  # fmt: skip


def test_the_lake_must_hold_what_was_accepted(events: Events) -> None:
    rows = events(*PLAY)
    assert books.compare_lake(outcomes(accepted=3, lake=3), counted(rows)) == []
    assert named(books.compare_lake(outcomes(accepted=3, lake=3), counted(rows.slice(1)))) == [
        "app 2026-01-02 12:00 lake: 3 2"
    ]
    assert named(books.compare_lake(outcomes(accepted=4, lake=3), counted(rows))) == [
        "app 2026-01-02 12:00 accepted: 3 4"
    ]
    assert books.compare_lake(outcomes(accepted=3, lake=1, reports=2), counted(rows)) == []
    assert named(books.compare_lake(outcomes(accepted=1, late=1), counted(rows.slice(3)))) == [
        "app 2026-01-02 12:00 late: 1 0"
    ]


def test_an_identity_that_is_there_twice_is_named(events: Events) -> None:
    found = events(PLAY[1]).select(["property", "session_id", "seq"]).append_column("n", pa.array([2]))
    assert named(books.report_repeats(found)) == ["app session a seq 2: 1 2"]


NOBODY = pa.table({"property": pa.array([], pa.string()), "session_id": pa.array([], pa.string())})


def test_time_by_state_must_be_the_sessions(events: Events) -> None:
    rows = events(*PLAY)
    assert books.compare_sessions(rows, fold.sessions(rows), NOBODY) == []
    wrong = books.compare_sessions(rows, fold.sessions(rows.slice(0, 2)), NOBODY)
    assert named([difference for _, difference in wrong]) == ["app session a playing ms: 8000 0"]


def test_a_session_that_is_not_what_its_events_say_is_named_by_its_first_column(events: Events) -> None:
    rows = events(*PLAY)
    right, wrong = fold.sessions(rows), fold.sessions(events(*PLAY[:2], ("a", 3, "heartbeat", "playing", 8000)))
    assert books.compare_refolded(right, right, NOBODY) == []
    assert named([d for _, d in books.compare_refolded(right, wrong, NOBODY)]) == [
        "app session a close_reason: finished timed_out"
    ]
    assert named([d for _, d in books.compare_refolded(right, right.slice(0, 0), NOBODY)]) == [
        "app session a: 3 events no row"
    ]
    assert named([d for _, d in books.compare_refolded(right.slice(0, 0), right, NOBODY)]) == [
        "app session a: no row 3 events"
    ]


def test_sessions_that_are_still_open_are_left_out(events: Events) -> None:
    rows, still_open = events(*PLAY), pa.table({"property": ["app"], "session_id": ["a"]})
    assert books.compare_sessions(rows, fold.sessions(rows).slice(0, 0), still_open) == []
    assert books.compare_refolded(fold.sessions(rows), fold.sessions(rows).slice(0, 0), still_open) == []


def test_a_mart_that_is_not_its_recomputation_is_named(events: Events) -> None:
    right, short = (cube(fold.sessions(events(*rows)), QUALITY_HOUR) for rows in (PLAY, PLAY[:2]))
    assert books.compare_mart(right, right, QUALITY_HOUR) == []
    wrong = named(books.compare_mart(short, right, QUALITY_HOUR))
    assert wrong == ["quality_hour app 2026-01-02 13:00:00 total events (and 269 more cells): 3 2"]


def test_a_day_that_is_not_the_sum_of_its_hours_is_named(events: Events) -> None:
    rows = fold.sessions(events(*PLAY))
    hour, day = cube(rows, QUALITY_HOUR), cube(rows, QUALITY_DAY)
    assert books.compare_hours(hour, day, QUALITY_DAY) == []
    assert books.compare_hours(hour.slice(0, 0), day, QUALITY_DAY) != []


def test_a_hole_in_the_log_is_a_loss_and_is_named() -> None:
    whole = log_books.PartitionBooks(first=0, end=10, started=0, next=10, records=10, lost=0)
    gone = log_books.PartitionBooks(first=8, end=20, started=0, next=5, records=4, lost=0)
    assert log_books.compare_log({0: whole}) == []
    assert [d.where for d in log_books.compare_log({1: gone})] == [
        "partition 1 records read",
        "partition 1 offsets 5 to 7 gone unread",
    ]


def test_records_that_were_answered_and_never_read_are_named() -> None:
    behind = log_books.PartitionBooks(first=0, end=10, started=0, next=8, records=8, lost=0, answered=9)
    gone = log_books.PartitionBooks(first=0, end=10, started=0, next=10, records=10, lost=0, answered=12)
    assert log_books.compare_log({0: behind}) == []
    assert named(log_books.compare_log({1: gone})) == ["partition 1 records answered and gone unread: 0 2"]


def test_a_batch_that_the_books_do_not_have_is_named_unless_it_is_under_way() -> None:
    written = [("q", 7), ("q", 8), ("q", 9)]
    assert books.compare_epochs(written, written, 0) == []
    assert named(books.compare_epochs(written, [("q", 7), ("q", 9)], 5)) == ["batch 8 of q: booked not booked"]
    assert books.compare_epochs(written, [("q", 7), ("q", 8)], 5) == []
    assert named(books.compare_epochs(written, [("q", 7), ("q", 8)], 0)) == ["batch 9 of q: booked not booked"]


def test_what_was_acknowledged_must_be_there_once(events: Events) -> None:
    book = pa.table(
        {"property": ["app"], "session_id": ["a"], "first_seq": [1], "last_seq": [3], "acknowledged": [True]}
    )
    there = events(*PLAY).select(["property", "session_id", "seq"]).append_column("n", pa.array([1, 1, 1]))
    assert books.compare_sender(book, there) == []
    assert named(books.compare_sender(book, there.slice(0, 2))) == ["app session a seq 3: 1 0"]


def test_the_result_is_one_line_when_all_agree_and_names_so_many_in_a_stable_order_else() -> None:
    result = ledger_result.LedgerResult()
    result.add("door", 3, [])
    result.add_open("open sessions", 1200)
    assert result.holds
    assert result.lines == ["all books agree (door 3 compared; under way: 1,200 open sessions)"]
    differences = [ledger_result.Difference("marts", f"window {n:02}", 1, 2) for n in range(30)]
    result.add("marts", 30, reversed(differences))
    result.add("log", 1, [ledger_result.Difference("log", "partition 0 end", 1, 2)])
    assert not result.ok
    assert result.lines[:2] == ["log: partition 0 end: expected 1, found 2", str(differences[0])]
    assert len(result.lines) == ledger_result.LINES_SHOWN + 2
    assert result.lines[-2] == "and 11 more differences (marts 11)"
    assert result.lines[-1].startswith("31 differences (log 1, door 3, marts 30 compared")
    assert len(result.limited_lines(limit=100)) == 32
    assert len(result.as_json()["differences"]) == 31


def test_what_is_beyond_count_is_counted() -> None:
    result = ledger_result.LedgerResult()
    result.add(
        "marts", 1, (ledger_result.Difference("marts", str(n), 1, 2) for n in range(ledger_result.MOST_KEPT + 5))
    )
    assert (len(result.differences), result.unnamed) == (ledger_result.MOST_KEPT, 5)


def test_a_session_that_somebody_removed_from_postgres_is_named() -> None:
    lake = pa.table({"property": ["app", "app"], "session_id": ["a", "b"], "version": [1, 2], "play_ms": [5, 6]})

    def found(stored: pa.Table) -> list[str]:
        return named([d for _, d in books.compare_rows(lake, stored, lake.column_names)])

    assert found(lake) == []
    assert found(lake.slice(0, 1)) == ["app session b: version 2 no row"]
    assert found(lake.set_column(2, "version", pa.array([1, 1]))) == ["app session b: version 2 version 1"]
    assert found(lake.set_column(3, "play_ms", pa.array([5, 7]))) == ["app session b play_ms: 6 7"]
