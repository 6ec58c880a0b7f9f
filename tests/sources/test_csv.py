"""Rows of the data set become sessions, measured by the fold; one that breaks a rule is kept aside with its line."""

from io import StringIO
from types import SimpleNamespace

import pyarrow as pa
import pytest
from csv_rows import NEVER_STARTED, PLAIN, file, lines

from qoescope.catalog.errors import Mistake
from qoescope.compile import fold
from qoescope.sources.csv import sessions
from qoescope.sources.csv.rules import MOST
from qoescope.sources.csv.sessions import csv_sessions


def test_a_row_keeps_what_it_says() -> None:
    (row,) = csv_sessions(file(PLAIN), "archive", 8).sessions.to_pylist()
    assert (row["startup_ms"], row["stall_count"], row["stall_ms"], row["bitrate_avg_kbps"]) == (1200, 2, 3001, 4500)
    assert (row["session_ms"], row["play_ms"], row["main_height"], row["dropped_frames"]) == (600_000, 595_799, 1080, 3)
    assert (row["start_outcome"], row["is_play"], row["hour"], row["day_of_week"]) == ("played", True, 13, 6)
    assert (row["property"], row["source"], row["user_agent"]) == ("archive", "import", PLAIN["os_version"])


def test_what_a_csv_cannot_tell_is_left_open() -> None:
    (row,) = csv_sessions(file(PLAIN), "archive", 8).sessions.to_pylist()
    assert (row["close_reason"], row["event_count"], row["lost_events"], row["is_complete"]) == (None, 0, 0, None)


def test_a_session_without_a_start_is_an_exit_before_the_first_frame() -> None:
    (row,) = csv_sessions(file(NEVER_STARTED), "archive", 8).sessions.to_pylist()
    assert (row["is_play"], row["start_outcome"], row["exit_wait_ms"]) == (False, "exited", 9000)
    assert (row["startup_ms"], row["bitrate_avg_kbps"], row["main_height"]) == (None, None, None)


def test_hours_of_playing_are_not_taken_for_a_sleeping_device() -> None:
    (row,) = csv_sessions(file(PLAIN | {"session_duration_sec": "20000"}), "archive", 8).sessions.to_pylist()
    assert (row["session_ms"], row["discarded_ms"]) == (20_000_000, 0)


def test_a_repeated_session_is_kept_once_and_counted() -> None:
    found = csv_sessions(file(PLAIN, NEVER_STARTED, PLAIN | {"rebuffer_count": "9"}), "archive", 8)
    assert (found.rows, len(found.sessions), found.repeated) == (3, 2, 1)
    assert {r["session_id"]: r["stall_count"] for r in found.sessions.to_pylist()} == {"a": 2, "b": 0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"session_id": " "}, "session_id is empty or too long"),
        ({"timestamp": "yesterday"}, "timestamp is not a time"),
        ({"startup_time_ms": "fast"}, "startup_time_ms is not a number"),
        ({"rebuffer_duration_ms": "-5"}, "rebuffer_duration_ms is negative"),
        ({"rebuffer_count": ""}, "rebuffer_count is empty"),
        ({"resolution": "8K"}, "resolution is unknown"),
        ({"hour": "14"}, "hour is another than in timestamp"),
        ({"day_of_week": "0"}, "day_of_week is another than in timestamp"),
        ({"session_duration_sec": "1e300"}, "session_duration_sec is beyond all reason"),
    ],
)
def test_a_row_that_breaks_a_rule_is_kept_aside_with_its_line(change: dict[str, str], reason: str) -> None:
    found = csv_sessions(file(NEVER_STARTED, PLAIN | change), "archive", 8)
    assert [(r["line"], r["reason"]) for r in found.quarantined.to_pylist()] == [(3, reason)]
    assert found.sessions["session_id"].to_pylist() == ["b"]


def test_a_row_with_too_few_cells_is_kept_aside() -> None:
    found = csv_sessions(StringIO(file(PLAIN).getvalue() + "a,b\r\n"), "archive", 8)
    assert [r["reason"] for r in found.quarantined.to_pylist()] == ["2 cells, not 20"]


def test_another_file_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(Mistake, match="must name user_id"):
        csv_sessions(StringIO("session_id\nx\n"), "archive", 8)


@pytest.mark.parametrize("name", [name for name in MOST if name != "session_duration_sec"])
@pytest.mark.parametrize(
    "cell", ["NaN", "nan", "inf", "-Infinity", "1e30", "-1e300", "1e400", "18446744073709551615", "x"]
)
def test_one_cell_that_is_no_number_keeps_its_row_aside_and_the_others_are_imported(name: str, cell: str) -> None:
    found = csv_sessions(file(PLAIN, PLAIN | {"session_id": "bad", name: cell}, NEVER_STARTED), "archive", 8)
    assert sorted(found.sessions["session_id"].to_pylist()) == ["a", "b"]
    assert [(row["line"], name in row["reason"]) for row in found.quarantined.to_pylist()] == [(3, True)]


@pytest.mark.parametrize(
    ("told", "utc"),
    [
        ("2025-10-12T00:30:00+02:00", "2025-10-11 22:30:00"),
        ("2025-10-12 22:30:00-05", "2025-10-13 03:30:00"),
        ("2025-10-12 22:30:00 -0330", "2025-10-13 02:00:00"),
        ("2025-10-12T10:00:00Z", "2025-10-12 10:00:00"),
        ("2025-10-12 10:00:00.5 UTC", "2025-10-12 10:00:00.500000"),
        ("2025-10-12", "2025-10-12 00:00:00"),
        ("1994-02-28 23:30:00+14:00", "1994-02-28 09:30:00"),
        ("2025-10-12T10:00+0530", "2025-10-12 04:30:00"),
        ("2025-10-12 10:00:00z", "2025-10-12 10:00:00"),
    ],
)
def test_a_time_is_utc_by_the_zone_that_it_names(told: str, utc: str) -> None:
    (row,) = csv_sessions(
        file(PLAIN | {"timestamp": told, "hour": "", "day_of_week": ""}), "archive", 8
    ).sessions.to_pylist()
    assert (str(row["started_at"].replace(tzinfo=None)), str(row["day"])) == (utc, utc[:10])


@pytest.mark.parametrize(
    "told",
    [
        "soon",
        "2025-13-01 10:00:00",
        "1970-01-01 00:00:00",
        "2500-01-01 00:00:00",
        "1e30",
        "2025-10-12 10:00:00 PST",
        "2025-10-12 10:00:00 Europe/Berlin",
        "2025-10-12 10:00:00 GMT+2",
        "2025-10-12 10:00:00+25:00",
        "2025-10-12T10:00:00+02:00:00",
        "2025-10-12 10:00:00+02:00[Europe/Berlin]",
    ],
)
def test_a_time_that_is_none_keeps_its_row_aside(told: str) -> None:
    found = csv_sessions(file(PLAIN | {"timestamp": told}, NEVER_STARTED), "archive", 8)
    assert [row["reason"] for row in found.quarantined.to_pylist()] == ["timestamp is not a time"]
    assert len(found.sessions) == 1


@pytest.mark.parametrize("hour", ["0", "22"])
def test_the_hour_beside_a_time_may_be_its_own_or_that_of_utc(hour: str) -> None:
    row = PLAIN | {"timestamp": "2025-10-12T00:30:00+02:00", "hour": hour, "day_of_week": ""}
    assert len(csv_sessions(file(row), "archive", 8).sessions) == 1


def test_time_in_stalls_of_which_none_is_counted_is_one_stall() -> None:
    found = csv_sessions(file(PLAIN | {"rebuffer_count": "0", "rebuffer_duration_ms": "4000"}), "archive", 8)
    (row,) = found.sessions.to_pylist()
    assert (row["stall_count"], row["stall_ms"]) == (1, 4000)
    assert len(found.quarantined) == 0


@pytest.mark.parametrize("open_ones", [{1}, {0}, {8}, {1, 4}, {2, 3}, {0, 8}, set(range(9))])
def test_a_quote_that_is_never_closed_costs_its_row_alone(open_ones: set[int]) -> None:
    found = csv_sessions(lines(*('"Mozilla/5.0 (X11' if n in open_ones else "UA" for n in range(9))), "archive", 8)
    assert set(found.sessions["session_id"].to_pylist()) == {f"q-{n}" for n in range(9) if n not in open_ones}
    assert [row["line"] for row in found.quarantined.to_pylist()] == [n + 2 for n in sorted(open_ones)]


def test_a_cell_of_several_lines_and_a_quote_inside_a_cell_are_read() -> None:
    found = csv_sessions(lines('"two\nlines, ""quoted"""', '5" screen', "UA"), "archive", 8)
    told = sorted((row["session_id"], row["user_agent"]) for row in found.sessions.to_pylist())
    assert told == [("q-0", 'two\nlines, "quoted"'), ("q-1", '5" screen'), ("q-2", "UA")]


def test_rows_of_many_stalls_are_measured_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    def measure(events: pa.Table, threads: int = 1) -> pa.Table:
        counts.append(len(events))
        return fold.sessions(events, threads)

    monkeypatch.setattr(sessions, "fold", SimpleNamespace(sessions=measure))
    stalls = {"rebuffer_count": "10000", "rebuffer_duration_ms": "20000", "session_duration_sec": "86400"}
    found = csv_sessions(file(*(PLAIN | stalls | {"session_id": f"{n}"} for n in range(20))), "archive", 8)
    assert sorted(row["session_id"] for row in found.sessions.to_pylist()) == sorted(map(str, range(20)))
    assert set(found.sessions["stall_count"].to_pylist()) == {10_000}
    assert sum(counts) >= 20 * 20_000
    assert max(counts) <= sessions.EVENTS_AT_ONCE + 40_000


def test_sessions_are_the_same_however_many_are_measured_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(NEVER_STARTED if n % 5 == 0 else PLAIN) | {"session_id": f"{n}", "rebuffer_count": f"{n % 5}"}
            for n in range(40)]  # fmt: skip
    whole = csv_sessions(file(*rows), "archive", 8).sessions.sort_by("session_id")
    monkeypatch.setattr(sessions, "EVENTS_AT_ONCE", 9)
    assert csv_sessions(file(*rows), "archive", 8).sessions.sort_by("session_id").equals(whole)
    assert len(whole) == 40
