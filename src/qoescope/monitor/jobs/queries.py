"""Questions: what the watch asks Postgres, as SQL with bound parameters; slices are quoted by `story.condition`."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from qoescope.monitor.detect.named_slices import values_of
from qoescope.monitor.incidents.impact import touched_sql
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.incidents.story import condition

EXAMPLES = 10

NEWEST = (
    "select property, max(starts_at) from live_leaf where day >= (select max(day) - 1 from live_leaf) group by property"
)
PROPERTIES = "select distinct property from sessions where day = %s"
ONGOING = (
    "select * from incidents where property = %s and source = %s "
    "and (closed_at is null or closed_at > %s) and state <> 'dismissed'"
)
DISMISSED = "select id from incidents where property = %s and state = 'dismissed'"
RULES = "select * from rules where property = %s and enabled"
NOTIFIABLE = (
    "select * from incidents i where state in ('confirmed', 'closed') and updated_at > now() - interval '1 day' "
    "and not (source = 'batch' and exists (select from incidents l where l.property = i.property "
    "and l.source = 'live' and l.confirmed_at is not null and l.slice::text = i.slice::text "
    "and l.onset_at <= i.last_seen_at and l.last_seen_at >= i.onset_at)) order by property, opened_at"
)
"""What the restated day finds again under the same name was told when it happened."""
NOTIFICATIONS = "select * from notifications where created_at > now() - interval '8 days'"
TESTS = "select * from notifications where state = 'test' and target = '*' and status = 'pending'"
MUTES = "select * from mutes where ends_at > now() - interval '1 day'"
USUAL_WATCH = (
    "select avg(watched_ms)::double precision from sessions where property = %s and day >= %s and started_at >= %s "
    "and started_at < %s and is_play"
)
ENDED_WITHIN = (
    "property = %s and day >= %s and started_at + session_ms * interval '1 millisecond' >= %s "
    "and started_at + session_ms * interval '1 millisecond' < %s"
)
DELETE_DAY = (
    "delete from incidents where property = %s and source = 'batch' and opened_at > %s and opened_at <= %s "
    "and state <> 'dismissed' and id <> all(%s)"
)
FINAL = (
    "select id from incidents where property = %(property_id)s and source = 'batch' and opened_at > %(begin)s "
    "and opened_at <= %(end)s and (state = 'dismissed' or last_seen_at > %(end)s or closed_at > %(end)s)"
)
"""Incidents of a day of which a person or a later day has spoken since: the day itself does not change them again."""
DELETE = "delete from incidents where property = %s and id = any(%s)"


def minutes(dims: Sequence[str], sums: Sequence[str]) -> str:
    """`live_leaf` between two instants: minute, dimensions, sums."""
    names = ", ".join((*dims, *sums))
    return (
        f"select extract(epoch from starts_at)::bigint / 60, {names} from live_leaf "
        "where property = %s and day >= %s and day <= %s and starts_at >= %s and starts_at < %s"
    )


STARTED_WITHIN = "property = %s and day >= %s and day <= %s and started_at >= %s and started_at < %s"


def touched(one: Incident) -> str:
    """Sessions, distinct viewers and examples among closed sessions that the incident touched."""
    conditions = [condition(name, values_of(value)) for name, value in sorted(one.slice.items())]
    conditions.append(touched_sql(one.best.watched, one.best.expected))
    inside = " and ".join(conditions).replace("%", "%%")
    return (
        "select count(*), count(distinct viewer_id), "
        f"(array_agg(session_id order by started_at desc))[1:{EXAMPLES}] from sessions "
        f"where property = %s and day >= %s and started_at >= %s and started_at < %s and {inside}"
    )


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Runs of consecutive numbers as (first, last + 1)."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs


def table(rows: Sequence[tuple[Any, ...]], texts: Sequence[str], sums: Sequence[str]) -> pa.Table:
    """Rows as they were answered as a table: a step and texts, then sums."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * (len(texts) + len(sums))
    arrays = [pa.array(c, pa.int64() if i == 0 else pa.string()) for i, c in enumerate(columns[: len(texts)])]
    arrays += [pa.array(np.array(c, dtype=np.float64)) for c in columns[len(texts) :]]
    return pa.table(arrays, names=[*texts, *sums])
