"""Compares the ledger's books, each with its counterpart; pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.events import LONGEST_INTERVAL_MS, WATCHED_STATES
from qoescope.catalog.marts import Mart
from qoescope.catalog.tables import SESSIONS
from qoescope.compile.duck import open_cursor, without_zone
from qoescope.mart.ledger_result import Difference

Rows = list[tuple[Any, ...]]
Named = tuple[tuple[str, str], Difference]
"""A session (property, session_id), and what differs of it."""
DOOR = ("accepted", "duplicate", "invalid", "rate_limited", "filtered")
KEPT = {"lake": "lake + reports", "late": "late", "quarantined": "quarantined"}
"""What is kept, and of which outcomes it is the sum: reports were once booked as events are."""
ACCEPTED = ("lake", "reports", "late", "quarantined", "erased")


def _query(tables: Mapping[str, pa.Table], sql: str) -> Rows:
    with open_cursor(2) as engine:
        for name, table in tables.items():
            engine.register(name, without_zone(table))
        return engine.sql(sql).fetchall()


def _minute(minute: datetime) -> str:
    return minute.strftime("%Y-%m-%d %H:%M")


def compare_door(outcomes: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Rows of `outcomes` whose parts do not add up to what was received."""
    return [
        Difference(
            "door",
            f"{row['property']} {_minute(row['minute_at'])} received",
            sum(row[n] for n in DOOR),
            row["received"],
        )
        for row in outcomes
        if row["received"] != sum(row[n] for n in DOOR)
    ]


def compare_lake(outcomes: pa.Table, counted: pa.Table, since: datetime | None = None) -> list[Difference]:
    """`outcomes` against the lake's rows, `counted` as (property, minute_at, kept, n), each kind one of `KEPT`.

    Only minutes since `since`, if given: older rows may be past their retention.
    """
    if since is not None:
        outcomes, counted = (rows.filter(pc.field("minute_at") >= pc.scalar(since)) for rows in (outcomes, counted))
    kept = "select property, minute_at, '{}' as kept, {} as n from outcomes where n <> 0"
    expected = " union all ".join(kept.format(*pair) for pair in KEPT.items())
    rows = _query(
        {"outcomes": outcomes, "counted": counted},
        f"""
with told as ({expected}),
counted as (select property, minute_at, kept, sum(n)::bigint as n from counted group by all)
select coalesce(a.property, b.property), coalesce(a.minute_at, b.minute_at), coalesce(a.kept, b.kept),
  coalesce(a.n, 0), coalesce(b.n, 0)
from told a full join counted b using (property, minute_at, kept)
where coalesce(a.n, 0) <> coalesce(b.n, 0) order by all""",
    )
    differences = [Difference("lake", f"{p} {_minute(m)} {kept}", told_n, there) for p, m, kept, told_n, there in rows]
    return differences + [
        Difference(
            "lake",
            f"{row['property']} {_minute(row['minute_at'])} accepted",
            sum(row[n] for n in ACCEPTED),
            row["accepted"],
        )
        for row in outcomes.to_pylist()
        if row["accepted"] != sum(row[n] for n in ACCEPTED)
    ]


def report_repeats(differences: pa.Table) -> list[Difference]:
    """Identities that are in the lake more than once: (property, session_id, seq, n)."""
    return [
        Difference("lake", f"{r['property']} session {r['session_id']} seq {r['seq']}", 1, r["n"])
        for r in differences.to_pylist()
    ]


def compare_epochs(
    written: Iterable[tuple[str, int]], booked: Iterable[tuple[str, int]], under_way: int
) -> list[Difference]:
    """Batches (query, number) that are in the lake and not booked.

    A batch behind all booked ones of its query may be under way: then `under_way` rows of the lake are not booked.
    """
    known, last = set(booked), dict[str, int]()
    for query, number in known:
        last[query] = max(number, last.get(query, -1))
    return [
        Difference("epochs", f"batch {number} of {query}", "booked", "not booked")
        for query, number in sorted(set(written) - known)
        if number < last.get(query, -1) or not under_way
    ]


_STATES = {
    "starting": "starting_ms",
    "playing": "play_ms + ad_play_ms",
    "stalled": "stall_ms",
    "seeking": "seek_ms",
    "resuming": "resume_ms",
    "paused": "paused_ms",
}


def compare_sessions(events: pa.Table, rows: pa.Table, still_open: pa.Table) -> list[Named]:
    """Time by state of events against their sessions' rows.

    Sessions that are `still_open` (property, session_id) are left out: their rows are not final.
    """
    watched = ", ".join(f"'{state}'" for state in WATCHED_STATES)
    asleep = f"state in ({watched}) and state_ms > {LONGEST_INTERVAL_MS}"
    sums = ", ".join(
        f"sum(case when state = '{s}' and not ({asleep}) then state_ms else 0 end) as {s}" for s in _STATES
    )
    compared = " union all ".join(
        f"select property, session_id, '{s}' as state, coalesce(e.{s}, 0) as events, "
        f"coalesce(r.{sum_.replace(' + ', ' + r.')}, 0) as row from e full join r using (property, session_id)"
        for s, sum_ in _STATES.items()
    )
    differing = _query(
        {"events": events, "rows": rows, "still_open": still_open},
        f"""
with once as (select distinct on (property, session_id, seq) * from events
  order by property, session_id, seq, received_at),
e as (select property, session_id, {sums}, sum(case when {asleep} then state_ms else 0 end) as discarded
  from once anti join still_open using (property, session_id) group by all),
r as (select * from rows anti join still_open using (property, session_id) where source <> 'import'),
compared as ({compared} union all
  select property, session_id, 'discarded', coalesce(e.discarded, 0), coalesce(r.discarded_ms, 0)
  from e full join r using (property, session_id))
select * from compared where events <> row order by all""",
    )
    return [((p, s), Difference("sessions", f"{p} session {s} {state} ms", a, b)) for p, s, state, a, b in differing]


def compare_refolded(again: pa.Table, rows: pa.Table, still_open: pa.Table) -> list[Named]:
    """Session rows against the same sessions folded `again` from events; one difference a session."""
    without = "anti join still_open using (property, session_id)"
    tables = {"e": again, "r": rows, "still_open": still_open}
    made = f"(select * from r {without} where source <> 'import')"
    differences = _differing_rows(tables, f"(select * from e {without})", made, SESSIONS.names)
    return [((p, s), Difference("sessions", f"{p} session {s}{what}", a, b)) for p, s, what, a, b in differences]


def compare_rows(latest: pa.Table, stored: pa.Table, names: Sequence[str]) -> list[Named]:
    """Rows in Postgres that are not the lake's latest."""
    differences = _differing_rows({"latest": latest, "stored": stored}, "latest", "stored", names)
    return [((p, s), Difference("rows", f"{p} session {s}{what}", a, b)) for p, s, what, a, b in differences]


def _differing_rows(tables: Mapping[str, pa.Table], left: str, right: str, names: Sequence[str]) -> Rows:
    """(property, session_id, what, left's value, right's value) of differing sessions, by their first column.

    A session that only one side has, or that has another version there, is reported before any column.
    """
    both = [name for name in names if name not in ("property", "session_id")]
    same = " and ".join(f"a.{name} is not distinct from b.{name}" for name in both)
    values = ", ".join(f"{{'n': '{name}', 'a': a.{name}::varchar, 'b': b.{name}::varchar}}" for name in both)
    has = "case when {0}.session_id is null then 'no row' else " + (
        "'version ' || {0}.version end" if "version" in names else "{0}.event_count || ' events' end"
    )
    version = "a.version is distinct from b.version" if "version" in names else "false"
    return _query(
        tables,
        f"""
with differing as (
  select coalesce(a.property, b.property) as property, coalesce(a.session_id, b.session_id) as session_id,
    a.session_id is null or b.session_id is null or {version} as whole,
    {has.format("a")} as has_a, {has.format("b")} as has_b,
    list_filter([{values}], lambda x: x.a is distinct from x.b) as columns
  from {left} a full join {right} b on a.property = b.property and a.session_id = b.session_id
  where a.session_id is null or b.session_id is null or not ({same})
)
select property, session_id,
  case when whole then '' else ' ' || columns[1].n || case when len(columns) > 1
    then ' (and ' || (len(columns) - 1) || ' more)' else '' end end,
  case when whole then has_a else coalesce(columns[1].a, 'nothing') end,
  case when whole then has_b else coalesce(columns[1].b, 'nothing') end
from differing order by all""",
    )


def compare_mart(there: pa.Table, again: pa.Table, mart: Mart) -> list[Difference]:
    """A mart against its recomputation, measure by measure; sketches may only have grown.

    One difference an hour, day or window: its first cell, the total's where that differs.
    """
    kinds = {m.name: m.type for m in mart.measures if m.type != "sketch"}
    unequal = {n: f"{_value('again', n, kind)} <> {_value('there', n, kind)}" for n, kind in kinds.items()}
    join = f"there full join again using ({', '.join(mart.table.key)})"
    rows = _first_cells({"there": there, "again": again}, join, "again", "there", unequal, "starts_at")
    return [
        Difference("marts", f"{mart.name} {p} {at:%Y-%m-%d %H:%M:%S} {_cell(cell, more)}", x or "no row", y or "no row")
        for p, at, *cell, x, y, more in rows
    ]


def _first_cells(
    tables: Mapping[str, pa.Table], join: str, left: str, right: str, unequal: Mapping[str, str], at: str
) -> Rows:
    """Of each property and `at`, the first cell in which a measure is `unequal` by its condition.

    (property, at, grouping, value_1, value_2, measure, left's value, right's value, number of other differing cells).
    """
    cells = ", ".join(
        f"{{'measure': '{n}', 'a': {left}.{n}::varchar, 'b': {right}.{n}::varchar, 'unequal': {condition}}}"
        for n, condition in sorted(unequal.items())
    )
    return _query(
        tables,
        f"""
with differing as (
  select property, {at}, grouping, value_1, value_2, list_filter([{cells}], lambda cell: cell.unequal) as cells
  from {join} where {" or ".join(unequal.values())}
)
select property, {at}, grouping, value_1, value_2, cells[1].measure, cells[1].a, cells[1].b,
  (sum(len(cells)) over (partition by property, {at}) - 1)::bigint
from differing
qualify row_number() over (partition by property, {at} order by grouping, value_1, value_2) = 1 order by all""",
    )


def _cell(place: Sequence[str], more: int) -> str:
    *names, measure = place
    others = f" (and {more} more {'cell' if more == 1 else 'cells'})" if more else ""
    return f"{'/'.join(filter(None, names)) or 'total'} {measure}{others}"


def _value(side: str, name: str, kind: str) -> str:
    if kind == "ints":
        return f"coalesce(nullif({side}.{name}, list_transform(range(62), lambda i: 0)), [])::bigint[]"
    return f"coalesce({side}.{name}, 0)"


def compare_hours(hour: pa.Table, day: pa.Table, mart: Mart) -> list[Difference]:
    """Days that are not the sum of their hours; one difference a day."""
    names = [m.name for m in mart.measures if m.type not in ("sketch", "ints")]
    key = "property, day, grouping, value_1, value_2"
    sums = f"(select {key}, {', '.join(f'sum({n}) as {n}' for n in names)} from hours group by all) s"
    unequal = {n: f"coalesce(s.{n}, 0) <> coalesce(days.{n}, 0)" for n in names}
    join = f"{sums} full join days using ({key})"
    rows = _first_cells({"hours": hour, "days": day}, join, "s", "days", unequal, "day")
    return [
        Difference("marts", f"{p} {at} {_cell(cell, more)}: sum of hours", x or 0, y or 0)
        for p, at, *cell, x, y, more in rows
    ]


def compare_sender(book: pa.Table, stored: pa.Table) -> list[Difference]:
    """Acknowledged events that are not stored exactly once. `stored`: (property, session_id, seq, n)."""
    rows = _query(
        {"book": book, "stored": stored},
        """
with sent as (
  select distinct property, session_id, unnest(range(first_seq, last_seq + 1)) as seq from book where acknowledged
),
counts as (select property, session_id, seq, sum(n)::bigint as n from stored group by all)
select sent.property, sent.session_id, sent.seq, coalesce(n, 0)
from sent left join counts using (property, session_id, seq)
where coalesce(n, 0) <> 1 order by all""",
    )
    return [Difference("sender", f"{p} session {s} seq {seq}", 1, n) for p, s, seq, n in rows]
