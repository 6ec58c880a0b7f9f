"""No sum can leave 64 bits within what the catalog says that a session, a cell and a window may hold."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from qoescope.catalog.bounds import (
    LARGEST_SUM,
    LONGEST_SESSION_MS,
    LONGEST_STATE_MS,
    MOST_EVENTS,
    MOST_KBPS,
    MOST_SESSIONS,
    MOST_WINDOW_EVENTS,
)
from qoescope.catalog.events import EVENT_FIELDS, IN_TABLES, LONGEST_INTERVAL_MS
from qoescope.catalog.marts import QUALITY_HOUR, SESSION_MARTS
from qoescope.catalog.measures import LIVE_MEASURES, MEASURES
from qoescope.catalog.sessions import SCORES, SUMS
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.compile import arrow, fold
from qoescope.compile.adding import add_cubes
from qoescope.compile.cube import cube

SUMMED = [m for m in MEASURES if m.type not in ("ints", "sketch")]
GREATEST = {s.name: s.most for s in SUMS} | {
    "1": 1,
    "watched_ms": 6 * LONGEST_SESSION_MS,
    "media_ms": LONGEST_SESSION_MS,
    "lost_events": MOST_EVENTS,
    "startup_ms": LONGEST_STATE_MS,
    "content_startup_ms": LONGEST_STATE_MS,
    "content_duration_ms": LONGEST_SESSION_MS,
    "content_seen_ms": LONGEST_SESSION_MS,
    **dict.fromkeys(SCORES, 100 * 100),
}
"""What one session can add to a measure; scores are added in hundredths."""
IN_A_WINDOW = {
    "1": 1,
    "t": LONGEST_INTERVAL_MS,
    "bitrate_kbps * t": MOST_KBPS * LONGEST_INTERVAL_MS,
}


@pytest.mark.parametrize("measure", SUMMED, ids=lambda m: m.name)
def test_a_cells_sum_stays_within_64_bits_for_all_sessions_that_it_may_hold(measure: Any) -> None:
    assert GREATEST[measure.of] * MOST_SESSIONS <= LARGEST_SUM


@pytest.mark.parametrize("measure", [m for m in LIVE_MEASURES if m.type == "int"], ids=lambda m: m.name)
def test_a_live_windows_sum_stays_within_64_bits_for_all_events_that_it_may_hold(measure: Any) -> None:
    assert IN_A_WINDOW[measure.of] * MOST_WINDOW_EVENTS <= LARGEST_SUM


def extreme(session: str, count: int) -> pa.Table:
    """Events of one session whose numbers are all as great as they may be."""
    at = datetime(2025, 11, 1, 12, tzinfo=UTC)
    rows = []
    for n in range(count):
        numbers = {IN_TABLES[f.name]: f.bounds[1] for f in EVENT_FIELDS if f.bounds and f.type in ("int", "float")}
        state = ("playing", "paused", "stalled", "starting")[n % 4]
        numbers |= {"seq": MOST_EVENTS - n, "state_ms": LONGEST_STATE_MS if state == "paused" else LONGEST_INTERVAL_MS}
        rows.append(
            numbers
            | {
                "property": "app",
                "session_id": session,
                "at": at,
                "type": "heartbeat",
                "state": state,
                "rate": 100.0,
                "width": 1,
                "height": 1,
                "content_duration_ms": LONGEST_SESSION_MS,
                "received_at": at,
                "session_started_at": at,
                "session_day": date(2025, 11, 1),
                "bucket": 0,
            }
        )
    names = [f.name for f in EVENTS.fields if f.name in rows[0]]
    schema = arrow.schema(EVENTS)
    return pa.table({name: pa.array([row[name] for row in rows], schema.field(name).type) for name in names})


def test_a_session_at_all_its_bounds_is_measured_and_held_to_them() -> None:
    (row,) = fold.sessions(extreme("s", 60_000)).to_pylist()
    assert {s.name: row[s.name] for s in SUMS if s.name in row and row[s.name] > s.most} == {}
    assert (row["paused_ms"], row["bitrate_kbps_ms"]) == (LONGEST_SESSION_MS, GREATEST["bitrate_kbps_ms"])
    assert row["lost_events"] == MOST_EVENTS - 60_000


def test_sums_beyond_64_bits_stop_at_their_edge_in_cubes_and_in_sums_of_cubes() -> None:
    row = fold.sessions(extreme("s", 8)).to_pylist()[0] | {"bitrate_kbps_ms": 2**62, "play_ms": 5}
    rows = pa.Table.from_pylist([row] * 5, arrow.schema(SESSIONS))
    for mart in SESSION_MARTS:
        if "bitrate_kbps_ms" in mart.table.names:
            made = cube(rows, mart)
            assert set(made["bitrate_kbps_ms"].to_pylist()) == {LARGEST_SUM}
            assert set(made["play_ms"].to_pylist()) == {25}
    twice = add_cubes([cube(rows, QUALITY_HOUR)] * 2, QUALITY_HOUR.table)
    assert set(twice["bitrate_kbps_ms"].to_pylist()) == {LARGEST_SUM}
    assert set(twice["play_ms"].to_pylist()) == {50}
