"""What the data set's CSV says of simulated sessions comes back from its import as the fold of their events has it."""

import io

import pyarrow as pa
import pytest

from qoescope.compile import fold
from qoescope.emit import events, measures, rows
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import Sessions, simulated
from qoescope.sources.csv.sessions import CsvSessions, csv_sessions

SAME = (
    "viewer_id", "started_at", "day", "hour", "day_of_week", "viewer_register", "device_type", "os",
    "browser", "browser_version", "user_agent", "app_version", "content_id", "network_type", "country_code", "isp",
    "cdn_pop", "is_attempt", "is_play", "startup_ms", "stall_count", "stall_ms", "bitrate_avg_kbps", "dropped_frames",
)  # fmt: skip
"""What the CSV says whole."""
HALF_A_SECOND_MS = 500
"""Watched time is told in whole seconds."""
RESOLUTION = {240: 480, 360: 480, 480: 480, 540: 480, 720: 720, 1080: 1080, 1440: 1080, 2160: 2160}
"""Lines of a rendition by the name that the CSV has for it."""

World = tuple[CsvSessions, dict[str, dict[str, object]], dict[str, dict[str, object]]]


def world(seed: int) -> World:
    run = Scenario(sessions=1_500, seed=seed)
    s: Sessions = simulated(run, Load(run), run.numbers(0))
    text = rows.HEADER + rows.csv_bytes(rows.rows(s.viewing, measures.measures(s)))
    made = csv_sessions(io.StringIO(text.decode(), newline=""), "demo", 16)
    folded = fold.sessions(pa.concat_tables([events.plain(block) for block in events.blocks(s)]))
    imported, expected = ({row["session_id"]: row for row in t.to_pylist()} for t in (made.sessions, folded))
    return made, imported, expected


@pytest.fixture(scope="module", params=[5, 11])
def both(request: pytest.FixtureRequest) -> World:
    return world(request.param)


def test_no_row_of_the_data_set_is_lost_or_breaks_a_rule(both: World) -> None:
    made, imported, expected = both
    assert (made.quarantined.to_pylist(), made.repeated) == ([], 0)
    assert imported.keys() == expected.keys()


@pytest.mark.parametrize("name", SAME)
def test_each_value_of_the_csv_is_that_of_the_fold(both: World, name: str) -> None:
    _, imported, expected = both
    different = [(row[name], expected[key][name]) for key, row in imported.items() if row[name] != expected[key][name]]
    assert different == []


def test_watched_time_holds_no_pauses(both: World) -> None:
    _, imported, expected = both
    paused = sum(row["paused_ms"] for row in expected.values())  # type: ignore[misc]
    off = [row["watched_ms"] - expected[key]["watched_ms"] for key, row in imported.items()]  # type: ignore[operator]
    assert paused > 1_000_000
    assert max(map(abs, off)) <= HALF_A_SECOND_MS
    assert abs(sum(off)) < 0.01 * paused


def test_lines_come_back_by_their_name(both: World) -> None:
    _, imported, expected = both
    meant = {key: RESOLUTION.get(row["main_height"]) for key, row in expected.items()}  # type: ignore[call-overload]
    assert {key: row["main_height"] for key, row in imported.items()} == meant


def test_what_the_csv_cannot_say_is_not_made_up(both: World) -> None:
    _, imported, _ = both
    for name in ("content_startup_ms", "content_duration_ms", "first_received_at"):
        assert {row[name] for row in imported.values()} == {None}, name
    for name in ("paused_ms", "seek_ms", "ad_play_ms", "event_count", "lost_events", "error_count", "switch_up_count"):
        assert {row[name] for row in imported.values()} == {0}, name
