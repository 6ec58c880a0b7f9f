"""Folds beacons from a file, judged as the collector judges them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.events import IN_TABLES
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, fold
from qoescope.ingest import drafts, judge
from qoescope.ingest.bodies import Refused
from qoescope.ingest.context import Arrival
from qoescope.ingest.limits import Limits
from qoescope.settings import Settings

MS = 1000
AHEAD_MS = 2**52
"""A file has no clock to compare with: no time in it is ahead."""


@dataclass
class FoldResult:
    """Session rows, and what could not be read."""

    rows: list[dict[str, Any]]
    lines: int = 0
    events: int = 0
    bad: int = 0
    problems: list[str] = field(default_factory=list)


def fold_lines(lines: Iterable[bytes], property_id: str, settings: Settings) -> FoldResult:
    """The sessions of all lines; a session's beacons may be spread over the lines in any order."""
    limits = Limits(**{name: getattr(settings, name) for name in Limits.__slots__} | {"ahead_ms": AHEAD_MS})
    result, columns = FoldResult([]), _EventColumns(property_id)
    for number, raw in enumerate(lines, 1):
        body = raw.strip()
        if not body:
            continue
        result.lines += 1
        try:
            judged = judge.judge_beacon(body, Arrival(property_id, 0, b"", {}, timeless=True), limits)
        except Refused as refused:
            result.bad += 1
            result.problems.append(f"line {number}: {refused.error}")
            continue
        result.events += len(judged.events)
        for verdict in judged.verdicts:
            result.bad += 1
            result.problems.append(f"line {number}, event {verdict.index}: {verdict.reason}")
        if judged.session is not None:
            columns.add(judged, _viewer_of(body), result.lines)
    if columns.count:
        result.rows = fold.sessions(columns.table()).to_pylist()
    return result


def _viewer_of(body: bytes) -> str | None:
    """The beacon's viewer id, which a file keeps as it is instead of a pseudonym."""
    viewer_id = drafts.context_of_body(body).get("viewer_id")
    return viewer_id if isinstance(viewer_id, str) else None


class _EventColumns:
    """Events in the columns of the catalog's table."""

    def __init__(self, property_id: str) -> None:
        self._property = property_id
        self._rows: list[dict[str, Any]] = []

    @property
    def count(self) -> int:
        return len(self._rows)

    def add(self, judged: judge.JudgedBeacon, viewer: str | None, number: int) -> None:
        """Adds a beacon's events; an earlier line counts as received earlier."""
        session = judged.session
        context = {f.name: getattr(session, f.name) for f in CONTEXT_FIELDS} | {"viewer_id": viewer}
        context["session_started_at"] = context.pop("started_at")
        for position, event in enumerate(judged.events):
            values = {column: getattr(event, name) for name, column in IN_TABLES.items()}
            position_columns = {"property": self._property, "kafka_offset": number, "position": position}
            self._rows.append(context | values | position_columns)

    def table(self) -> pa.Table:
        """The events; columns that are null everywhere are left out."""
        schema = arrow.schema(EVENTS)
        for row in self._rows:
            for name in ("at", "session_started_at"):
                row[name] = None if row[name] is None else row[name] * MS
            row["received_at"] = row["at"]
            row["asn"] = None if row["asn"] is None else str(row["asn"])
        names = [f.name for f in schema if any(row.get(f.name) is not None for row in self._rows)]
        return pa.table({n: _column([row.get(n) for row in self._rows], schema.field(n).type) for n in names})


def _column(values: list[Any], kind: pa.DataType) -> "pa.Array[Any]":
    """The values as an array of this type; times are epoch microseconds."""
    return pa.array(values, pa.int64()).cast(kind) if pa.types.is_timestamp(kind) else pa.array(values, kind)
