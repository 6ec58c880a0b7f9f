"""However wrong a device's clock is, its sessions are measured as with a right one, and lie where they happened."""

import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qoescope.catalog.measures import MEASURES
from qoescope.compile import fold
from qoescope.compile.records.parsing import RECORDS, parse_events
from qoescope.ingest import records
from qoescope.ingest.clocks import Clocks
from qoescope.ingest.context import Arrival
from qoescope.ingest.judge import JudgedBeacon, judge_beacon
from qoescope.ingest.limits import Limits

NOW = 1_762_000_000_000
DAY, YEAR = 86_400_000, 365 * 86_400_000
EVENT = {"type": "heartbeat", "state": "playing", "state_ms": 10_000}


def came(beacon: dict[str, Any], received_at: int, clocks: Clocks | None = None) -> JudgedBeacon:
    arrival = Arrival("shop", received_at, b"k" * 32, {}, clocks=clocks)
    return judge_beacon(json.dumps(beacon).encode(), arrival, Limits())


def play(shift: int) -> list[tuple[dict[str, Any], int]]:
    """Beacons of one play by a clock that is off by so much, and when they come."""
    session = {"session_id": "s", "started_at": NOW + shift, "device_type": "smart_tv"}
    said = [
        [(0, "playback_request", "idle", 0), (1_500, "playback_start", "starting", 1_500)],
        [(11_500, "heartbeat", "playing", 10_000), (15_000, "playback_stall", "playing", 3_500)],
        [(16_000, "playback_start", "stalled", 1_000), (60_000, "playback_finish", "playing", 44_000)],
    ]
    beacons, seq = [], 0
    for place, some in enumerate(said):
        events = []
        for at, kind, state, ms in some:
            seq += 1
            events.append({"seq": seq, "at": NOW + at + shift, "type": kind, "state": state, "state_ms": ms})
        sent = NOW + some[-1][0]
        beacons.append(({"session": session, "events": events, "sent_at": sent + shift}, sent + 200 * place))
    return beacons


def lake(judgements: list[tuple[JudgedBeacon, int]]) -> pa.Table:
    """Rows of the lake's events, as a stream reads them from the log."""
    values = [records.beacon_records(j, Arrival("shop", at, b"", {}))[0].value for j, at in judgements]
    rows = [{"key": b"s", "value": v, "kafka_partition": 0, "kafka_offset": i} for i, v in enumerate(values)]
    return parse_events(pa.Table.from_pylist(rows, RECORDS), 8)


def told(shift: int, clocks: Clocks | None) -> tuple[list[dict[str, Any]], pa.Table]:
    events = lake([(came(beacon, at, clocks), at) for beacon, at in play(shift)])
    return fold.sessions(events).to_pylist(), events


@settings(max_examples=60, deadline=None)
@given(shift=st.integers(-60 * YEAR, 60 * YEAR), remembers=st.booleans())
@example(shift=-NOW, remembers=True)
@example(shift=-10 * DAY, remembers=False)
@example(shift=946_684_800_000 - NOW, remembers=True)
@example(shift=3_600_000, remembers=False)
@example(shift=60 * YEAR, remembers=True)
@example(shift=-60 * YEAR, remembers=True)
def test_shifting_a_devices_whole_clock_by_any_amount_changes_no_measure(shift: int, remembers: bool) -> None:
    (right,), _ = told(0, None)
    (row,), events = told(shift, Clocks() if remembers else None)
    measured = {word for m in MEASURES for word in (m.of, m.where) if word in right}
    assert {name: row[name] for name in measured} == {name: right[name] for name in measured}
    assert (row["play_ms"], row["startup_ms"], row["stall_count"]) == (57_500, 1_500, 1)
    assert abs(row["started_at"] - right["started_at"]).total_seconds() <= 61
    assert len(set(events["session_day"].to_pylist())) == 1
    assert all(abs(e["received_at"] - e["at"]).total_seconds() < 120 for e in events.to_pylist())


def test_a_device_of_1970_is_placed_by_when_it_says_it_sent() -> None:
    body = {
        "session": {"session_id": "c", "started_at": 8_000},
        "events": [
            {"seq": 1, "at": 8_000, "type": "playback_request", "state": "idle", "state_ms": 0},
            {"seq": 2, "at": 9_000, "type": "playback_start", "state": "starting", "state_ms": 1_000},
            {"seq": 3, "at": 19_000, "type": "playback_finish", "state": "playing", "state_ms": 10_000},
        ],
        "sent_at": 20_000,
    }
    found = came(body, NOW)
    assert [event.at for event in found.events] == [NOW - 12_000, NOW - 11_000, NOW - 1_000]
    assert all(msgspec.to_builtins(event)["clock_adjusted"] for event in found.events)
    assert found.session is not None
    assert (found.session.started_at, found.sent_at) == (NOW - 12_000, 20_000)
    events = lake([(found, NOW)])
    (row,) = fold.sessions(events).to_pylist()
    assert (row["play_ms"], row["startup_ms"], row["started_at"].timestamp() * 1000) == (10_000, 1_000, NOW - 12_000)
    assert events["sent_at"].cast(pa.int64()).to_pylist() == [20_000_000] * 3


@pytest.mark.parametrize(
    "at", [8_000, 946_684_800_000, NOW - 31 * DAY, NOW - 10 * DAY, NOW + 6 * 60_000, NOW + 30 * YEAR, -NOW]
)
def test_without_a_time_of_sending_a_clock_beyond_belief_places_its_events_at_arrival(at: int) -> None:
    found = came({"session": {"session_id": "c", "started_at": at}, "events": [{**EVENT, "seq": 1, "at": at}]}, NOW)
    assert [(e.at, msgspec.to_builtins(e).get("clock_adjusted")) for e in found.events] == [(NOW, True)]
    (row,) = lake([(found, NOW)]).to_pylist()
    assert (row["session_day"], row["at"]) == (row["received_at"].date(), row["received_at"])


def test_a_session_that_has_gone_on_for_weeks_keeps_its_start() -> None:
    start = NOW - 12 * DAY
    body = {"session": {"session_id": "c", "started_at": start}, "events": [{**EVENT, "seq": 9, "at": NOW - 5}]}
    assert came(body, NOW).session.started_at == start  # type: ignore[union-attr]


def test_a_letter_that_is_judged_again_keeps_its_times_as_on_the_day_when_it_came() -> None:
    at, later = NOW - 2 * DAY, NOW + 20 * DAY
    body = {"session": {"session_id": "c", "started_at": at}, "events": [{**EVENT, "seq": 1, "at": at}]}
    arrival = Arrival("shop", later, b"k" * 32, {}, first_at=NOW)
    found = judge_beacon(json.dumps(body).encode(), arrival, Limits())
    assert [e.at for e in found.events] == [at]
    assert found.session is not None
    assert found.session.started_at == at


@pytest.mark.parametrize("start", [8_000.25, -2_082_844_799_999.5, NOW + 2 * YEAR + 0.75])
def test_a_clock_that_is_finer_than_a_millisecond_is_a_clock(start: float) -> None:
    event = {"type": "playback_start", "state": "starting", "state_ms": 1_000}
    body = {
        "session": {"session_id": "c", "started_at": start},
        "events": [{**event, "seq": 1, "at": start + 1_000}],
        "sent_at": start + 2_000,
    }
    found = came(body, NOW)
    assert ([e.at for e in found.events], found.unknown) == ([NOW - 1_000], {})
    assert found.session is not None
    assert found.session.started_at == NOW - 2_000


@pytest.mark.parametrize("days", [2, 8, 40, 300])
def test_a_queue_that_says_when_it_recorded_and_when_it_sent_keeps_its_times(days: int) -> None:
    at = NOW - days * DAY
    body = {"session": {"session_id": "q", "started_at": at}, "events": [{**EVENT, "seq": 1, "at": at}], "sent_at": NOW}
    found = came(body, NOW + 300)
    assert [(e.at, msgspec.to_builtins(e).get("clock_adjusted")) for e in found.events] == [(at, None)]


@pytest.mark.parametrize("off", [-60_000, -59_000, 0, 59_000, 60_000])
def test_a_clock_within_a_minute_is_right(off: int) -> None:
    at = NOW + off
    found = came({"session": {"session_id": "c"}, "events": [{**EVENT, "seq": 1, "at": at}], "sent_at": at}, NOW)
    assert [(e.at, msgspec.to_builtins(e).get("clock_adjusted")) for e in found.events] == [(at, None)]


@pytest.mark.parametrize("sent_at", [0, 1, NOW - 10 * YEAR, "now", 1e300, True, -1])
def test_a_time_of_sending_before_what_it_sends_is_none(sent_at: object) -> None:
    found = came({"session": {"session_id": "c"}, "events": [{**EVENT, "seq": 1, "at": NOW}], "sent_at": sent_at}, NOW)
    assert [(e.at, msgspec.to_builtins(e).get("clock_adjusted")) for e in found.events] == [(NOW, None)]


def test_a_beacon_that_is_sent_again_later_is_not_moved_by_its_delay() -> None:
    clocks = Clocks()
    (beacon, at), *_ = play(-10 * YEAR)
    first, again = came(beacon, at, clocks), came(beacon, at + 17 * 60_000, clocks)
    assert [e.at for e in again.events] == [e.at for e in first.events]
    assert first.session == again.session


def test_a_clock_that_is_set_in_mid_session_moves_neither_its_start_nor_what_comes_after() -> None:
    clocks, shift = Clocks(), -10 * YEAR
    wrong, right = play(shift), play(0)
    start = wrong[0][0]["session"]["started_at"]
    first = came(*wrong[0], clocks)
    later = {**right[1][0], "session": {**right[1][0]["session"], "started_at": start}}
    found = came(later, right[1][1], clocks)
    assert first.session is not None
    assert found.session is not None
    assert found.session.started_at == first.session.started_at
    assert [e.at for e in found.events] == [NOW + 11_500, NOW + 15_000]


def test_the_memory_of_clocks_is_bounded() -> None:
    clocks = Clocks(most=3)
    for n in range(10):
        clocks.shift("shop", f"s{n}", 120_000)
    assert clocks.shift("shop", "s9", None).events == 120_000
    assert clocks.shift("shop", "s0", None).events == 0


def test_a_session_that_fits_its_day_by_one_beacon_fits_it_by_all() -> None:
    midnight = NOW - NOW % DAY + DAY
    clocks, day = Clocks(), set()
    for delay in (0, 900, 1_900, 40_000):
        body = {
            "session": {"session_id": "m", "started_at": 1_000},
            "sent_at": 2_000,
            "events": [{**EVENT, "seq": delay + 1, "at": 1_000}],
        }
        session = came(body, midnight + delay, clocks).session
        assert session is not None
        day.add(session.started_at // DAY)
    assert len(day) == 1
