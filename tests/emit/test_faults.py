"""Each fault makes its slice worse by its declared size, and changes nothing outside it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from qoescope.catalog import faults as f
from qoescope.catalog.errors import UnknownName
from qoescope.compile import fold
from qoescope.emit import counterfactual, drawn, events, injected, key, rows, simulation, slices, viewers
from qoescope.emit.counterfactual import SUMS, Effect, kpi
from qoescope.emit.measures import Measures, measures
from qoescope.emit.options import select_faults
from qoescope.emit.scenario import HOUR_MS, Load, Scenario, Times, hold
from qoescope.emit.simulation import Sessions

ENOUGH = 3_000
NARROW = 120
REAL = [fault for fault in (*f.FAULTS, *f.DEMO) if fault.kind != "decoy"]


def alone(fault: f.Fault, sessions: int = 300_000, seed: int = 42) -> Effect:
    """What the fault does, alone, to sessions that it touches, taken evenly from all of its time."""
    run = Scenario(sessions=sessions, seed=seed, faults=(fault,))
    if fault in f.DEMO:
        run = replace(run, length_ms=HOUR_MS)
    load, found = Load(run), []
    for chunk in range(run.chunks):
        v = viewers.viewings(run, load, run.numbers(chunk))
        found.append(v.number[injected.touched(run, fault, v)])
    touched = np.concatenate(found)
    _, _, effects = counterfactual.with_and_without(run, load, touched[:: -(-len(touched) // ENOUGH)])
    if effects[fault.name].sessions < NARROW and sessions < 2_000_000:
        return alone(fault, 2_000_000, seed)
    return effects[fault.name]


def factor(fault: f.Fault, effect: Effect) -> float:
    """By how much the fault's own metric got worse."""
    worse, before = kpi(fault.kpi, effect.with_fault), kpi(fault.kpi, effect.without)
    assert worse is not None
    assert before is not None
    return before / worse if fault.kpi == "bitrate_avg_kbps" else worse / max(before, 1e-3)


@pytest.mark.parametrize("fault", REAL, ids=lambda fault: fault.name)
def test_a_fault_alone_makes_its_slice_worse_by_its_size(fault: f.Fault) -> None:
    effect = alone(fault)
    assert effect.sessions > 100
    assert factor(fault, effect) >= fault.size


def experience(run: Scenario, load: Load, numbers: Times, score: str) -> float:
    """The mean score of these sessions, from all that their players said."""
    said = pa.concat_tables(events.blocks(simulation.simulated(run, load, numbers), repeated=False))
    return float(pc.mean(fold.sessions(said)[score].cast(pa.float64())).as_py())


def test_a_player_that_dares_too_little_costs_ten_points_of_experience() -> None:
    fault = next(x for x in f.FAULTS if x.name == "abr-regression")
    faulty, sound = Scenario(sessions=60_000, faults=(fault,)), Scenario(sessions=60_000, faults=())
    load = Load(sound)
    chunks = [viewers.viewings(sound, load, sound.numbers(chunk)) for chunk in range(sound.chunks)]
    numbers = np.concatenate([v.number[injected.touched(faulty, fault, v)] for v in chunks])[::9]
    before, after = (experience(run, load, numbers, "experience_score") for run in (sound, faulty))
    assert before - after >= 10


def test_the_first_bugs_have_their_stated_sizes() -> None:
    named = {fault.name: fault for fault in f.FAULTS}
    assert factor(named["ios-slow-start"], alone(named["ios-slow-start"])) == pytest.approx(2.0, abs=0.15)
    assert factor(named["bad-encode"], alone(named["bad-encode"])) == pytest.approx(3.0, abs=0.6)
    routing = alone(named["isp-routing"])
    slower = (kpi("startup_avg_ms", routing.with_fault) or 0) - (kpi("startup_avg_ms", routing.without) or 0)
    assert slower == pytest.approx(1_500, abs=120)


@pytest.mark.parametrize(
    "name", ["ios-slow-start", "pop-brownout", "silent-telemetry", "traffic-shift", "peering-congestion"]
)
def test_outside_its_slice_and_time_a_fault_changes_nothing(name: str) -> None:
    fault = next(x for x in f.FAULTS if x.name == name)
    with_, without = Scenario(sessions=4_000, faults=(fault,)), Scenario(sessions=4_000, faults=())
    load = Load(without)
    a = simulation.simulated(with_, load, with_.numbers(0))
    b = simulation.simulated(without, load, without.numbers(0))
    outside = ~injected.touched(with_, fault, b.viewing)
    assert outside.sum() > 3_000
    ours, theirs = (rows.rows(s.viewing, measures(s)).filter(outside) for s in (a, b))
    assert ours.equals(theirs)


def test_the_cost_in_the_key_is_the_difference_of_two_runs(
    troubled: tuple[Scenario, Sessions, Measures, dict[str, Effect]],
) -> None:
    run, _, m, effects = troubled
    load = Load(run)
    for name in ("broken-release", "silent-telemetry"):
        other = run.without(name)
        _, without, _ = counterfactual.with_and_without(other, load, run.numbers(0))
        told = counterfactual.cost(effects[name])
        difference = dict(zip(SUMS, (counterfactual.sums(m) - counterfactual.sums(without)).tolist(), strict=True))
        assert told["stalls"] == difference["stalls"]
        assert told["stall_ms"] == difference["stall_ms"]
        assert told["failures"] == difference["start_failures"] + difference["play_failures"]
        assert told["exits_before_start"] == difference["exits_before_start"]
        assert told["watch_minutes_lost"] == pytest.approx(-difference["watched_ms"] / 60_000, abs=1e-3)


def test_faults_of_the_specification_are_all_there() -> None:
    names = {fault.name for fault in f.FAULTS} | {name for name, _, _ in f.STANDING_DECOYS}
    assert names == {
        "ios-slow-start", "bad-encode", "isp-routing", "broken-release", "pop-brownout", "licence-outage",
        "peering-congestion",
        "player-leak", "ad-timeout", "expired-certificate", "abr-regression", "silent-telemetry", "traffic-shift",
        "old-television", "weekend", "new-version", "flash-crowd",
    }  # fmt: skip
    assert all(1 <= len(fault.slice) <= 3 for fault in f.FAULTS)


@pytest.mark.parametrize("fault", [*f.FAULTS, *f.DEMO], ids=lambda fault: fault.name)
def test_a_fault_names_values_that_exist(fault: f.Fault) -> None:
    for name, value in fault.slice:
        assert value in slices.DIMENSIONS[name][1]
    assert fault.kpi in counterfactual.KPIS


@pytest.mark.parametrize("days", [1, 3, 30, 90])
def test_every_fault_holds_within_the_period(days: int) -> None:
    run = Scenario(length_ms=days * 86_400_000)
    for fault in run.faults:
        window = hold(run, fault)
        assert run.begin_ms <= window.onset_ms < window.end_ms <= run.end_ms


@pytest.mark.parametrize("seed", range(5))
def test_random_faults_are_different_and_vary_in_slice_kpi_and_shape(seed: int) -> None:
    run = Scenario(seed=seed, faults=())
    made = drawn.drawn(run, 12)
    assert len({fault.name for fault in made}) == len({fault.slice for fault in made}) == 12
    assert {len(fault.slice) for fault in made} == {1, 2, 3}
    assert len({fault.kpi for fault in made}) >= 4
    assert {key.shape(fault) for fault in made} == {"step", "ramp", "pulse", "daily"}
    assert made == drawn.drawn(run, 12)
    assert made != drawn.drawn(Scenario(seed=seed + 100, faults=()), 12)


def test_random_faults_make_their_slice_worse() -> None:
    run = Scenario(seed=3, faults=())
    for fault in drawn.drawn(run, 4):
        effect = alone(fault, seed=3)
        assert factor(fault, effect) >= fault.size, fault


def test_a_decoy_makes_no_viewer_worse_off(troubled: tuple[Scenario, Sessions, Measures, dict[str, Effect]]) -> None:
    run, s, _, _ = troubled
    shift = next(fault for fault in run.faults if fault.name == "traffic-shift")
    other = run.without("traffic-shift")
    unmoved = ~viewers.redirected(run, shift, s.viewing.started_ms, s.viewing.key)
    before = viewers.viewings(other, Load(other), run.numbers(0))
    assert (s.viewing.country[unmoved] == before.country[unmoved]).all()
    share = [(v.country == 2).mean() for v in (s.viewing, before)]
    assert share[0] > share[1]


def test_names_of_faults_are_checked() -> None:
    assert select_faults(["none"]) == ()
    assert select_faults(["all"]) == f.FAULTS
    assert [fault.name for fault in select_faults(["bad-encode, ad-timeout"])] == ["bad-encode", "ad-timeout"]
    with pytest.raises(UnknownName, match="did you mean 'pop-brownout'"):
        select_faults(["pop-brownot"])
