"""Root cause: one slice that a search names, with its figures and the alternatives that lost to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from qoescope.monitor.search.alternatives import SAME_SESSIONS, Alternative
from qoescope.monitor.search.counts import Value

EVERYWHERE = "everywhere, or outside the recorded dimensions"
"""The label of the empty slice."""

_HARDLY_ANY = 0.1
"""Sessions: where fewer bad ones were due in the window, the model's guess makes the lift, not what was seen before."""


@dataclass(frozen=True, slots=True)
class RootCause:
    """One slice that got worse. An empty slice is everything: the cause lies outside the recorded dimensions."""

    slice: Mapping[str, Value]
    score: float
    """Log-likelihood ratio over the over-dispersion."""
    excess: float
    lift: float
    support: float
    actual: float
    expected: float
    share: float
    """Of the whole excess, the part that this slice explains."""
    alternatives: tuple[Alternative, ...] = ()

    @property
    def same_sessions(self) -> list[dict[str, Value]]:
        """Other names for the same sessions: each is as right as `slice`."""
        return [dict(one.slice) for one in self.alternatives if one.reason == SAME_SESSIONS]

    def as_json(self) -> dict[str, object]:
        """What `qoescope explain --json` prints of it; `lift` is null where nothing was to be expected."""
        lift = reportable_lift(self.excess, self.lift)
        return {
            "slice": dict(self.slice),
            "same_sessions": self.same_sessions,
            "score": round(self.score, 3),
            "excess": round(self.excess, 3),
            "lift": None if lift is None else round(lift, 3),
            "sessions": round(self.support, 3),
            "actual": round(self.actual, 6),
            "expected": round(self.expected, 6),
            "share": round(self.share, 4),
        }


def reportable_lift(excess: float, lift: float) -> float | None:
    """The lift as it may be shown; None where hardly any bad session was due or is left: over nothing is no factor."""
    due = abs(excess) / max(lift - 1, 1e-12)
    return lift if due >= _HARDLY_ANY else None
