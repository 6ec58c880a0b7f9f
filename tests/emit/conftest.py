"""Worlds that several tests look at, simulated once."""

import pytest

from qoescope.emit import counterfactual, simulation
from qoescope.emit.counterfactual import Effect
from qoescope.emit.measures import Measures
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import Sessions

World = tuple[Scenario, Sessions, Measures]


@pytest.fixture(scope="session")
def calm() -> World:
    """25,000 sessions without any fault."""
    run = Scenario(sessions=25_000, faults=())
    s, m, _ = counterfactual.with_and_without(run, Load(run), run.numbers(0))
    return run, s, m


@pytest.fixture(scope="session")
def troubled() -> tuple[Scenario, Sessions, Measures, dict[str, Effect]]:
    """25,000 sessions with all faults."""
    run = Scenario(sessions=25_000)
    s, m, effects = counterfactual.with_and_without(run, Load(run), run.numbers(0))
    return run, s, m, effects


@pytest.fixture(scope="session")
def few() -> Sessions:
    """1,200 sessions with all faults."""
    run = Scenario(sessions=1_200, seed=7)
    return simulation.simulated(run, Load(run), run.numbers(0))
