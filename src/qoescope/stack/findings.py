"""Findings: incidents beside the answer key of what was injected."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from qoescope.catalog.watch import HISTORY_MINUTES
from qoescope.connect import postgres
from qoescope.settings import Settings

Row = dict[str, Any]
SURELY = 100
"""A fault that touches so many sessions must be named."""
OVER = timedelta(minutes=10)
"""So long after its end a fault's incident must be closed."""
COLUMNS = "id, state, metrics, slice, slice_name, onset_at, viewers, actual, expected, story"


def incidents(settings: Settings, property_id: str, since: datetime, until: datetime) -> list[Row]:
    """The live watch's incidents of a property that opened in this time, worst first; not what it only suspects.

    The silence after the last viewer of a demo is real, but it was not injected: `until` leaves it out.
    """
    with postgres.connect(settings, "writer") as connection:
        cursor = connection.execute(
            f"select {COLUMNS} from incidents where property = %s and source = 'live' and confirmed_at >= %s"  # noqa: S608
            " and opened_at <= %s and state <> 'dismissed' order by viewers desc",
            (property_id, since - timedelta(minutes=1), until),
        )
        names = [name.strip() for name in COLUMNS.split(",")]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def fresh(settings: Settings, property_id: str, begin: datetime) -> bool:
    """Whether no earlier traffic lies in what a run that begins then, by the viewers' clock, is compared with."""
    since = begin - timedelta(minutes=HISTORY_MINUTES)
    with postgres.connect(settings, "writer") as connection:
        held = "select exists (select from live_leaf where property = %s and day >= %s and starts_at >= %s)"
        row = connection.execute(held, (property_id, since.date(), since)).fetchone()
    return row is not None and not row[0]


def problems(key: Mapping[str, Any], found: Sequence[Row]) -> list[str]:
    """What the watch owes: a fault that hit many not named exactly, or not over long after its end; a false alarm."""
    owed = {f["name"]: f for f in key["faults"] if f["sessions"] >= SURELY}
    end = datetime.fromisoformat(key["scenario"]["end_at"])
    over = {name for name, f in owed.items() if end - datetime.fromisoformat(f["end_at"]) >= OVER}
    said = []
    for row in matched(key, found):
        name, verdict = row["injected"], row["verdict"]
        if verdict in ("false alarm", "unexplained"):
            said.append(f"the monitor named {row['found']}, where nothing was broken")
        elif name in owed and verdict != "found":
            said.append(f"the monitor did not name {name} ({row['slice']}): {verdict}")
        elif name in over and row["state"] != "closed":
            said.append(f"the monitor did not close {name} ({row['slice']}): {row['state']}")
    return said


def matched(key: Mapping[str, Any], found: Sequence[Row]) -> list[Row]:
    """One row a fault or injected decoy, with the incident that names its slice; then each incident that none explains.

    A decoy explains nothing: an incident of its slice is a false alarm. Exact names are given out before near ones.
    """
    faults = [*key["faults"], *(one for one in key["decoys"] if not one.get("standing"))]
    left = list(found)
    hits = {f["name"]: _taken(left, f["slice"], same) for f in faults}
    near = {f["name"]: None if hits[f["name"]] else _taken(left, f["slice"], touches) for f in faults}
    rows = []
    for fault in faults:
        name = fault["name"]
        best = hits[name] or near[name] or {}
        rows.append({"injected": name, "slice": words(fault["slice"]), "kind": fault["kind"],
                     "found": best.get("slice_name"), "verdict": _verdict(fault, bool(hits[name]), bool(near[name])),
                     "state": best.get("state"), "viewers": best.get("viewers")})  # fmt: skip
    return rows + [
        {"injected": None, "slice": None, "kind": None, "found": one["slice_name"], "verdict": "unexplained",
         "state": one["state"], "viewers": one["viewers"]} for one in left
    ]  # fmt: skip


def _taken(left: list[Row], injected: Mapping[str, Any], fits: Callable[..., bool]) -> Row | None:
    """The first that fits the injected slice, out of the list."""
    one = next((row for row in left if fits(injected, row["slice"])), None)
    if one is not None:
        left.remove(one)
    return one


def _verdict(fault: Mapping[str, Any], hit: bool, near: bool) -> str:
    if fault["kind"] == "decoy":
        return "false alarm" if hit or near else "rightly silent"
    return "found" if hit else "found beside it" if near else "not found"


def same(injected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether the incident names exactly the fault's slice."""
    return {k: {str(v)} for k, v in injected.items()} == {k: values(v) for k, v in found.items()}


def touches(injected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether the incident names a part of the fault's slice, or a slice around it."""
    shared = set(injected) & set(found)
    return bool(shared) and all(str(injected[k]) in values(found[k]) for k in shared)


def values(value: object) -> set[str]:
    """A slice's value, or its sibling values."""
    return set(map(str, value)) if isinstance(value, list) else {str(value)}


def words(injected: Mapping[str, Any]) -> str:
    """A slice as people say it."""
    return ", ".join(f"{name} {value}" for name, value in injected.items()) or "everywhere"
