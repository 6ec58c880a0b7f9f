"""Versions: session rows as they grow; one that was closed before is measured again from all of its events."""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.tables import SESSIONS
from qoescope.compile import arrow, fold
from qoescope.compile.duck import answered, naive

KEY = ("property", "session_id")
GOES_ON_DAYS = 7
"""A session that does not say when it began is followed so far past its midnight."""


def known(events: pa.Table, before: pa.Table) -> pa.Table:
    """(property, session_id) of the events' sessions that have a row already; their other events lie in the lake."""
    return answered(
        "select distinct property, session_id from events semi join before using (property, session_id)",
        events=events.select(list(KEY)),
        before=before.select(list(KEY)),
    )


def begun_before(events: pa.Table) -> pa.Table:
    """(property, session_id, session_day) of sessions that do not say when they began, and whose first event lacks."""
    unsaid = events.select([*KEY, "seq", "session_day"]).filter(pc.is_null(events["session_started_at"]))
    return answered(
        "select property, session_id, min(session_day) as session_day from unsaid group by all having min(seq) > 1",
        unsaid=unsaid,
    )


def latest(rows: pa.Table) -> pa.Table:
    """Of rows of session versions, the last of each session."""
    ids = rows.select([*KEY, "version", "written_at"]).append_column("row", _numbers(rows))
    kept = answered(
        "select max_by(row, (version, written_at, row)) as row from ids group by property, session_id order by row",
        ids=ids,
    )["row"]
    return rows if len(kept) == len(rows) else rows.take(kept)


def _numbers(rows: pa.Table) -> pa.Array:
    return pa.array(range(len(rows)), pa.int64())


def versions(events: pa.Table, before: pa.Table, now: datetime) -> pa.Table:
    """New rows of the lake's sessions: of `events`' sessions, those that differ from their last row in `before`.

    `events` must hold all events of a session, in any order and with repeats.
    """
    if not len(events):
        return arrow.schema(SESSION_VERSIONS).empty_table()
    return changed(fold.sessions(events), places(events), before, now)


def places(events: pa.Table) -> pa.Table:
    """(property, session_id, session_day, bucket) of the events' sessions: where in the lake they lie."""
    return answered(
        "select property, session_id, min(session_day) as session_day, any_value(bucket) as bucket "
        "from events group by all",
        events=events.select([*KEY, "session_day", "bucket"]),
    )


def changed(folded: pa.Table, placed: pa.Table, before: pa.Table, now: datetime) -> pa.Table:
    """Of session rows, those that differ from their last row in `before`, as new versions in their places."""
    rows = answered(_CHANGED, folded=naive(folded), places=placed, before=naive(latest(before)))
    written_at = pa.repeat(pa.scalar(now, pa.timestamp("us", "UTC")), len(rows))
    return arrow.conform(rows.append_column("written_at", written_at), SESSION_VERSIONS)


_CHANGED = f"""
select folded.*, coalesce(before.version, 0) + 1 as version, before.day as replaces_day,
  places.session_day, places.bucket
from folded join places using (property, session_id)
left join before on (folded.property, folded.session_id) = (before.property, before.session_id)
where before.session_id is null
  or not ({" and ".join(f"folded.{name} is not distinct from before.{name}" for name in SESSIONS.names)})"""


def without(rows: pa.Table, others: pa.Table) -> pa.Table:
    """The rows whose session is not among the others'."""
    if not len(rows) or not len(others):
        return rows
    kept = answered(
        "select row from ids anti join others using (property, session_id) order by row",
        ids=rows.select(list(KEY)).append_column("row", _numbers(rows)),
        others=others.select(list(KEY)),
    )
    return rows.take(kept["row"])


def with_session_in(rows: pa.Table, others: pa.Table) -> pa.Table:
    """The rows whose session is among the others'."""
    if not len(rows):
        return rows
    kept = answered(
        "select row from ids semi join others using (property, session_id) order by row",
        ids=rows.select(list(KEY)).append_column("row", _numbers(rows)),
        others=others.select(list(KEY)),
    )
    return rows.take(kept["row"])


def among(rows: pa.Table, versions: pa.Table) -> pa.Table:
    """The rows whose (property, session_id, version) is among these."""
    kept = answered(
        "select row from ids semi join versions using (property, session_id, version) order by row",
        ids=rows.select([*KEY, "version"]).append_column("row", _numbers(rows)),
        versions=versions.select([*KEY, "version"]),
    )
    return rows.take(kept["row"])


def checksum(rows: pa.Table) -> str:
    """Of session rows in no order, versions left out: equal content has an equal one."""
    if not len(rows):
        return "0" * 32
    said = ", ".join(f"coalesce(cast({name} as varchar), '~')" for name in SESSIONS.names)
    parts = f"cast(md5_number(concat_ws('|', {said})) % 1000000000000000000 as bigint)"  # their sum stays an integer
    found = answered(f"select cast(sum({parts}) as varchar) as sum from rows", rows=naive(rows.select(SESSIONS.names)))
    return f"{int(found['sum'][0].as_py()) % (1 << 128):032x}"


def of_property(property_id: str) -> pc.Expression:
    """A filter that lets rows of one property pass."""
    return pc.field("property") == property_id
