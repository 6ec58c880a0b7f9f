"""The walk through restated hours and days: what an hour is too short to tell, a day tells, and once."""

import numpy as np
import pyarrow as pa
import pytest

from qoescope.catalog.watch import BY_METRIC, SESSION_DIMENSIONS
from qoescope.monitor.detect.history import History
from qoescope.monitor.detect.kpis import session_columns
from qoescope.monitor.incidents import records
from qoescope.monitor.incidents.impact import Impact
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.incidents.records import IncidentContext
from qoescope.monitor.incidents.restated import LEAST_HOURS, RestatedWatch, baseline_days, hours_of

WATCHED = [BY_METRIC["play_failure_ratio"]]
DAY = 20_000
ISPS, CDNS = 6, 4
PLAYS = 30
"""In an hour and leaf."""
WEAK, STRONG = 0.05, 0.8


def hour(rng: np.random.Generator, bad: float) -> pa.Table:
    """An hour of 24 leaves; plays from one CDN at one ISP break off at the rate `bad`, all others at 1 %."""
    isp, cdn = (axis.ravel() for axis in np.meshgrid(np.arange(ISPS), np.arange(CDNS)))
    rate = np.where((isp == 2) & (cdn == 1), bad, 0.01)
    plays = np.full(isp.size, PLAYS)
    same = pa.array(["x"] * isp.size)
    names = dict.fromkeys(SESSION_DIMENSIONS, same)
    names |= {"isp": pa.array([f"isp-{v}" for v in isp]), "cdn": pa.array([f"cdn-{v}" for v in cdn])}
    return pa.table(
        names | {"play_failure_ratio_0": pa.array(plays), "play_failure_ratio_1": pa.array(rng.binomial(plays, rate))}
    )


def walked(bad: dict[int, float], days: int, hours: tuple[int, ...] = tuple(range(24)), seed: int = 3) -> RestatedWatch:
    """A walk through the last of so many days; `bad` is the rate of the slice by day, in `hours` of it."""
    rng = np.random.default_rng(seed)
    history = History(SESSION_DIMENSIONS, tuple(session_columns(WATCHED)))
    for day in range(days):
        for at in hours_of(DAY + day):
            history.put(at, hour(rng, bad.get(day, 0.01) if at % 24 in hours else 0.01))
    walk = RestatedWatch.over(history, WATCHED)
    for day in range(DAY + min(bad, default=days - 2) - 1, DAY + days):
        for at in hours_of(day):
            walk.look(at)
        walk.look_back(day)
    return walk


def told(walk: RestatedWatch) -> list[tuple[dict[str, object], str, int]]:
    return [(dict(one.slice), one.state, one.every) for one in walk.incidents if one.confirmed_at is not None]


SLICE = {"cdn": "cdn-1", "isp": "isp-2"}


def test_what_an_hour_is_too_short_to_tell_a_day_tells() -> None:
    assert told(walked({5: WEAK}, 6)) == [(SLICE, "confirmed", 24)]


@pytest.mark.parametrize("before", [1, 2, 3])
def test_an_hour_is_told_once_there_are_hours_to_hold_it_against(before: int) -> None:
    """What a service's first hours show, the live watch tells: one of them may be part of an hour, or of the fault."""
    rng = np.random.default_rng(3)
    history = History(SESSION_DIMENSIONS, tuple(session_columns(WATCHED)))
    for at in range(before):
        history.put(at, hour(rng, 0.01))
    history.put(before, hour(rng, STRONG))
    walk = RestatedWatch.over(history, WATCHED)
    walk.look(before)
    assert told(walk) == ([(SLICE, "confirmed", 1)] if before >= LEAST_HOURS else [])


def test_day_after_day_it_is_one_incident_and_over_after_two_clean_days() -> None:
    walk = walked(dict.fromkeys((5, 6, 7), WEAK), 10)
    assert told(walk) == [(SLICE, "closed", 24)]
    (one,) = walk.incidents
    assert one.last_seen_at == walk.clock.time(hours_of(DAY + 7).stop)
    assert one.closed_at == walk.clock.time(hours_of(DAY + 9).stop)
    assert abs((one.onset_at - walk.clock.time(hours_of(DAY + 5).start)).total_seconds()) <= 6 * 3600


def test_what_its_hours_told_a_day_does_not_tell_again() -> None:
    assert told(walked({5: STRONG}, 7, hours=(10, 11, 12, 13))) == [(SLICE, "closed", 1)]


def test_a_fault_that_grows_for_days_does_not_become_its_own_history() -> None:
    growing = dict(zip(range(5, 11), (0.015, 0.02, 0.025, 0.03, 0.04, WEAK), strict=True))
    assert told(walked(growing, 11)) == [(SLICE, "confirmed", 24)]


def test_without_a_fault_hours_and_days_are_silent() -> None:
    assert told(walked({}, 8)) == []


def test_a_day_is_held_against_the_same_days_of_the_week_and_a_young_one_against_what_there_is() -> None:
    history = History(SESSION_DIMENSIONS, tuple(session_columns(WATCHED)))
    empty = pa.table({name: pa.array([], pa.string()) for name in SESSION_DIMENSIONS})
    for day in range(30):
        for at in hours_of(DAY + day):
            history.put(at, empty)

    def ago(day: int) -> list[int]:
        return sorted({DAY + day - at // 24 for at in baseline_days(history, DAY + day)})

    assert ago(29) == [6, 7, 8, 14, 21, 28]
    assert ago(5) == [3, 4, 5]
    assert ago(2) == [1, 2]
    assert ago(1) == []


def test_a_row_brings_the_length_of_its_windows_back() -> None:
    import json

    (one,) = walked({5: WEAK}, 6).incidents
    row = records.row(one, Impact(1.0, 1, 1, 0.0), IncidentContext("demo", "batch", [], []), one.opened_at)
    again: Incident = records.incident(row | {name: json.loads(row[name]) for name in ("slice", "rivals", "memory")})
    assert (again.every, again.hits) == (24, one.hits)
