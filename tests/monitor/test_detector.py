"""What a look calls a cause while an incident goes on: the incident's name, unless more speaks for another."""

from dataclasses import replace
from itertools import product
from math import log

import pyarrow as pa
import pytest

from qoescope.catalog.watch import BY_METRIC, Watched
from qoescope.monitor.detect.detector import Detector
from qoescope.monitor.detect.history import History, slice_span
from qoescope.monitor.detect.kpis import live_kpis

DIMS = ("app_version", "cdn", "network_type")
COLUMNS = ("plays_ended", "play_failures")
BROAD = {"app_version": "v1", "cdn": "c1"}
NARROW = BROAD | {"network_type": "wifi"}
NOW = 20


def hour(broken: bool) -> pa.Table:
    """24 leaves; plays over wifi with v1 from c1 break off while `broken`, those by cable never did."""
    rows = []
    for app, cdn, network in product(("v1", "v2", "v3", "v4"), ("c1", "c2", "c3"), ("wifi", "ethernet")):
        here = app == "v1" and cdn == "c1"
        plays = 120 if network == "wifi" else 60
        bad = (44 if network == "wifi" else 1) if here and broken else 0 if here and network == "ethernet" else 1
        rows.append((app, cdn, network, plays, bad))
    return pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=[*DIMS, *COLUMNS])


@pytest.mark.parametrize(("votes", "name"), [(20.0, NARROW), (60.0, BROAD)])
def test_an_incident_keeps_its_name_only_against_what_speaks_less(votes: float, name: dict[str, str]) -> None:
    history = History(DIMS, COLUMNS)
    for step in range(NOW + 1):
        history.put(step, hour(broken=step == NOW))
    detector = Detector(history, live_kpis([BY_METRIC["play_failure_ratio"]], COLUMNS))
    (found,) = detector.findings(range(NOW, NOW + 1), range(NOW), [slice_span(NOW, NOW + 1, BROAD, votes)], burns=False)
    assert dict(found.slice) == name


EXITS, STARTUP = BY_METRIC["ebvs_ratio"], BY_METRIC["startup_avg_ms"]
WAITS = tuple(name for part in (EXITS.leaf[0], *STARTUP.leaf) for name in part)


def waits(slow: set[tuple[str, str]], leaving: set[tuple[str, str]]) -> pa.Table:
    """Plays of each app version and CDN: 8 s instead of 2 s where `slow`; a few viewers leave, more of `leaving`."""
    rows = []
    for where in product(("v1", "v2", "v3", "v4"), ("c1", "c2", "c3")):
        starts, exits, mean = 60, 7.5 if where in leaving else 0.2, log(8000 if where in slow else 2000)
        rows.append((*where, starts - exits, 0, 0, exits, starts, starts * mean, starts * (mean**2 + 0.3)))
    return pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=["app_version", "cdn", *WAITS])


ONE, OTHER, THIRD = ("v1", "c1"), ("v2", "c2"), ("v4", "c1")


@pytest.mark.parametrize(
    ("exits", "leaving", "named"),
    [
        (replace(EXITS, symptom=False), {ONE, OTHER}, {""}),
        (EXITS, {ONE, OTHER}, {"v1 c1", "v2 c2"}),
        (EXITS, {ONE, THIRD}, {"c1"}),
    ],
)
def test_viewers_leave_under_the_names_of_what_they_wait_for(
    exits: Watched, leaving: set[tuple[str, str]], named: set[str]
) -> None:
    """Too few leave either slow slice to be found there, so the whole is; others have a name of their own."""
    history = History(("app_version", "cdn"), WAITS)
    for step in range(NOW):
        history.put(step, waits(set(), set()))
    history.put(NOW, waits({ONE, OTHER}, leaving))
    detector = Detector(history, live_kpis([exits, STARTUP], WAITS))
    seen = detector.findings(range(NOW, NOW + 1), range(NOW), burns=False)
    assert {" ".join(map(str, f.slice.values())) for f in seen if f.watched is STARTUP} == {"v1 c1", "v2 c2"}
    assert {" ".join(map(str, f.slice.values())) for f in seen if f.watched is exits} == named


STARTS = (
    "starts",
    "start_failures",
    "start_failures_business",
    "exits_before_start",
    "startups",
    "startup_log_sum",
    "startup_log_sq",
)


def starts(broken: bool, beside: int) -> pa.Table:
    """Starts of v1 over wifi are slow while `broken`; from c1 half of them fail too, from elsewhere `beside` each."""
    rows = []
    for app, cdn, network in product(("v1", "v2", "v3", "v4"), ("c1", "c2", "c3"), ("wifi", "ethernet")):
        here = broken and app == "v1" and network == "wifi"
        failed = (100 if cdn == "c1" else beside) if here else 2
        mean = 7.0 + 0.5 * here
        rows.append((app, cdn, network, 200 - failed, failed, 0, 0, 200.0, 200 * mean, 200 * (mean**2 + 0.25)))
    return pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=[*DIMS, *STARTS])


@pytest.mark.parametrize(("beside", "shared"), [(3, False), (90, True)])
def test_a_metric_goes_by_anothers_slice_only_if_all_of_that_is_as_bad(beside: int, shared: bool) -> None:
    history = History(DIMS, STARTS)
    for step in range(NOW + 1):
        history.put(step, starts(step == NOW, beside))
    kpis = live_kpis([BY_METRIC["start_failure_ratio"], BY_METRIC["startup_avg_ms"]], STARTS)
    found = Detector(history, kpis).findings(range(NOW, NOW + 1), range(NOW), burns=False)
    slow = {"app_version": "v1", "network_type": "wifi"}
    assert {f.watched.metric: dict(f.slice) for f in found} == {
        "startup_avg_ms": slow,
        "start_failure_ratio": slow if shared else slow | {"cdn": "c1"},
    }


def audience(fallen: tuple[str, str]) -> pa.Table:
    """A hundred viewers of each title from each CDN; a fifth of them where the dimension has the fallen value."""
    rows = []
    for title, cdn in product((f"t{n}" for n in range(8)), (f"c{n}" for n in range(8))):
        gone = fallen in (("content_id", title), ("cdn", cdn))
        rows.append((title, cdn, (20 if gone else 100) * 60_000.0))
    return pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=["content_id", "cdn", "watched_ms"])


@pytest.mark.parametrize(("fallen", "found"), [(("cdn", "c1"), [{"cdn": "c1"}]), (("content_id", "t1"), [])])
def test_a_cdn_that_falls_silent_is_found_and_a_title_that_ends_is_none(
    fallen: tuple[str, str], found: list[dict[str, str]]
) -> None:
    history = History(("content_id", "cdn"), ("watched_ms",))
    for step in range(NOW + 1):
        history.put(step, audience(fallen if step == NOW else ("", "")))
    detector = Detector(history, live_kpis([BY_METRIC["live_concurrent_viewers"]], ("watched_ms",)))
    assert [dict(f.slice) for f in detector.findings(range(NOW, NOW + 1), range(NOW), burns=False)] == found
