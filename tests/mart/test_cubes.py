"""What is added to the marts and taken from them again leaves no trace; parts add up to their whole."""

from collections.abc import Callable

import pyarrow as pa

from qoescope.catalog.marts import LIVE_WINDOW, MARTS, QUALITY_HOUR, VIEWER_DAY
from qoescope.compile import fold
from qoescope.compile.adding import add_cubes
from qoescope.compile.cube import cube
from qoescope.lake import freshness
from qoescope.mart import cubes

Events = Callable[..., pa.Table]
PLAY = (
    ("a", 1, "playback_request", "idle", 0),
    ("a", 2, "playback_start", "starting", 900),
    ("a", 3, "playback_stall", "playing", 8000),
    ("a", 4, "playback_start", "stalled", 500),
)
TAIL = ("a", 5, "playback_finish", "playing", 4000)
OTHER = (("zz", 1, "playback_request", "idle", 0), ("zz", 2, "playback_start", "starting", 1100))
KEYS = ["property", "starts_at", "grouping", "value_1", "value_2"]


def same(a: pa.Table, b: pa.Table) -> bool:
    order = [(key, "ascending") for key in KEYS]
    return bool(a.sort_by(order).equals(b.sort_by(order)))


def total(rows: pa.Table, measure: str) -> int:
    (row,) = [r for r in rows.to_pylist() if r["grouping"] == ""]
    return int(row[measure])


def test_cubes_of_parts_add_up_to_the_cube_of_their_whole(events: Events) -> None:
    parts = [cube(events(*PLAY), LIVE_WINDOW), cube(events(TAIL), LIVE_WINDOW), cube(events(*OTHER), LIVE_WINDOW)]
    whole = add_cubes([cube(events(*PLAY, TAIL, *OTHER), LIVE_WINDOW)], LIVE_WINDOW.table)
    assert same(add_cubes(parts, LIVE_WINDOW.table), whole)


def test_a_corrected_session_counts_by_its_last_row_only(events: Events) -> None:
    before, after = fold.sessions(events(*PLAY)), fold.sessions(events(*PLAY, TAIL))
    there = cube(before, QUALITY_HOUR)
    marts = add_cubes([there, cubes.corrections(after, before, QUALITY_HOUR)], QUALITY_HOUR.table)
    assert total(marts, "attempts") == 1
    assert (total(marts, "play_ms"), total(marts, "plays_finished"), total(marts, "plays_timed_out")) == (12_000, 1, 0)


def test_the_same_row_again_changes_nothing(events: Events) -> None:
    rows = fold.sessions(events(*PLAY, TAIL))
    change = cubes.corrections(rows, rows, QUALITY_HOUR)
    assert total(change, "attempts") == total(change, "play_ms") == 0
    assert all(not any(histogram) for histogram in change["startup_histogram"].to_pylist())


def test_ticks_count_every_event_by_when_it_was_sent(events: Events) -> None:
    assert freshness.sent_ticks(events(*PLAY, TAIL))["events"].to_pylist() == [5]


def test_a_viewer_s_day_adds_up_by_device_and_forgets_what_was_corrected(events: Events) -> None:
    before, after = fold.sessions(events(*PLAY, *OTHER)), fold.sessions(events(*PLAY, TAIL, *OTHER))
    there = cube(before, VIEWER_DAY)
    marts = add_cubes([there, cubes.corrections(after, before, VIEWER_DAY)], VIEWER_DAY.table).to_pylist()
    assert {(r["value_1"], r["value_2"]): (r["attempts"], r["play_ms"], r["stalls"], r["events"]) for r in marts} == {
        ("v-a", "web"): (1, 12_000, 1, 5),
        ("v-zz", "web"): (1, 0, 0, 2),
    }


def test_only_marts_that_name_viewers_are_personal() -> None:
    assert [mart.name for mart in MARTS if mart.personal] == ["viewer_day"]
