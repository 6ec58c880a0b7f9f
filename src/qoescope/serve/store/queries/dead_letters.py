"""Dead letters: what could not be understood, by reason and one by one."""

from typing import Any

from qoescope.compile.ask import Between
from qoescope.serve.store.property_store import PropertyStore

_BY_REASON = """
select stage, reason, sum(count)::bigint as events, max(received_at) as newest,
  count(*) filter (where replayed_at is null) as open
from dead_letters where received_at >= %(from)s and received_at < %(to)s group by 1, 2 order by 3 desc limit 20"""
_NEWEST = """
select received_at, stage, reason, detail, left(encode(body, 'escape'), 400) as body, replayed_at
from dead_letters where received_at >= %(from)s and received_at < %(to)s order by received_at desc limit 200"""
_WAITING = """
select count(*) as letters from dead_letters
where stage = 'door' and replayed_at is null and (%(reason)s = '' or reason = %(reason)s)"""


def by_reason(store: PropertyStore, between: Between) -> list[dict[str, Any]]:
    """One row a stage and reason, with the number of letters that were not replayed yet as `open`."""
    return store.rows(_BY_REASON, **{"from": between[0], "to": between[1]})


def newest(store: PropertyStore, between: Between) -> list[dict[str, Any]]:
    """The newest letters of the range, with the beginning of their bytes as text."""
    return store.rows(_NEWEST, **{"from": between[0], "to": between[1]})


def count_waiting(store: PropertyStore, reason: str) -> int:
    """How many letters of the reason, or of any where it is empty, can be replayed."""
    return int(store.rows(_WAITING, reason=reason)[0]["letters"])
