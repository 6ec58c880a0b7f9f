"""Replayed vectors: what a client sent, as sessions of events, as rows of the product's own fold, as beacons."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qoescope.catalog.tables import SESSIONS
from qoescope.cli.folding import fold_lines
from qoescope.settings import Settings

WALL_MS = 1_762_000_000_000
"""The wall clock at the begin of each script."""
_COLUMNS = [f.name for f in SESSIONS.fields]
MEASURES = tuple(
    name
    for name in _COLUMNS[_COLUMNS.index("visibility") : _COLUMNS.index("success_score")]
    if not name.startswith("picture_")
)
"""What a vector says of its row: all that is measured, without what is judged by it. Absent: 0, false or null."""

Beacon = Mapping[str, Any]


def sessions_of(sent: Sequence[Beacon]) -> list[dict[str, Any]]:
    """Sessions in the order of their first beacon: context of the first event, and each event once, by `seq`."""
    contexts: dict[str, Any] = {}
    events: dict[str, dict[int, Any]] = {}
    for beacon in sent:
        body = beacon["body"]
        identity = body["session"]["session_id"]
        contexts.setdefault(identity, {k: v for k, v in body["session"].items() if k != "session_id"})
        for event in body["events"]:
            events.setdefault(identity, {}).setdefault(event["seq"], event)
    return [
        {"context": context, "events": [events[identity][seq] for seq in sorted(events[identity])]}
        for identity, context in contexts.items()
    ]


def beacons_of(sent: Sequence[Beacon]) -> list[list[Any]]:
    """One line a beacon: when, how, answered with what, which session, from which `seq` to which."""
    order: list[str] = []
    lines = []
    for beacon in sent:
        body = beacon["body"]
        identity = body["session"]["session_id"]
        if identity not in order:
            order.append(identity)
        seqs = [event["seq"] for event in body["events"]]
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
        lines.append([beacon["at"], beacon["way"], beacon.get("status", 0), order.index(identity), seqs[0], seqs[-1]])
    return lines


def row_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a vector says of a row."""
    return {name: row[name] for name in MEASURES if row[name] not in (0, None, False)}


def rows_of(results: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """The row of each session, by the vector's name and the session's place in it."""
    bodies, places = [], {}
    for result in results:
        order: dict[str, int] = {}
        for beacon in result["sent"]:
            session = dict(beacon["body"]["session"])
            place = order.setdefault(session["session_id"], len(order))
            session["session_id"] = f"{result['name']} {place}"
            places[session["session_id"]] = (result["name"], place)
            bodies.append(beacon["body"] | {"session": session})
    return {places[identity]: row for identity, row in rows_by_session(bodies).items()}


def rows_by_session(bodies: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The rows that the beacons of these bodies fold into, by session; nothing in them may be refused."""
    done = fold_lines([json.dumps(body).encode() for body in bodies], "vectors", Settings())
    assert done.problems == []
    return {row["session_id"]: row for row in done.rows}
