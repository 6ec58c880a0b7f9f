"""Versions: session rows as they grow; one that was closed before is measured again from all of its events."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.tables import SESSIONS
from qoescope.compile import arrow, fold
from qoescope.compile.duck import connected, naive

KEY = ("property", "session_id")


def known(events: pa.Table, before: pa.Table) -> pa.Table:
    """(property, session_id) of the events' sessions that have a row already; their other events lie in the lake."""
    return _joined(events.select(list(KEY)), before.select(list(KEY)))


def _joined(left: pa.Table, right: pa.Table) -> pa.Table:
    with connected() as engine:
        engine.register("a", left)
        engine.register("b", right)
        return engine.sql(
            "select distinct property, session_id from a semi join b using (property, session_id)"
        ).to_arrow_table()


def latest(rows: pa.Table) -> pa.Table:
    """Of rows of session versions, the last of each session."""
    with connected() as engine:
        engine.register("rows", rows.select([*KEY, "version", "written_at"]).append_column("row", _numbers(rows)))
        kept = engine.sql(
            "select max_by(row, (version, written_at, row)) as row from rows group by property, session_id order by row"
        ).to_arrow_table()["row"]
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
    with connected() as engine:
        engine.register("events", events.select([*KEY, "session_day", "bucket"]))
        return engine.sql(
            "select property, session_id, min(session_day) as session_day, any_value(bucket) as bucket "
            "from events group by all"
        ).to_arrow_table()


def changed(folded: pa.Table, placed: pa.Table, before: pa.Table, now: datetime) -> pa.Table:
    """Of session rows, those that differ from their last row in `before`, as new versions in their places."""
    with connected() as engine:
        engine.register("folded", naive(folded))
        engine.register("places", placed)
        engine.register("before", naive(latest(before)))
        same = " and ".join(f"folded.{name} is not distinct from before.{name}" for name in SESSIONS.names)
        rows = engine.sql(
            f"""
select folded.*, coalesce(before.version, 0) + 1 as version, $now as written_at, before.day as replaces_day,
  places.session_day, places.bucket
from folded join places using (property, session_id)
left join before on (folded.property, folded.session_id) = (before.property, before.session_id)
where before.session_id is null or not ({same})""",
            params={"now": now.replace(tzinfo=None)},
        ).to_arrow_table()
    return arrow.conform(rows, SESSION_VERSIONS)


def stale(identities: pa.Table, before: pa.Table, silent_since: datetime) -> pa.Table:
    """(property, session_id) of closed sessions whose row, if any, counts other events than are there.

    `identities` has (property, session_id, seq, received_at) of all events of a part of the lake.
    """
    with connected() as engine:
        engine.register("identities", naive(identities))
        engine.register("before", latest(before).select([*KEY, "event_count"]))
        return engine.sql(
            """
with counted as (
  select property, session_id, count(distinct seq) as n, max(received_at) as heard from identities group by all
)
select property, session_id from counted left join before using (property, session_id)
where heard <= $since and coalesce(event_count, -1) <> n""",
            params={"since": silent_since.astimezone(UTC).replace(tzinfo=None)},
        ).to_arrow_table()


def without(rows: pa.Table, others: pa.Table) -> pa.Table:
    """The rows whose session is not among the others'."""
    if not len(rows) or not len(others):
        return rows
    with connected() as engine:
        engine.register("rows", rows.select(list(KEY)).append_column("row", _numbers(rows)))
        engine.register("others", others.select(list(KEY)))
        kept = engine.sql("select row from rows anti join others using (property, session_id) order by row")
        return rows.take(kept.to_arrow_table()["row"])


def checksum(rows: pa.Table) -> str:
    """Of session rows in no order, versions left out: equal content has an equal one."""
    if not len(rows):
        return "0" * 32
    with connected() as engine:
        engine.register("rows", naive(rows.select(list(SESSIONS.names))))
        said = ", ".join(f"coalesce(cast({name} as varchar), '~')" for name in SESSIONS.names)
        ((found,),) = engine.sql(
            f"select sum(md5_number(concat_ws('|', {said})) % 1000000000000000000) from rows"
        ).fetchall()
    return f"{int(found) % (1 << 128):032x}"


def of_property(tenant: str) -> pc.Expression:
    """A filter that lets rows of one property pass."""
    return pc.field("property") == tenant
