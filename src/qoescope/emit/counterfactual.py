"""Counterfactual: the same sessions without one fault, and what the fault cost them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoescope.catalog.faults import Fault
from qoescope.emit import injected, viewers
from qoescope.emit.measures import Measures, measures
from qoescope.emit.scenario import Load, Scenario, Times, hold
from qoescope.emit.simulation import Sessions, played
from qoescope.emit.viewers import Mask, Viewing

SUMS = (
    "attempts",
    "plays",
    "startups",
    "startup_ms",
    "stalls",
    "stall_ms",
    "watched_ms",
    "exits_before_start",
    "start_failures",
    "play_failures",
    "timed_out_plays",
    "bitrate_kbps_ms",
    "bitrate_known_ms",
)
"""What is summed over the touched sessions, with the fault and without it."""


@dataclass
class Effect:
    """What a fault did to the sessions it touched, so far."""

    sessions: int
    viewers: NDArray[np.int64]
    with_fault: NDArray[np.int64]
    without: NDArray[np.int64]
    first_ms: int
    last_ms: int

    def __add__(self, other: "Effect") -> "Effect":
        """Both together."""
        return Effect(
            self.sessions + other.sessions,
            np.union1d(self.viewers, other.viewers),
            self.with_fault + other.with_fault,
            self.without + other.without,
            min(self.first_ms, other.first_ms),
            max(self.last_ms, other.last_ms),
        )


def sums(m: Measures, rows: Mask | slice = slice(None)) -> NDArray[np.int64]:
    """The sums of `SUMS` over some of the sessions."""
    startup = m.startup_ms[rows]
    play = m.is_play[rows]
    return np.array(
        [
            len(startup),
            play.sum(),
            (startup >= 0).sum(),
            startup[startup >= 0].sum(),
            m.stall_count[rows].sum(),
            m.stall_ms[rows].sum(),
            m.watched_ms[rows].sum(),
            m.exited_before_start[rows].sum(),
            m.start_failed[rows].sum(),
            m.play_failed[rows].sum(),
            (m.timed_out[rows] & play).sum(),
            m.bitrate_kbps_ms[rows].sum(),
            m.bitrate_known_ms[rows].sum(),
        ],
        dtype=np.int64,
    )


def with_and_without(run: Scenario, load: Load, numbers: Times) -> tuple[Sessions, Measures, dict[str, Effect]]:
    """The sessions, their measures, and by fault what it did; all worlds are simulated in one go."""
    v = viewers.viewings(run, load, numbers)
    worlds, causes, which = [v], [injected.injected(run, v)], []
    for fault in run.faults:
        rows = np.flatnonzero(injected.touched(run, fault, v))
        if len(rows):
            other = run.without(fault.name)
            there = viewers.viewings(other, load, numbers[rows]) if fault.cause == "traffic" else v.take(rows)
            worlds.append(there)
            causes.append(injected.injected(other, there))
            which.append((fault, rows))
    everything = played(Viewing.joined(worlds), injected.joined(causes))
    whole = measures(everything)
    effects, begin = {}, len(v)
    for fault, rows in which:
        without = np.arange(begin, begin + len(rows))
        effects[fault.name] = _effect(run, fault, v, everything, whole, rows, without)
        begin += len(rows)
    t = everything.timeline.part(0, len(v))
    mine = Sessions(v, t, causes[0])
    return mine, whole.take(np.arange(len(v))), effects


def _effect(run: Scenario, fault: Fault, v: Viewing, s: Sessions, m: Measures, rows: Times, without: Times) -> Effect:
    """Sums over the sessions that were there while the fault held."""
    if fault.cause == "throughput":
        begins, _ = hold(run, fault).around(v.started_ms[rows])
        length = np.maximum(s.timeline.length_ms[rows], s.timeline.length_ms[without])
        there = v.started_ms[rows] + length > begins
        rows, without = rows[there], without[there]
    started = v.started_ms[rows]
    first, last = (int(started.min()), int(started.max())) if len(rows) else (2**62, 0)
    return Effect(len(rows), np.unique(v.viewer[rows]), sums(m.take(rows)), sums(m.take(without)), first, last)


KPIS: dict[str, tuple[str, str]] = {
    "startup_avg_ms": ("startup_ms", "startups"),
    "stalls_per_session": ("stalls", "attempts"),
    "rebuffer_ratio": ("stall_ms", "watched_ms"),
    "play_failure_ratio": ("play_failures", "plays"),
    "start_failure_ratio": ("start_failures", "attempts"),
    "ebvs_ratio": ("exits_before_start", "attempts"),
    "timeout_ratio": ("timed_out_plays", "plays"),
    "bitrate_avg_kbps": ("bitrate_kbps_ms", "bitrate_known_ms"),
}
"""The metrics that faults show in, as the sums they divide."""


def kpi(name: str, total: NDArray[np.int64]) -> float | None:
    """The metric of summed measures; None where there is nothing to divide by."""
    numerator, denominator = (int(total[SUMS.index(part)]) for part in KPIS[name])
    return numerator / denominator if denominator else None


def cost(effect: Effect) -> dict[str, float]:
    """What the fault cost: the difference of two runs of the same seed, with it and without it."""
    more = dict(zip(SUMS, (effect.with_fault - effect.without).tolist(), strict=True))
    return {
        "stalls": more["stalls"],
        "stall_ms": more["stall_ms"],
        "start_failures": more["start_failures"],
        "play_failures": more["play_failures"],
        "failures": more["start_failures"] + more["play_failures"],
        "exits_before_start": more["exits_before_start"],
        "watch_minutes_lost": round(-more["watched_ms"] / 60_000, 3),
    }
