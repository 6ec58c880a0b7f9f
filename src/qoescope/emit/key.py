"""Key: the answer key; what was injected, where and when, whom it touched, and what it cost."""

from collections.abc import Mapping
from typing import Any

from qoescope.catalog import faults as f
from qoescope.emit.counterfactual import KPIS, Effect, cost, kpi
from qoescope.emit.scenario import Scenario, day_of, hold


def shape(fault: f.Fault) -> str:
    """step, ramp, pulse or daily."""
    w = fault.window
    return fault.shape or ("daily" if w.daily else "ramp" if w.ramp else "pulse" if w.minutes or w.end < 1 else "step")


def answer_key(run: Scenario, effects: Mapping[str, Effect]) -> dict[str, Any]:
    """The key of a run as it is written beside the data."""
    entries = [entry(run, fault, effects.get(fault.name)) for fault in run.faults]
    return {
        "scenario": {
            "sessions": run.sessions,
            "seed": run.seed,
            "begin_at": day_of(run.begin_ms).isoformat(),
            "end_at": day_of(run.end_ms).isoformat(),
        },
        "faults": [e for e in entries if e["kind"] != "decoy"],
        "decoys": [e for e in entries if e["kind"] == "decoy"]
        + [
            {"name": name, "says": says, "kind": "decoy", "slice": dict(slice_), "standing": True}
            for name, says, slice_ in f.STANDING_DECOYS
        ],
    }


def entry(run: Scenario, fault: f.Fault, effect: Effect | None) -> dict[str, Any]:
    """One fault of the key."""
    window = hold(run, fault)
    told: dict[str, Any] = {
        "name": fault.name,
        "says": fault.says,
        "kind": fault.kind,
        "slice": dict(fault.slice),
        "shape": shape(fault),
        "cause": fault.cause,
        "by": fault.by,
        "kpi": fault.kpi,
        "onset_at": day_of(window.onset_ms).isoformat(),
        "end_at": day_of(window.end_ms).isoformat(),
        "daily_minutes": None if window.each_ms is None else window.each_ms / 60_000,
        "ramp_minutes": round(window.ramp_ms / 60_000, 3),
        "sessions": 0,
        "viewers": 0,
        "cost": None,
        "kpi_with": None,
        "kpi_without": None,
    }
    if effect is not None and effect.sessions:
        told |= {
            "sessions": effect.sessions,
            "viewers": len(effect.viewers),
            "cost": cost(effect),
            "first_session_at": day_of(effect.first_ms).isoformat(),
            "last_session_at": day_of(effect.last_ms).isoformat(),
            "kpi_with": kpi(fault.kpi, effect.with_fault),
            "kpi_without": kpi(fault.kpi, effect.without),
            "metrics": {
                name: {"with": kpi(name, effect.with_fault), "without": kpi(name, effect.without)} for name in KPIS
            },
        }
    return told


TABLE = (
    "name",
    "kind",
    "slice",
    "onset_at",
    "end_at",
    "sessions",
    "viewers",
    "kpi",
    "kpi_with",
    "kpi_without",
    "stalls",
    "failures",
    "exits_before_start",
    "watch_minutes_lost",
)


def table(key: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The key as rows of a table: a fault or decoy a row."""
    rows = []
    for e in [*key["faults"], *key["decoys"]]:
        flat = {**e, **(e.get("cost") or {}), "slice": " & ".join(f"{k}={v}" for k, v in e["slice"].items())}
        rows.append({name: flat.get(name, "") for name in TABLE})
    return rows
