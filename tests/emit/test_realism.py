"""What viewers live through follows from causes, in the proportions in which services see it."""

import numpy as np
import pyarrow as pa
import pytest

from qoescope.catalog import faults as f
from qoescope.emit import counterfactual, delivery, events, measures
from qoescope.emit.measures import Measures
from qoescope.emit.players import STALL_COST
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import Sessions
from qoescope.emit.spans import CODE, FINISH, STARTING

World = tuple[Scenario, Sessions, Measures]


def test_startup_has_a_long_tail(calm: World) -> None:
    startup = calm[2].startup_ms[calm[2].startup_ms >= 0]
    middle, late = np.quantile(startup, [0.5, 0.95])
    assert 1_000 < middle < 4_000
    assert late / middle > 2.5


def test_some_sessions_stall_and_most_do_not(calm: World) -> None:
    assert 0.05 < (calm[2].stall_count > 0).mean() < 0.25


def test_starts_fail_now_and_then(calm: World) -> None:
    assert 0.003 < calm[2].start_failed.mean() < 0.03
    assert 0.002 < calm[2].play_failed.mean() < 0.03


def test_the_longer_the_wait_the_more_leave(calm: World) -> None:
    t = calm[1].timeline
    starting = t.total(np.where(t["state"] == STARTING, t["ms"], 0))
    last = t.first[1:] - 1
    left = (t["event"][last] == FINISH) & (t["code"][last] == CODE["exited"]) & (t["state"][last] == STARTING)
    hazard = []
    for low, high in ((0, 2_000), (2_000, 5_000), (5_000, 10_000)):
        waiting = starting > low
        leaves = waiting & left & (starting <= high)
        hazard.append(leaves.sum() / waiting.sum())
    assert hazard == sorted(hazard)
    assert hazard[2] > 5 * hazard[0]


def test_watch_time_is_heavy_tailed(calm: World) -> None:
    minutes = calm[2].watched_ms[calm[2].is_play] / 60_000
    assert np.quantile(minutes, 0.95) > 4 * np.median(minutes)


def test_stalls_cost_watch_time_as_declared() -> None:
    slowed = f.Fault(
        "everything-slow",
        "",
        (("device_type", "smart_tv"),),
        f.Window(0),
        "segment_size",
        1.25,
        "stalls_per_session",
        1,
    )
    run = Scenario(sessions=6_000, faults=(slowed,))
    load = Load(run)
    _, with_, _ = counterfactual.with_and_without(run, load, run.numbers(0))
    _, without, _ = counterfactual.with_and_without(run.without(slowed.name), load, run.numbers(0))
    both = with_.is_play & without.is_play & (with_.watched_ms > 0) & (without.watched_ms > 240_000)
    more = (with_.stall_count - without.stall_count)[both]
    watched = np.log(with_.watched_ms[both] / without.watched_ms[both])
    a_stall = (
        watched.mean() / more.mean()
    )  # two-stage least squares: long sessions stall more, the fault hits all alike
    assert more.mean() > 0.2
    assert 0.5 * STALL_COST < -a_stall < 2.5 * STALL_COST


def test_telemetry_has_its_own_trouble(few: Sessions) -> None:
    told = pa.concat_tables([events.plain(block) for block in events.blocks(few)]).to_pandas()
    distinct = told.drop_duplicates(["session_id", "seq"])
    assert 0.02 < len(told) / len(distinct) - 1 < 0.06
    lost = (distinct.groupby("session_id").seq.max() - distinct.groupby("session_id").seq.count()).sum()
    assert 0.01 < lost / (lost + len(distinct)) < 0.03
    assert (told.received_at.diff().dt.total_seconds().dropna() >= -86_400).all()
    first_seen = told.drop_duplicates(["session_id", "seq"]).groupby("session_id").seq
    assert (first_seen.diff().dropna() < 0).any()


def test_some_clocks_are_an_hour_or_a_year_off() -> None:
    error = delivery.clock_error_ms(np.arange(100_000))
    hour, year = 3_600_000, 365 * 86_400_000
    assert (np.abs(error) == hour).mean() == pytest.approx(0.007, abs=0.002)
    assert (np.abs(error) == year).mean() == pytest.approx(0.0027, abs=0.001)


def test_some_tabs_close_without_a_word(calm: World) -> None:
    played = calm[2].is_play
    assert 0.03 < calm[2].timed_out[played].mean() < 0.15


def test_measures_are_a_function_of_each_session_alone(calm: World) -> None:
    run, _, m = calm
    some = np.array([3, 77, 4_001, 24_999])
    alone, told, _ = counterfactual.with_and_without(run, Load(run), some)
    assert alone.viewing.number.tolist() == some.tolist()
    assert told.watched_ms.tolist() == m.watched_ms[some].tolist()
    assert measures.measures(alone).startup_ms.tolist() == m.startup_ms[some].tolist()
