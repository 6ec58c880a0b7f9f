"""Simulation: sessions from press of play to the end, a function of the scenario and each session's number alone."""

from dataclasses import dataclass

from qoescope.emit import injected, playback, startup, viewers
from qoescope.emit.injected import Injected
from qoescope.emit.scenario import Load, Scenario, Times
from qoescope.emit.spans import Recorder, Timeline
from qoescope.emit.viewers import Viewing


@dataclass(frozen=True)
class Sessions:
    """Who pressed play, what their players did, and what the faults changed."""

    viewing: Viewing
    timeline: Timeline
    injected: Injected


def simulated(run: Scenario, load: Load, numbers: Times) -> Sessions:
    """The sessions of these numbers."""
    v = viewers.viewings(run, load, numbers)
    return played(v, injected.injected(run, v))


def played(v: Viewing, faults: Injected) -> Sessions:
    """What becomes of these presses of play."""
    air = startup.lines(v)
    record = Recorder(len(v))
    playback.play(v, startup.started(v, air, faults, record), air, faults, record)
    return Sessions(v, record.timeline(), faults)
