"""Rules: alarms by threshold beside detection: a metric beyond a value, for so many minutes, with an audience."""

from dataclasses import dataclass

import numpy as np

from qoescope.catalog.watch import Watched
from qoescope.monitor.detect.history import Chosen
from qoescope.monitor.search.counts import Floats


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it is kept in `rules`."""

    id: str
    version: int
    metric: str
    slice: Chosen
    direction: str
    threshold: float
    minutes: int
    audience: float
    severity: str


def values(watched: Watched, sums: Floats) -> tuple[Floats, Floats]:
    """The metric and its audience at each step, from its sums (sums x steps); NaN where there is none."""
    match watched.kind:
        case "share":
            audience, top, bottom = sums[0], sums[1], sums[0]
        case "mean":
            audience, top, bottom = sums[0], sums[1], sums[0]
        case "ratio":
            audience, top, bottom = sums[0], sums[2], sums[1]
        case "volume":
            audience, top, bottom = sums[0] / 60_000, sums[0], np.full(sums[0].shape, 60_000.0)
    ratio = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return (np.exp(ratio) if watched.kind == "mean" else ratio), audience


def breached(rule: Rule, value: Floats, audience: Floats) -> bool | None:
    """Whether the last `minutes` all broke the rule. None: too small an audience to open or to close anything."""
    minutes = min(max(rule.minutes, 1), 60)
    last, seen = value[-minutes:], audience[-minutes:]
    if last.size < minutes or seen.sum() < rule.audience or np.isnan(last).any():
        return None
    beyond = last > rule.threshold if rule.direction == "above" else last < rule.threshold
    return bool(beyond.all())
