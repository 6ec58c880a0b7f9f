"""How findings become incidents: opened, confirmed, merged, closed, taken up again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from qoescope.catalog.watch import BY_METRIC
from qoescope.monitor.detect.finding import Finding
from qoescope.monitor.detect.named_slices import are_related
from qoescope.monitor.incidents.lifecycle import Clock, Incident, advance, confirmed_spans

CLOCK = Clock()
BEGIN = datetime(2026, 1, 2, 20, 0, tzinfo=UTC)


def make_finding(
    slice_: dict[str, str], metric: str = "start_failure_ratio", score: float = 30.0, onset: int = 0
) -> Finding:
    return Finding(BY_METRIC[metric], slice_, score, 40.0, 8.0, 200.0, 0.25, 0.03, 0.9, CLOCK.step(BEGIN) + onset)


def walked(windows: Sequence[Sequence[Finding]]) -> list[list[Incident]]:
    """The incidents after each minute."""
    incidents: list[Incident] = []
    after = []
    for minute, found in enumerate(windows):
        incidents = advance(incidents, found, BEGIN + timedelta(minutes=minute), CLOCK)
        after.append(incidents)
    return after


def states(windows: Sequence[Sequence[Finding]]) -> list[list[str]]:
    return [[one.state for one in incidents] for incidents in walked(windows)]


WEB = {"device_type": "web"}


def test_two_of_three_windows_confirm_and_three_clean_ones_close() -> None:
    bad = [make_finding(WEB)]
    assert states([bad, [], bad, [], [], []]) == [
        ["provisional"], ["provisional"], ["confirmed"], ["confirmed"], ["confirmed"], ["closed"],
    ]  # fmt: skip


def test_what_shows_once_is_dismissed() -> None:
    assert states([[make_finding(WEB)], [], [], []])[-1] == ["dismissed"]


def test_metrics_that_speak_of_the_same_slice_are_one_incident() -> None:
    both = [make_finding(WEB), make_finding(WEB, "ebvs_ratio", 20.0)]
    (one,) = walked([both, both])[-1]
    assert sorted(one.metrics) == ["ebvs_ratio", "start_failure_ratio"]
    assert one.best.watched.metric == "start_failure_ratio"


def test_the_name_is_the_one_that_most_windows_gave() -> None:
    narrow = {"device_type": "web", "cdn": "borealis"}
    (one,) = walked([[make_finding(narrow, score=15)], [make_finding(WEB)], [make_finding(WEB)]])[-1]
    assert dict(one.slice) == WEB


def test_unrelated_slices_are_incidents_of_their_own() -> None:
    both = [make_finding(WEB), make_finding({"isp": "vivo"})]
    assert states([both, both])[-1] == ["confirmed", "confirmed"]


NARROW = {"device_type": "web", "cdn": "borealis"}


def test_related_slices_that_one_metric_tells_apart_are_two_incidents() -> None:
    both = [make_finding(NARROW, score=60), make_finding(WEB), make_finding(WEB, "ebvs_ratio", score=40)]
    incidents = walked([both, both])[-1]
    assert [(dict(one.slice), sorted(one.metrics)) for one in incidents] == [
        (NARROW, ["start_failure_ratio"]), (WEB, ["ebvs_ratio", "start_failure_ratio"]),
    ]  # fmt: skip


def test_what_reaches_beyond_an_incident_that_shows_under_its_own_name_is_another_cause() -> None:
    failing, slow = [make_finding(NARROW)], [make_finding(WEB, "startup_avg_ms", onset=5)]
    beside = walked([failing, failing, failing + slow, failing + slow])[-1]
    assert [dict(one.slice) for one in beside] == [NARROW, WEB]
    instead = walked([failing, failing, slow, slow])[-1]
    assert len(instead) == 1


def test_what_began_in_the_same_minutes_is_one_cause_even_where_another_metric_names_a_wider_slice() -> None:
    failing, leaving = [make_finding(NARROW)], [make_finding(WEB, "ebvs_ratio", onset=2)]
    (one,) = walked([failing, failing, failing + leaving, failing + leaving])[-1]
    assert (dict(one.slice), sorted(one.metrics)) == (NARROW, ["ebvs_ratio", "start_failure_ratio"])


def test_a_part_of_an_incidents_sessions_goes_on_with_it_though_the_names_do_not_tell() -> None:
    wide, part = [make_finding({"drm": "fairplay"}, score=14)], make_finding({"device_type": "mobile", "os": "ios"})
    known = replace(part, overlapping=({"drm": "fairplay"},))
    other = replace(known, watched=BY_METRIC["startup_avg_ms"])
    names = [[dict(one.slice) for one in walked([wide, wide, [last]])[-1]] for last in (known, part, other)]
    assert names == [[part.slice], [wide[0].slice, part.slice], [wide[0].slice, part.slice]]


def test_what_may_be_a_faults_first_minutes_is_no_history() -> None:
    windows = [[make_finding(WEB)], [make_finding(WEB)]]
    (one,) = walked(windows)[-1]
    (minutes,), (hours,) = (confirmed_spans([one], clock, clock.step(BEGIN) + 9) for clock in (CLOCK, Clock(3600)))
    assert (minutes.begin, hours.begin) == (CLOCK.step(one.onset_at) - 2, Clock(3600).step(one.onset_at))


def test_an_incident_that_nobody_looked_at_for_long_does_not_become_another_slices() -> None:
    incidents = walked([[make_finding(WEB)], [make_finding(WEB)]])[-1]
    later = advance(incidents, [make_finding(NARROW, "rebuffer_ratio")], BEGIN + timedelta(hours=2), CLOCK)
    assert [dict(one.slice) for one in later] == [WEB, NARROW]


def test_what_comes_back_within_an_hour_goes_on() -> None:
    bad = [make_finding(WEB)]
    after = walked([bad, bad, [], [], [], bad])
    assert [one.state for one in after[4]] == ["closed"]
    assert [(one.state, one.id) for one in after[5]] == [("confirmed", after[4][0].id)]


def test_what_comes_back_later_is_new() -> None:
    bad = [make_finding(WEB)]
    after = walked([bad, bad, *([[]] * 90), bad])
    assert len(after[-1]) == 2


def test_the_onset_is_the_median_of_the_first_estimates_and_then_stays() -> None:
    windows = [[make_finding(WEB, onset=o)] for o in (-3, -1, -2, -2, 40, 40, 40)]
    (one,) = walked(windows)[-1]
    assert one.onset_at == BEGIN - timedelta(minutes=2)


def test_the_whole_is_related_to_itself_only() -> None:
    assert are_related({}, {})
    assert not are_related({}, WEB)
    assert are_related(WEB, {"device_type": ["web", "tablet"]})
