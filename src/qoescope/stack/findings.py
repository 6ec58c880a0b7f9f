"""Findings: incidents beside the answer key of what was injected."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from qoescope.connect import postgres
from qoescope.settings import Settings

Row = dict[str, Any]
COLUMNS = "id, state, metrics, slice, slice_name, onset_at, viewers, actual, expected, story"


def incidents(settings: Settings, tenant: str, since: datetime, until: datetime) -> list[Row]:
    """The live watch's incidents of a property that opened in this time, worst first; not what it only suspects.

    The silence after the last viewer of a demo is real, but it was not injected: `until` leaves it out.
    """
    with postgres.connect(settings, "writer") as connection:
        cursor = connection.execute(
            f"select {COLUMNS} from incidents where property = %s and source = 'live' and confirmed_at >= %s"  # noqa: S608
            " and opened_at <= %s and state <> 'dismissed' order by viewers desc",
            (tenant, since - timedelta(minutes=1), until),
        )
        names = [name.strip() for name in COLUMNS.split(",")]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def matched(key: Mapping[str, Any], found: Sequence[Row]) -> list[Row]:
    """One row a fault, with the incident that names its slice; then one row an incident that no fault explains."""
    rows, left = [], list(found)
    for fault in key["faults"]:
        hits = [one for one in left if same(fault["slice"], one["slice"])]
        near = [one for one in left if one not in hits and touches(fault["slice"], one["slice"])]
        best = next(iter(hits or near), None)
        if best is not None:
            left.remove(best)
        rows.append({"injected": fault["name"], "slice": words(fault["slice"]), "kind": fault["kind"],
                     "found": best["slice_name"] if best else None, "verdict": _verdict(fault, bool(hits), bool(near)),
                     "viewers": best["viewers"] if best else None})  # fmt: skip
    rows += [{"injected": None, "slice": None, "kind": None, "found": one["slice_name"], "verdict": "unexplained",
              "viewers": one["viewers"]} for one in left]  # fmt: skip
    return rows


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
