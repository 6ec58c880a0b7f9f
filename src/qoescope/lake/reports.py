"""CMCD sessions that fell silent, as beacons like those of our own players."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from qoescope.catalog.dimensions import CONTEXT_FIELDS, UNKNOWN
from qoescope.catalog.doors import EVENT_BOUNDS
from qoescope.catalog.events import EVENT_FIELDS, IN_TABLES
from qoescope.catalog.schema import Field
from qoescope.compile import wire

EVENTS_A_RECORD = 2_000
LOOK_BACK = timedelta(days=1)
"""How long before new reports a session's earlier reports are read."""
KEY = ("property", "session_id")
_ENCODE = msgspec.json.Encoder().encode
_CONTEXT = tuple(f.name for f in CONTEXT_FIELDS if f.name not in ("session_id", "started_at"))


def filter_sessions(reports: pa.Table, sessions: pa.Table) -> pa.Table:
    """The reports of these sessions."""
    return reports.join(sessions.select(list(KEY)), list(KEY), join_type="left semi")


def beacons(events: pa.Table, received_at: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of the log's records that hold these events; `received_at` in epoch ms.

    An event keeps its identity when its session is sent again: the lake recognises the repeat.
    """
    sessions: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in events.to_pylist():
        sessions.setdefault((row["property"], row["session_id"]), []).append(row)
    for (property_id, session_id), rows in sessions.items():
        context = _wire_session(rows[0])
        for start in range(0, len(rows), EVENTS_A_RECORD):
            part = rows[start : start + EVENTS_A_RECORD]
            record = wire.Record(
                property_id, received_at, None, wire.Counts(len(part), len(part)), context, list(map(_wire_event, part))
            )
            yield session_id.encode(), _ENCODE(record)


def _wire_session(row: Mapping[str, Any]) -> wire.Session:
    fields = {name: row[name] for name in _CONTEXT if row[name] not in (None, UNKNOWN)}
    return wire.Session(session_id=row["session_id"], started_at=_ms(row["session_started_at"]), **fields)


def _wire_event(row: Mapping[str, Any]) -> wire.Event:
    kind = wire.AdjustedEvent if row["clock_adjusted"] else wire.Event
    fields = {f.name: _bounded(f, row[IN_TABLES[f.name]]) for f in EVENT_FIELDS}
    return kind(**fields, **({"clock_adjusted": True} if row["clock_adjusted"] else {}))


def _bounded(f: Field, value: Any) -> Any:  # noqa: ANN401  a field of any type
    """The value for the wire; a number that the collector would refuse becomes the default, and its event stays."""
    if isinstance(value, datetime):
        return _ms(value)
    if value is None or f.name not in EVENT_BOUNDS:
        return value
    least, greatest = EVENT_BOUNDS[f.name]
    return value if least <= value <= greatest else f.default


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
