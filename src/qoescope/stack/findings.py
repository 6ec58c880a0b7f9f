"""Compares incidents with the answer key of injected faults."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from qoescope.catalog.watch import HISTORY_MINUTES
from qoescope.connect import postgres
from qoescope.settings import Settings

Row = dict[str, Any]
SURE_SESSIONS = 100
"""A fault that affects so many sessions must be named."""
CLOSED_WITHIN = timedelta(minutes=10)
"""A fault's incident must be closed so long after the fault's end."""
COLUMNS = "id, state, metrics, slice, slice_name, onset_at, viewers, actual, expected, story"


def incidents(settings: Settings, property_id: str, since: datetime, until: datetime) -> list[Row]:
    """Confirmed incidents of the live monitor that opened within this time, most viewers first.

    The silence after the demo's last viewer is real, but was not injected: `until` excludes it.
    """
    with postgres.connect(settings, "writer") as connection:
        cursor = connection.execute(
            f"select {COLUMNS} from incidents where property = %s and source = 'live' and confirmed_at >= %s"  # noqa: S608
            " and opened_at <= %s and state <> 'dismissed' order by viewers desc",
            (property_id, since - timedelta(minutes=1), until),
        )
        names = [name.strip() for name in COLUMNS.split(",")]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def is_fresh(settings: Settings, property_id: str, begin: datetime) -> bool:
    """Whether the history that a run from `begin` on is compared with, by the viewers' clock, holds no traffic."""
    since = begin - timedelta(minutes=HISTORY_MINUTES)
    with postgres.connect(settings, "writer") as connection:
        question = "select exists (select from live_leaf where property = %s and day >= %s and starts_at >= %s)"
        row = connection.execute(question, (property_id, since.date(), since)).fetchone()
    return row is not None and not row[0]


def problems(key: Mapping[str, Any], named: Sequence[Row]) -> list[str]:
    """What the monitor got wrong: large faults not named exactly or not closed in time, and false alarms."""
    owed = {f["name"]: f for f in key["faults"] if f["sessions"] >= SURE_SESSIONS}
    end = datetime.fromisoformat(key["scenario"]["end_at"])
    over = {name for name, f in owed.items() if end - datetime.fromisoformat(f["end_at"]) >= CLOSED_WITHIN}
    problems = []
    for row in match_incidents(key, named):
        name, verdict = row["injected"], row["verdict"]
        if verdict in ("false alarm", "unexplained"):
            problems.append(f"the monitor named {row['found']}, where nothing was broken")
        elif name in owed and verdict != "found":
            problems.append(f"the monitor did not name {name} ({row['slice']}): {verdict}")
        elif name in over and row["state"] != "closed":
            problems.append(f"the monitor did not close {name} ({row['slice']}): {row['state']}")
    return problems


def match_incidents(key: Mapping[str, Any], named: Sequence[Row]) -> list[Row]:
    """One row a fault or injected decoy, with the incident that names its slice; then unexplained incidents.

    A decoy explains nothing: an incident of its slice is a false alarm. Exact matches take precedence over near ones.
    """
    faults = [*key["faults"], *(one for one in key["decoys"] if not one.get("standing"))]
    left = list(named)
    hits = {f["name"]: _take(left, f["slice"], is_same) for f in faults}
    near = {f["name"]: None if hits[f["name"]] else _take(left, f["slice"], overlaps) for f in faults}
    rows = []
    for fault in faults:
        name = fault["name"]
        best = hits[name] or near[name] or {}
        rows.append(
            {
                "injected": name,
                "slice": slice_text(fault["slice"]),
                "kind": fault["kind"],
                "found": best.get("slice_name"),
                "verdict": _verdict(fault, bool(hits[name]), bool(near[name])),
                "state": best.get("state"),
                "viewers": best.get("viewers"),
            }
        )
    return rows + [
        {
            "injected": None,
            "slice": None,
            "kind": None,
            "found": one["slice_name"],
            "verdict": "unexplained",
            "state": one["state"],
            "viewers": one["viewers"],
        }
        for one in left
    ]


def _take(left: list[Row], injected: Mapping[str, Any], fits: Callable[..., bool]) -> Row | None:
    """Removes and returns the first incident that fits the injected slice."""
    one = next((row for row in left if fits(injected, row["slice"])), None)
    if one is not None:
        left.remove(one)
    return one


def _verdict(fault: Mapping[str, Any], hit: bool, near: bool) -> str:
    if fault["kind"] == "decoy":
        return "false alarm" if hit or near else "rightly silent"
    return "found" if hit else "found beside it" if near else "not found"


def is_same(injected: Mapping[str, Any], named: Mapping[str, Any]) -> bool:
    """Whether the incident names exactly the fault's slice."""
    return {k: {str(v)} for k, v in injected.items()} == {k: slice_values(v) for k, v in named.items()}


def overlaps(injected: Mapping[str, Any], named: Mapping[str, Any]) -> bool:
    """Whether the incident names a part of the fault's slice, or a slice around it."""
    shared = set(injected) & set(named)
    return bool(shared) and all(str(injected[k]) in slice_values(named[k]) for k in shared)


def slice_values(value: object) -> set[str]:
    """A slice's value, or its alternative values, as texts."""
    return set(map(str, value)) if isinstance(value, list) else {str(value)}


def slice_text(injected: Mapping[str, Any]) -> str:
    """A slice as text for people."""
    return ", ".join(f"{name} {value}" for name, value in injected.items()) or "everywhere"
