"""Viewers: the days of one viewer."""

from datetime import date
from typing import Any

from qoescope.compile.ask import Between
from qoescope.serve.store.property_store import PropertyStore

_BY_DEVICE = """
select value_2 as device, count(*) as days, max(day) as last_day, sum(attempts)::bigint as attempts,
  sum(plays)::bigint as plays, sum(watched_ms)::bigint as watched_ms, sum(stalls)::bigint as stalls,
  sum(stall_ms)::bigint as stall_ms, sum(start_failures_technical + play_failures_technical)::bigint as failures
from viewer_day where grouping = 'viewer_id,device_type' and value_1 = %(viewer)s
  and day between %(first)s and %(last)s group by 1 order by 4 desc, 1"""


def find_id(store: PropertyStore, between: Between, wanted: str, may_ask_for_people: bool) -> str | None:
    """The id of our tables by which sessions of the time are found; None where there are none.

    That is `wanted` itself, or where the caller may ask for people the pseudonym of the viewer whose own id it is:
    a viewer has one under each version of the viewer key, the newest that has sessions counts.
    """
    if store.sessions(between, {}, search=wanted, limit=1):
        return wanted
    names = reversed(store.pseudonyms(wanted)) if may_ask_for_people else ()
    return next((name for name in names if store.sessions(between, {}, search=name, limit=1)), None)


def by_device(store: PropertyStore, viewer: str, first: date, last: date) -> list[dict[str, Any]]:
    """What the viewer experienced from `first` to `last`, one row a device; none where there is no such viewer."""
    return store.rows(_BY_DEVICE, viewer=viewer, first=first, last=last)
