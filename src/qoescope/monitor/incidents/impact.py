"""Impact: what an incident costs: touched sessions, excess since its onset, watch hours lost."""

from dataclasses import dataclass

import numpy as np

from qoescope.catalog.watch import Watched
from qoescope.monitor.detect.kpis import model_of
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.search.counts import Floats

HOUR_MS = 3_600_000.0
_PLAY_CUT_SHORT = 0.5
"""What of a play is lost, in the mean, that breaks off somewhere."""


@dataclass(frozen=True, slots=True)
class Impact:
    """The cost so far."""

    excess: float
    affected_sessions: int
    viewers: int
    lost_watch_hours: float


def touched_sql(watched: Watched, expected: float) -> str:
    """Condition on a row of `sessions`: it was touched by the incident."""
    match watched.kind:
        case "share":
            return f"({watched.session[1]}) = 1"
        case "ratio":
            return f"({watched.session[2]}) > 0"
        case "mean":
            column = watched.metric.replace("startup_avg_ms", "startup_ms")
            return f"{column} {'>' if watched.higher_is_worse else '<'} {float(expected):.6g}"
        case "volume":
            return "is_attempt"


def excess_so_far(one: Incident, sums: Floats, steps: int) -> float:
    """Excess over all steps since the onset, from the metric's sums (sums x steps); `steps` made the window."""
    f = one.best
    expected = f.expected / max(steps, 1) if f.watched.kind == "volume" else f.expected
    excess, _ = model_of(f.watched).excesses(sums, expected)
    if f.watched.kind != "mean":
        return float(np.abs(excess.sum()))
    return f.excess / max(f.support, 1.0) * float(sums[0].sum())


def lost_watch_hours(one: Incident, excess: float, watched_ms_per_play: float) -> float:
    """Hours not watched because of it: plays that never began or broke off, time spent waiting, viewers gone."""
    f = one.best
    match f.watched.metric:
        case "start_failure_ratio" | "ebvs_ratio":
            lost = excess * watched_ms_per_play
        case "play_failure_ratio":
            lost = excess * watched_ms_per_play * _PLAY_CUT_SHORT
        case "rebuffer_ratio" | "live_concurrent_viewers":
            lost = excess
        case "startup_avg_ms":
            lost = excess * max(f.actual - f.expected, 0.0)
        case _:
            lost = 0.0
    return max(lost, 0.0) / HOUR_MS
