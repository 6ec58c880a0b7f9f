"""Outcomes: what became of the events received, from the collector's count and the lake's."""

from datetime import timedelta
from typing import Any

from qoescope.catalog.errors import OUTCOMES
from qoescope.catalog.operations import COUNTED
from qoescope.compile.ask import Between
from qoescope.serve.store.property_store import PropertyStore

DOOR = tuple(OUTCOMES)
"""What the collector counts: every event received is in exactly one of them."""
LAKE = tuple(f.name for f in COUNTED if f.name not in ("received", *DOOR))
"""What the lake counts of the accepted ones."""
_TOTALS = f"""
select {", ".join(f"coalesce(sum({name}), 0)::bigint as {name}" for name in ("received", *DOOR, *LAKE))}
from outcomes where minute_at >= %(from)s and minute_at < %(to)s"""
_BY_STEP = f"""
select date_bin(%(step)s, minute_at, timestamptz '2001-01-01 00:00Z') as starts_at,
  {", ".join(f"sum({name})::bigint as {name}" for name in DOOR)}
from outcomes where minute_at >= %(from)s and minute_at < %(to)s group by 1 order by 1"""


def totals(store: PropertyStore, between: Between) -> dict[str, int]:
    """Events of the range: received, and by outcome; empty before the first count."""
    return store.rows(_TOTALS, **{"from": between[0], "to": between[1]})[0] if store.has("outcomes") else {}


def by_step(store: PropertyStore, between: Between, step: timedelta) -> list[dict[str, Any]]:
    """Events of the range by outcome, one row a step of time that has any."""
    bounds = {"from": between[0], "to": between[1]}
    return store.rows(_BY_STEP, step=step, **bounds) if store.has("outcomes") else []
