"""The books: what agrees passes, and each way of not agreeing is named."""

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa

from qoescope.catalog.marts import QUALITY_DAY, QUALITY_HOUR
from qoescope.catalog.operations import OUTCOMES
from qoescope.compile import arrow, fold
from qoescope.compile.cube import cube
from qoescope.mart import ledger

Events = Callable[..., pa.Table]
AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
PLAY = (
    ("a", 1, "playback_request", "idle", 0),
    ("a", 2, "playback_start", "starting", 900),
    ("a", 3, "playback_finish", "playing", 8000),
)


def outcomes(**counts: int) -> pa.Table:
    return arrow.conform(pa.Table.from_pylist([{"property": "app", "minute_at": AT, **counts}]), OUTCOMES)


def named(differences: list[ledger.Difference]) -> list[str]:
    return [f"{d.where}: {d.expected} {d.found}" for d in differences]


def test_the_door_must_account_for_every_event() -> None:
    assert ledger.door(outcomes(received=5, accepted=3, duplicate=1, invalid=1).to_pylist()) == []
    wrong = ledger.door(outcomes(received=5, accepted=3).to_pylist())
    assert named(wrong) == ["app 2026-01-02 12:00 received: 3 5"]


def kept(rows: pa.Table) -> dict[str, pa.Table]:
    return {"lake": rows, "late": rows.slice(0, 0), "quarantined": rows.slice(0, 0)}


def test_the_lake_must_hold_what_was_accepted(events: Events) -> None:
    rows = events(*PLAY)
    assert ledger.lake(outcomes(accepted=3, lake=3), kept(rows)) == []
    assert named(ledger.lake(outcomes(accepted=3, lake=3), kept(rows.slice(1)))) == ["app 2026-01-02 12:00 lake: 3 2"]
    assert named(ledger.lake(outcomes(accepted=4, lake=3), kept(rows))) == ["app 2026-01-02 12:00 accepted: 3 4"]


def test_an_identity_that_is_there_twice_is_named(events: Events) -> None:
    assert named(ledger.twice(events(*PLAY, PLAY[1]))) == ["app session a seq 2: 1 2"]


def test_time_by_state_must_be_the_sessions(events: Events) -> None:
    rows = events(*PLAY)
    assert ledger.sessions(rows, fold.sessions(rows), None) == ([], 0)
    wrong, _ = ledger.sessions(rows, fold.sessions(rows.slice(0, 2)), None)
    assert named(wrong) == ["app session a playing ms: 8000 0"]


def test_sessions_that_are_still_heard_of_are_counted_as_open(events: Events) -> None:
    rows = events(*PLAY)
    assert ledger.sessions(rows, fold.sessions(rows).slice(0, 0), AT.replace(hour=11)) == ([], 1)


def test_a_mart_that_is_not_its_recomputation_is_named(events: Events) -> None:
    right, short = (cube(fold.sessions(events(*rows)), QUALITY_HOUR) for rows in (PLAY, PLAY[:2]))
    assert ledger.marts(right, right, QUALITY_HOUR) == []
    wrong = named(ledger.marts(short, right, QUALITY_HOUR))
    assert "quality_hour app 2026-01-02 13:00:00 total play_ms: 8000 0" in wrong


def test_a_day_that_is_not_the_sum_of_its_hours_is_named(events: Events) -> None:
    rows = fold.sessions(events(*PLAY))
    hour, day = cube(rows, QUALITY_HOUR), cube(rows, QUALITY_DAY)
    assert ledger.hours(hour, day, QUALITY_DAY) == []
    assert ledger.hours(hour.slice(0, 0), day, QUALITY_DAY) != []


def test_a_hole_in_the_log_is_a_loss_and_is_named() -> None:
    whole = ledger.Reading(first=0, end=10, started=0, next=10, records=10, lost=0)
    gone = ledger.Reading(first=8, end=20, started=0, next=5, records=4, lost=0)
    assert ledger.log({0: whole}) == []
    assert [d.where for d in ledger.log({1: gone})] == [
        "partition 1 records read",
        "partition 1 offsets 5 to 7 gone unread",
    ]


def test_what_was_acknowledged_must_be_there_once(events: Events) -> None:
    book = pa.table(
        {"property": ["app"], "session_id": ["a"], "first_seq": [1], "last_seq": [3], "acknowledged": [True]}
    )
    there = events(*PLAY).select(["property", "session_id", "seq"])
    assert ledger.sender(book, there) == []
    assert named(ledger.sender(book, there.slice(0, 2))) == ["app session a seq 3: 1 0"]


def test_the_result_says_it_in_lines_and_in_json() -> None:
    result = ledger.LedgerResult()
    result.add("door", 3, [])
    assert (result.holds, result.lines[-1]) == (True, "all books agree")
    result.add("door", 1, [ledger.Difference("door", "app", 1, 2)])
    assert result.as_json()["ok"] is False
    assert result.lines[-1] == "1 differences"


def test_a_session_that_somebody_removed_from_postgres_is_named() -> None:
    day = AT.date()
    lake = pa.table({"property": ["app", "app"], "day": [day, day], "session_id": ["a", "b"], "version": [1, 2]})
    assert ledger.published(lake, lake) == []
    assert named(ledger.published(lake, lake.slice(0, 1))) == ["app 2026-01-02 session b: version 2 no row"]
    old = lake.set_column(3, "version", pa.array([1, 1]))
    assert named(ledger.published(lake, old)) == ["app 2026-01-02 session b: version 2 version 1"]


def test_what_was_only_under_way_is_no_difference() -> None:
    def look(*found: ledger.Difference) -> ledger.LedgerResult:
        result = ledger.LedgerResult()
        result.add("marts", len(found), found)
        return result

    def total(minute: int, expected: float | str, found: float | str) -> ledger.Difference:
        return ledger.Difference("marts", f"app 12:0{minute}", expected, found)

    again = look(total(0, "9", "8"), total(1, 9, 5), total(2, 7, 7.5), total(3, "no row", "2"))
    again.keep(look(total(0, "4", "3"), total(1, 9, 6), total(3, "no row", "2")))
    assert again.differences == [total(0, "9", "8"), total(3, "no row", "2")]
    again.keep(look())
    assert again.ok
