"""Severity: how bad an incident is, and how sure the share is that says so."""

from scipy.stats import beta

from qoescope.monitor.incidents.lifecycle import Incident

_CRITICAL_VIEWERS, _WARNING_VIEWERS = 500, 50
_CRITICAL_LIFT = 10.0


def severity(one: Incident, viewers: int) -> str:
    """critical: many viewers, or a slice that hardly works · warning: some · info: few, or a fault of the data."""
    f = one.best
    if f.watched.data:
        return "info"
    broken = f.watched.kind == "share" and f.lift >= _CRITICAL_LIFT and viewers >= _WARNING_VIEWERS
    if viewers >= _CRITICAL_VIEWERS or broken:
        return "critical"
    return "warning" if viewers >= _WARNING_VIEWERS else "info"


def interval(one: Incident) -> tuple[float, float] | None:
    """95 % interval of a share (Clopper and Pearson 1934); none for other kinds."""
    f = one.best
    if f.watched.kind != "share" or f.support <= 0:
        return None
    bad = f.actual * f.support
    low = float(beta.ppf(0.025, bad, f.support - bad + 1)) if bad > 0 else 0.0
    high = float(beta.ppf(0.975, bad + 1, f.support - bad)) if bad < f.support else 1.0
    return low, high
