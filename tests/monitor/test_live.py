"""The watch over minutes: what opens, since when, what it is called, when it closes, and what stays silent."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from qoescope.monitor.incidents import records, story
from qoescope.monitor.incidents.impact import Impact
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.incidents.live import LiveWatch
from qoescope.monitor.incidents.records import IncidentContext

DIMS = ("device_type", "isp", "cdn")
COLUMNS = ("starts", "start_failures", "start_failures_business", "exits_before_start", "plays_ended", "play_failures",
           "startups", "startup_log_sum", "startup_log_sq", "watched_ms")  # fmt: skip
BEGIN = 1_000_000
MINUTES = 96
ONSET, END = 60, 80


def minute(rng: np.random.Generator, at: int, broken: bool) -> pa.Table:
    """A minute of 12 leaves with some 40 starts each; one CDN fails while `broken`."""
    device, isp, cdn = (axis.ravel() for axis in np.meshgrid(np.arange(2), np.arange(3), np.arange(2)))
    started = rng.poisson(40, device.size)
    rate = np.where(device == 1, 0.06, 0.02)
    if broken and ONSET <= at < END:
        rate = np.where(cdn == 1, 0.3, rate)
    failed = rng.binomial(started, rate)
    logs = rng.normal(7.3, 0.5, (device.size, 60))[:, :50]
    count = np.full(device.size, 50)
    left = rng.binomial(started - failed, 0.03)
    return pa.table(
        {
            "device_type": pa.array([f"device-{v}" for v in device]),
            "isp": pa.array([f"isp-{v}" for v in isp]),
            "cdn": pa.array([f"cdn-{v}" for v in cdn]),
            "starts": pa.array(started - failed - left),
            "start_failures": pa.array(failed),
            "exits_before_start": pa.array(left),
            "plays_ended": pa.array(started),
            "play_failures": pa.array(rng.binomial(started, 0.01)),
            "startups": pa.array(count),
            "startup_log_sum": pa.array(logs.sum(axis=1)),
            "startup_log_sq": pa.array((logs**2).sum(axis=1)),
            "watched_ms": pa.array(started * 60_000),
        }
    )


def watched(seed: int, broken: bool) -> list[Incident]:
    rng = np.random.default_rng(seed)
    live = LiveWatch(DIMS, COLUMNS)
    for at in range(MINUTES):
        live.history.put(BEGIN + at, minute(rng, at, broken))
        if at >= 40:
            live.look(BEGIN + at)
    return [one for one in live.incidents if one.confirmed_at is not None]


@pytest.fixture(scope="module")
def incidents() -> list[Incident]:
    return watched(1, broken=True)


def test_a_failing_cdn_is_one_incident_with_its_name(incidents: list[Incident]) -> None:
    assert [dict(one.slice) for one in incidents] == [{"cdn": "cdn-1"}]
    assert max(incidents[0].metrics, key=lambda m: incidents[0].metrics[m]) == "start_failure_ratio"


def test_it_is_confirmed_within_three_minutes_dated_and_closed(incidents: list[Incident]) -> None:
    (one,) = incidents
    onset, end = ((BEGIN + at) * 60 for at in (ONSET, END))
    assert one.confirmed_at is not None
    assert one.closed_at is not None
    assert one.confirmed_at.timestamp() - onset <= 180
    assert abs(one.onset_at.timestamp() - onset) <= 120
    assert one.closed_at.timestamp() - end <= 600
    assert one.state == "closed"


def test_without_a_fault_nothing_is_confirmed() -> None:
    assert watched(2, broken=False) == []


def test_the_story_says_since_when_what_where_and_what_is_normal(incidents: list[Incident]) -> None:
    (one,) = incidents
    said = story.story(one, 4812)
    assert f"From {one.onset_at:%H:%M}" in said
    assert "of plays from CDN cdn-1 fail to start" in said
    assert "4,812 viewers were affected" in said


def test_a_row_brings_the_incident_back(incidents: list[Incident]) -> None:
    import json

    (one,) = incidents
    shown = IncidentContext("demo", "live", ["s1"], [])
    row = records.row(one, Impact(120.0, 130, 99, 4.5), shown, one.opened_at + timedelta(minutes=1))
    stored = row | {name: json.loads(row[name]) for name in ("slice", "rivals", "memory")}
    again = records.incident(stored)
    assert (again.id, again.state, dict(again.slice), again.votes) == (one.id, one.state, dict(one.slice), one.votes)
    assert again.best.score == one.best.score
