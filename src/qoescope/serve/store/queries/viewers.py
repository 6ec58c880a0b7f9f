"""Viewers: the days of one viewer."""

from datetime import date
from typing import Any

from qoescope.serve.store.property_store import PropertyStore

_BY_DEVICE = """
select value_2 as device, count(*) as days, max(day) as last_day, sum(attempts)::bigint as attempts,
  sum(plays)::bigint as plays, sum(watched_ms)::bigint as watched_ms, sum(stalls)::bigint as stalls,
  sum(stall_ms)::bigint as stall_ms, sum(start_failures_technical + play_failures_technical)::bigint as failures
from viewer_day where grouping = 'viewer_id,device_type' and value_1 = %(viewer)s
  and day between %(first)s and %(last)s group by 1 order by 4 desc, 1"""


def by_device(store: PropertyStore, viewer: str, first: date, last: date) -> list[dict[str, Any]]:
    """What the viewer lived through from `first` to `last`, one row a device; none where there is no such viewer."""
    return store.rows(_BY_DEVICE, viewer=viewer, first=first, last=last)
