"""Rules: alarms by threshold beside detection: a metric beyond a value, for so many minutes, with an audience."""

from dataclasses import dataclass

import numpy as np

from qoescope.monitor.detect.named_slices import NamedSlice
from qoescope.monitor.search.counts import Floats


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it is kept in `rules`."""

    id: str
    version: int
    metric: str
    slice: NamedSlice
    direction: str
    threshold: float
    minutes: int
    audience: float
    severity: str


def breached(rule: Rule, value: Floats, audience: Floats) -> bool | None:
    """Whether the last `minutes` all broke the rule. None: too small an audience to open or to close anything."""
    minutes = min(max(rule.minutes, 1), 60)
    last, audiences = value[-minutes:], audience[-minutes:]
    if last.size < minutes or audiences.sum() < rule.audience or np.isnan(last).any():
        return None
    beyond = last > rule.threshold if rule.direction == "above" else last < rule.threshold
    return bool(beyond.all())
