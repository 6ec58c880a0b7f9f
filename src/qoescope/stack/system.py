"""Problems of our own parts as incidents, so that operators' channels are notified."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from qoescope.catalog.watch import INCIDENTS
from qoescope.settings import Settings

if TYPE_CHECKING:
    from qoescope.connect.postgres import Connection
    from qoescope.connect.readiness import HealthProblem

log = logging.getLogger("qoescope.system")
PROPERTY = "(system)"
"""Stands in the column `property` of these incidents, which concern the installation."""
METRIC = "system_health"
IDENTITY = ("part", "loop", "about")
"""What identifies an incident; `about` is empty where the part does not work."""
CHECK_S = 5.0
OVER_AFTER = timedelta(seconds=60)
"""An incident closes after so long without its problem."""
OPEN = "select * from incidents where property = %s and state = 'confirmed'"
JSON = {f.name for f in INCIDENTS.fields if f.type == "json"}

Row = dict[str, Any]


def watch(settings: Settings, stopping: threading.Event) -> None:
    """Updates incidents every few seconds until told to stop; blocks. Does nothing while Postgres is away."""
    from qoescope.connect import postgres
    from qoescope.connect.causes import explain

    while not stopping.wait(CHECK_S):
        try:
            with postgres.connect(settings, "writer") as connection:
                update_incidents(settings, connection)
                while not stopping.wait(CHECK_S):
                    update_incidents(settings, connection)
        except Exception as error:  # noqa: BLE001  it is what tells of failures: it goes on whatever happens
            log.warning("incidents of the system are not written: %s", explain(error))


def update_incidents(settings: Settings, connection: Connection) -> None:
    """Writes the incidents that have changed."""
    import pyarrow as pa

    from qoescope.compile import arrow
    from qoescope.connect import health_rows, readiness
    from qoescope.connect.postgres import Write, upsert
    from qoescope.monitor.jobs.incident_rows import read_rows

    now = time.time()
    limits = readiness.readiness_limits(settings)
    parts = health_rows.read(settings, connection, now)
    problems = [problem for part in parts for problem in readiness.find_problems(part, now, limits)]
    rows = changes(read_rows(connection, OPEN, (PROPERTY,)), problems, datetime.fromtimestamp(now, UTC))
    if rows:
        texts = [{name: json.dumps(v) if name in JSON else v for name, v in row.items()} for row in rows]
        with connection.transaction():
            upsert(connection, Write(INCIDENTS, pa.Table.from_pylist(texts, arrow.schema(INCIDENTS))))
    for row in rows:
        if row["state"] == "closed" or row["opened_at"] == row["last_seen_at"]:
            log.warning("%s: %s", row["state"], row["story"])


def changes(known: Sequence[Mapping[str, Any]], problems: Iterable[HealthProblem], now: datetime) -> list[Row]:
    """Rows of `incidents` that change: problems that are new or continue, and those that are over."""
    open_ = {tuple(row["slice"].get(name, "") for name in IDENTITY): row for row in known}
    by_place: dict[tuple[str, str, str], list[HealthProblem]] = {}
    for problem in problems:
        about = "" if problem.blocks else problem.anchor  # of a part that works: it has an incident of its own
        by_place.setdefault((problem.part, problem.loop, about), []).append(problem)
    rows = []
    for identity, found in by_place.items():
        row = open_.pop(identity, None) or _new_incident(*identity, now)
        rows.append(_seen_again(row, found, now))
    rows += [_close(row, now) for row in open_.values() if now - row["last_seen_at"] >= OVER_AFTER]
    return rows


def _new_incident(part: str, loop: str, about: str, now: datetime) -> Row:
    where = {"part": part, "loop": loop} | ({"about": about} if about else {})
    numbers = dict.fromkeys((f.name for f in INCIDENTS.fields if f.type in ("int", "float") and not f.nullable), 0)
    empty = dict.fromkeys(f.name for f in INCIDENTS.fields if f.nullable)
    return {
        **empty,
        **numbers,
        "property": PROPERTY,
        "source": "system",
        "state": "confirmed",
        "severity": "warning" if about else "critical",
        "id": sha256(f"{' '.join(where.values())} {now.isoformat()}".encode()).hexdigest()[:16],
        "metrics": METRIC,
        "slice": where,
        "slice_name": f"{part}: {loop}" if loop else part,
        "opened_at": now,
        "confirmed_at": now,
        "onset_at": now,
        "confidence": 1.0,
        "persistence": 1.0,
        "share": 1.0,
        "rivals": [],
        "sessions": [],
        "chart": [],
        "memory": {},
        "query": "select * from part_health",
    }


def _seen_again(row: Mapping[str, Any], problems: Sequence[HealthProblem], now: datetime) -> Row:
    story = "; ".join(str(problem) for problem in problems)
    return {**row, "story": story, "last_seen_at": now, "updated_at": now, "version": row["version"] + 1}


def _close(row: Mapping[str, Any], now: datetime) -> Row:
    return {**row, "state": "closed", "closed_at": now, "updated_at": now, "version": row["version"] + 1}
