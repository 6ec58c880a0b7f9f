"""Rows of the data set become sessions, measured by the fold; one that breaks a rule is kept aside with its line."""

import csv
from io import StringIO

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.mart import imports

PLAIN = {
    "session_id": "a", "user_id": "user_1", "timestamp": "2025-10-12 13:08:53.966590", "device_type": "smart_tv",
    "os_version": "Mozilla/5.0 (X11; Linux, x86_64)", "app_version": "v16.2.1", "content_id": "content_7",
    "startup_time_ms": "1200", "rebuffer_count": "2", "rebuffer_duration_ms": "3001", "bitrate_kbps": "4500",
    "resolution": "1080p", "frames_dropped": "3", "session_duration_sec": "600", "network_type": "wifi",
    "country_code": "KR", "isp": "orange", "cdn_pop": "KR-5", "hour": "13", "day_of_week": "6",
}  # fmt: skip
NEVER_STARTED = PLAIN | {
    "session_id": "b", "startup_time_ms": "", "bitrate_kbps": "", "resolution": "", "rebuffer_count": "0",
    "rebuffer_duration_ms": "0", "frames_dropped": "0", "session_duration_sec": "9",
}  # fmt: skip


def file(*rows: dict[str, str]) -> StringIO:
    out = StringIO()
    writer = csv.DictWriter(out, imports.COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return StringIO(out.getvalue())


def test_a_row_keeps_what_it_says() -> None:
    (row,) = imports.imported(file(PLAIN), "archive", 8).sessions.to_pylist()
    assert (row["startup_ms"], row["stall_count"], row["stall_ms"], row["bitrate_avg_kbps"]) == (1200, 2, 3001, 4500)
    assert (row["session_ms"], row["play_ms"], row["main_height"], row["dropped_frames"]) == (600_000, 595_799, 1080, 3)
    assert (row["start_outcome"], row["is_play"], row["hour"], row["day_of_week"]) == ("played", True, 13, 6)
    assert (row["property"], row["source"], row["user_agent"]) == ("archive", "import", PLAIN["os_version"])


def test_what_a_csv_cannot_tell_is_left_open() -> None:
    (row,) = imports.imported(file(PLAIN), "archive", 8).sessions.to_pylist()
    assert (row["close_reason"], row["event_count"], row["lost_events"], row["is_complete"]) == (None, 0, 0, None)


def test_a_session_without_a_start_is_an_exit_before_the_first_frame() -> None:
    (row,) = imports.imported(file(NEVER_STARTED), "archive", 8).sessions.to_pylist()
    assert (row["is_play"], row["start_outcome"], row["exit_wait_ms"]) == (False, "exited", 9000)
    assert (row["startup_ms"], row["bitrate_avg_kbps"], row["main_height"]) == (None, None, None)


def test_hours_of_playing_are_not_taken_for_a_sleeping_device() -> None:
    (row,) = imports.imported(file(PLAIN | {"session_duration_sec": "20000"}), "archive", 8).sessions.to_pylist()
    assert (row["session_ms"], row["discarded_ms"]) == (20_000_000, 0)


def test_a_repeated_session_is_kept_once_and_counted() -> None:
    found = imports.imported(file(PLAIN, NEVER_STARTED, PLAIN | {"rebuffer_count": "9"}), "archive", 8)
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
    found = imports.imported(file(NEVER_STARTED, PLAIN | change), "archive", 8)
    assert [(r["line"], r["reason"]) for r in found.quarantined.to_pylist()] == [(3, reason)]
    assert found.sessions["session_id"].to_pylist() == ["b"]


def test_a_row_with_too_few_cells_is_kept_aside() -> None:
    found = imports.imported(StringIO(file(PLAIN).getvalue() + "a,b\r\n"), "archive", 8)
    assert [r["reason"] for r in found.quarantined.to_pylist()] == ["2 cells, not 20"]


def test_another_file_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(Mistake, match="must name user_id"):
        imports.imported(StringIO("session_id\nx\n"), "archive", 8)
