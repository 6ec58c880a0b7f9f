"""Demo hours: what the watch would name if the demo ended at another time of the day: its viewers keep their clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import worlds

from qoescope.catalog.faults import DEMO
from qoescope.catalog.marts import LEAF_DIMENSIONS, LEAF_MEASURES
from qoescope.emit.feed import sessions_for
from qoescope.emit.scenario import Scenario
from qoescope.monitor.incidents.live import LiveWatch

RATE, SECONDS, SPEED, SEED = 5000, 75, 48, 42
"""As `qoescope demo` plays unless told otherwise."""
DAY = datetime(2026, 11, 28, tzinfo=UTC)
MINUTE_MS = 60_000


def ends(number: int) -> list[datetime]:
    """So many times, spread evenly over a day."""
    return [DAY + timedelta(days=1) * at / number for at in range(number)]


def watched(end: datetime) -> dict[str, Any]:
    """The demo's traffic up to this time, watched minute by minute: what was named and should not be, and what not."""
    length = SECONDS * SPEED * 1000
    empty = Scenario(1, round(end.timestamp() * 1000) - length, length, SEED, DEMO)
    run = replace(empty, sessions=sessions_for(empty, RATE * SECONDS))
    leaves = worlds.minutes_of(run)
    step = leaves.column("step").to_numpy()
    live = LiveWatch(LEAF_DIMENSIONS, tuple(m.name for m in LEAF_MEASURES))
    for minute in range(int(run.begin_ms // MINUTE_MS), int(run.end_ms // MINUTE_MS)):
        live.history.put(minute, leaves.filter(pa.array(step == minute)))
        live.look(minute)
    named = [dict(i.slice) for i in live.incidents if i.confirmed_at is not None]
    wanted = [dict(fault.slice) for fault in DEMO if fault.kind == "fault"]
    return {
        "end": end.strftime("%H:%M"),
        "false": [one for one in named if one not in wanted],
        "missed": [one for one in wanted if one not in named],
    }
