"""Versions of session rows: a session that gets more events is folded again from all of them."""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.tables import SESSIONS
from qoescope.compile import arrow, fold
from qoescope.compile.duck import query_arrow, without_zone

KEY = ("property", "session_id")
CONTINUES_DAYS = 7
"""A session that does not say when it began is followed so far past its midnight."""


def sessions_with_row(events: pa.Table, before: pa.Table) -> pa.Table:
    """(property, session_id) of the events' sessions that have a row already."""
    return query_arrow(
        "select distinct property, session_id from events semi join before using (property, session_id)",
        events=events.select(list(KEY)),
        before=before.select(list(KEY)),
    )


def begun_earlier(events: pa.Table) -> pa.Table:
    """(property, session_id, session_day) of sessions that do not say when they began, without first event."""
    unsaid = events.select([*KEY, "seq", "session_day"]).filter(pc.is_null(events["session_started_at"]))
    return query_arrow(
        "select property, session_id, min(session_day) as session_day from unsaid group by all having min(seq) > 1",
        unsaid=unsaid,
    )


def latest(rows: pa.Table) -> pa.Table:
    """The last version of each session."""
    ids = rows.select([*KEY, "version", "written_at"]).append_column("row", _row_numbers(rows))
    kept = query_arrow(
        "select max_by(row, (version, written_at, row)) as row from ids group by property, session_id order by row",
        ids=ids,
    )["row"]
    return rows if len(kept) == len(rows) else rows.take(kept)


def _row_numbers(rows: pa.Table) -> pa.Array:
    return pa.array(range(len(rows)), pa.int64())


def versions(events: pa.Table, before: pa.Table, now: datetime) -> pa.Table:
    """New rows of the lake's sessions: those folded from `events` that differ from their last row in `before`.

    `events` must hold all events of a session, in any order, repeats included.
    """
    if not len(events):
        return arrow.schema(SESSION_VERSIONS).empty_table()
    return changed_versions(fold.sessions(events), session_places(events), before, now)


def session_places(events: pa.Table) -> pa.Table:
    """(property, session_id, session_day, bucket) of the events' sessions: where in the lake they lie."""
    return query_arrow(
        "select property, session_id, min(session_day) as session_day, any_value(bucket) as bucket "
        "from events group by all",
        events=events.select([*KEY, "session_day", "bucket"]),
    )


def changed_versions(folded: pa.Table, placed: pa.Table, before: pa.Table, now: datetime) -> pa.Table:
    """Session rows that differ from their last row in `before`, as new versions."""
    rows = query_arrow(_CHANGED, folded=without_zone(folded), places=placed, before=without_zone(latest(before)))
    written_at = pa.repeat(pa.scalar(now, pa.timestamp("us", "UTC")), len(rows))
    return arrow.conform(rows.append_column("written_at", written_at), SESSION_VERSIONS)


_CHANGED = f"""
select folded.*, coalesce(before.version, 0) + 1 as version, before.day as replaces_day,
  places.session_day, places.bucket
from folded join places using (property, session_id)
left join before on (folded.property, folded.session_id) = (before.property, before.session_id)
where before.session_id is null
  or not ({" and ".join(f"folded.{name} is not distinct from before.{name}" for name in SESSIONS.names)})"""


def exclude_sessions(rows: pa.Table, others: pa.Table) -> pa.Table:
    """The rows whose session is not among the others'."""
    if not len(rows) or not len(others):
        return rows
    kept = query_arrow(
        "select row from ids anti join others using (property, session_id) order by row",
        ids=rows.select(list(KEY)).append_column("row", _row_numbers(rows)),
        others=others.select(list(KEY)),
    )
    return rows.take(kept["row"])


def with_session_in(rows: pa.Table, others: pa.Table) -> pa.Table:
    """The rows whose session is among the others'."""
    if not len(rows):
        return rows
    kept = query_arrow(
        "select row from ids semi join others using (property, session_id) order by row",
        ids=rows.select(list(KEY)).append_column("row", _row_numbers(rows)),
        others=others.select(list(KEY)),
    )
    return rows.take(kept["row"])


def keep_versions(rows: pa.Table, versions: pa.Table) -> pa.Table:
    """The rows whose (property, session_id, version) is among these."""
    kept = query_arrow(
        "select row from ids semi join versions using (property, session_id, version) order by row",
        ids=rows.select([*KEY, "version"]).append_column("row", _row_numbers(rows)),
        versions=versions.select([*KEY, "version"]),
    )
    return rows.take(kept["row"])


def checksum(rows: pa.Table) -> str:
    """A checksum of session rows without versions, independent of their order; 32 hexadecimal digits."""
    if not len(rows):
        return "0" * 32
    said = ", ".join(f"coalesce(cast({name} as varchar), '~')" for name in SESSIONS.names)
    parts = f"cast(md5_number(concat_ws('|', {said})) % 1000000000000000000 as bigint)"  # their sum stays an integer
    found = query_arrow(
        f"select cast(sum({parts}) as varchar) as sum from rows", rows=without_zone(rows.select(SESSIONS.names))
    )
    return f"{int(found['sum'][0].as_py()) % (1 << 128):032x}"


def of_property(property_id: str) -> pc.Expression:
    """A filter for the rows of one property."""
    return pc.field("property") == property_id
