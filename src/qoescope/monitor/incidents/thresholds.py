"""Thresholds: the incidents that rules open and close, one a rule at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qoescope.catalog.watch import BY_METRIC
from qoescope.monitor.detect.finding import Finding
from qoescope.monitor.detect.history import History
from qoescope.monitor.detect.kpis import Kpi
from qoescope.monitor.detect.rules import Rule, breached
from qoescope.monitor.incidents.lifecycle import Clock, Incident, Pace, advance

PACE = Pace(1, 1, 1)
"""A rule says itself for how long."""


@dataclass(slots=True)
class Thresholds:
    """The open incident of each rule; a rule that was edited or removed closes its own."""

    clock: Clock = field(default_factory=Clock)
    _open: dict[tuple[str, int], Incident] = field(default_factory=dict)

    def look(self, rules: Sequence[Rule], kpis: Mapping[str, Kpi], history: History, minute: int) -> list[Incident]:
        """Incidents that this minute opened, showed again or closed."""
        changed: list[Incident] = []
        at = self.clock.time(minute + 1)
        here = {(r.id, r.version) for r in rules}
        for key in [k for k in self._open if k not in here]:
            changed.append(replace(self._open.pop(key), state="closed", closed_at=at))
        for rule in rules:
            if rule.metric not in kpis:
                continue
            verdict, finding = judged(rule, kpis[rule.metric], history, minute)
            one = self._open.get((rule.id, rule.version))
            if verdict is None or (one is None and not verdict):
                continue
            (after,) = advance([one] if one else [], [finding] if verdict else [], at, self.clock, PACE)
            changed.append(after)
            if after.open:
                self._open[rule.id, rule.version] = after
            else:
                self._open.pop((rule.id, rule.version), None)
        return changed

    def resume(self, rule: str, version: int, one: Incident) -> None:
        """Takes over an incident of before a restart."""
        self._open[rule, version] = one


def judged(rule: Rule, kpi: Kpi, history: History, minute: int) -> tuple[bool | None, Finding]:
    """Whether the rule is broken at this minute, and what a finding of it would say."""
    minutes = min(max(rule.minutes, 1), 60)
    sums = kpi.sums(history.series(range(minute - minutes + 1, minute + 1), rule.slice))
    value, audience = kpi.model().series(sums)
    actual = float(np.nanmean(value)) if not np.isnan(value).all() else 0.0
    finding = Finding(
        watched=replace(BY_METRIC[rule.metric], higher_is_worse=rule.direction == "above"),
        slice=rule.slice,
        score=0.0,
        excess=abs(actual - rule.threshold) * float(audience.sum()),
        lift=max(actual, 1e-12) / max(rule.threshold, 1e-12),
        support=float(audience.sum()),
        actual=actual,
        expected=rule.threshold,
        share=0.0,
        onset=minute - minutes + 1,
    )
    return breached(rule, value, audience), finding
