"""The ledger: the books from the door to the marts, compared; each difference is named.

Long because each of the five books is compared in sight of the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.events import LONGEST_INTERVAL_MS, WATCHED
from qoescope.catalog.marts import Mart
from qoescope.catalog.operations import OUTCOMES
from qoescope.compile import arrow
from qoescope.compile.duck import connected, naive

BOOKS = {
    "door": "received = accepted + duplicate + invalid + rate_limited + filtered",
    "lake": "accepted = rows in the lake + late + quarantined + erased",
    "sessions": "time by state: a day's events = its sessions",
    "rows": "the last version of each session in the lake = its row in Postgres",
    "marts": "every measure = its recomputation from the lake; a day = the sum of its hours",
    "log": "records between first and next offset = records read",
    "sender": "what was acknowledged is in the lake, once",
}
MOST = 200
"""Differences of a book that are named one by one; the others are counted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two numbers that should be one."""

    book: str
    where: str
    expected: int | float | str
    found: int | float | str

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.book}: {self.where}: expected {self.expected}, found {self.found}"

    @property
    def gap(self) -> tuple[str, str, int | float | str]:
        """The same for two looks at numbers that both grow, and lie as far apart."""
        try:
            return self.book, self.where, float(self.expected) - float(self.found)
        except ValueError:
            return self.book, self.where, f"{self.expected} {self.found}"


@dataclass(slots=True)
class LedgerResult:
    """What the books say; `ok` when all of them agree."""

    checked: dict[str, int] = field(default_factory=dict)
    """Numbers compared, by book."""
    differences: list[Difference] = field(default_factory=list)
    unnamed: int = 0
    totals: dict[str, int] = field(default_factory=dict)
    lag: dict[int, int] = field(default_factory=dict)
    """Records of the log that are still to be read, by partition."""

    @property
    def ok(self) -> bool:
        """Whether every book agrees."""
        return not self.differences

    @property
    def holds(self) -> bool:
        """Whether every book agrees."""
        return self.ok

    @property
    def lines(self) -> list[str]:
        """Lines for people: each book, then each difference."""
        told = [f"{book}: {BOOKS[book]}: {n} compared" for book, n in self.checked.items()]
        behind = sum(self.lag.values())
        told += [f"log: {behind} records are still to be read"] if behind else []
        told += [str(difference) for difference in self.differences]
        told += [f"and {self.unnamed} more differences"] if self.unnamed else []
        return [*told, "all books agree" if self.ok else f"{len(self.differences) + self.unnamed} differences"]

    def add(self, book: str, compared: int, found: Iterable[Difference]) -> None:
        """Notes a book's comparison."""
        differences = list(found)
        self.checked[book] = self.checked.get(book, 0) + compared
        self.differences += differences[:MOST]
        self.unnamed += max(0, len(differences) - MOST)

    def keep(self, before: "LedgerResult") -> None:
        """Leaves out what did not differ, or not by as much, at the look before: it was under way."""
        lasting = {difference.gap for difference in before.differences}
        self.differences = [difference for difference in self.differences if difference.gap in lasting]
        self.unnamed = min(self.unnamed, before.unnamed)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "ok": self.ok, "checked": self.checked, "differences": [asdict(d) for d in self.differences],
            "unnamed": self.unnamed, "totals": self.totals, "lag": {str(p): n for p, n in self.lag.items()},
        }  # fmt: skip


Rows = list[tuple[Any, ...]]


def _asked(tables: Mapping[str, pa.Table], sql: str) -> Rows:
    with connected(2) as engine:
        for name, table in tables.items():
            engine.register(name, naive(table))
        return engine.sql(sql).fetchall()


def _when(minute: datetime) -> str:
    return minute.strftime("%Y-%m-%d %H:%M")


DOOR = ("accepted", "duplicate", "invalid", "rate_limited", "filtered")


def door(outcomes: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Rows of `outcomes` whose parts are not their whole."""
    return [
        Difference(
            "door", f"{row['property']} {_when(row['minute_at'])} received", sum(row[n] for n in DOOR), row["received"]
        )
        for row in outcomes
        if row["received"] != sum(row[n] for n in DOOR)
    ]


KEPT = ("lake", "late", "quarantined")
ACCEPTED = (*KEPT, "erased")


def lake(outcomes: pa.Table, stored: Mapping[str, pa.Table], since: datetime | None = None) -> list[Difference]:
    """`outcomes` against the rows of the lake; `stored` maps each of `KEPT` to its rows' (property, received_at).

    Of the minutes `since` then, where what was received before may be past its retention.
    """
    if since is not None:
        outcomes = outcomes.filter(pc.greater_equal(outcomes["minute_at"], pa.scalar(since)))
        stored = {n: rows.filter(pc.greater_equal(rows["received_at"], pa.scalar(since))) for n, rows in stored.items()}
    counted = " union all ".join(
        f"select property, time_bucket(interval '1 minute', received_at) as minute_at, '{name}' as kept, count(*) as n "
        f"from stored_{name} group by all"
        for name in KEPT
    )
    told = " union all ".join(
        f"select property, minute_at, '{name}' as kept, {name} as n from outcomes where {name} <> 0" for name in KEPT
    )
    rows = _asked(
        {"outcomes": outcomes, **{f"stored_{name}": table for name, table in stored.items()}},
        f"""
with counted as ({counted}), told as ({told})
select coalesce(a.property, b.property), coalesce(a.minute_at, b.minute_at), coalesce(a.kept, b.kept),
  coalesce(a.n, 0), coalesce(b.n, 0)
from told a full join counted b using (property, minute_at, kept)
where coalesce(a.n, 0) <> coalesce(b.n, 0) order by all""",
    )
    found = [Difference("lake", f"{p} {_when(m)} {kept}", told_n, there) for p, m, kept, told_n, there in rows]
    return found + [
        Difference(
            "lake",
            f"{row['property']} {_when(row['minute_at'])} accepted",
            sum(row[n] for n in ACCEPTED),
            row["accepted"],
        )
        for row in outcomes.to_pylist()
        if row["accepted"] != sum(row[n] for n in ACCEPTED)
    ]


def twice(events: pa.Table) -> list[Difference]:
    """Identities that are in the lake more than once."""
    rows = _asked(
        {"events": events}, "select property, session_id, seq, count(*) from events group by all having count(*) > 1"
    )
    return [Difference("lake", f"{p} session {s} seq {seq}", 1, n) for p, s, seq, n in rows]


_STATES = ("starting", "playing", "stalled", "seeking", "resuming", "paused")


def sessions(events: pa.Table, rows: pa.Table, silent_since: datetime | None) -> tuple[list[Difference], int]:
    """Time by state of the day's events against its sessions, and how many sessions are still open.

    Sessions with an event received after `silent_since` are open: they are compared once they have closed.
    """
    watched = ", ".join(f"'{state}'" for state in WATCHED)
    asleep = f"state in ({watched}) and state_ms > {LONGEST_INTERVAL_MS}"
    sums = ", ".join(
        f"sum(case when state = '{s}' and not ({asleep}) then state_ms else 0 end) as {s}" for s in _STATES
    )
    names = {"starting": "starting_ms", "playing": "play_ms + ad_play_ms", "stalled": "stall_ms", "seeking": "seek_ms",
             "resuming": "resume_ms", "paused": "paused_ms"}  # fmt: skip
    limit = f"'{silent_since:%Y-%m-%d %H:%M:%S.%f}'::timestamp" if silent_since else "'9999-01-01'::timestamp"
    compared = " union all ".join(
        f"select property, session_id, '{s}' as state, coalesce(e.{s}, 0) as events, "
        f"coalesce(r.{names[s].replace(' + ', ' + r.')}, 0) as row "
        "from e full join r using (property, session_id)" for s in _STATES
    )  # fmt: skip
    sql = f"""
with once as (select distinct on (property, session_id, seq) * from events
  order by property, session_id, seq, received_at),
e as (select property, session_id, max(received_at) as heard, {sums},
    sum(case when {asleep} then state_ms else 0 end) as discarded
  from once group by all having max(received_at) <= {limit}),
closed as (select distinct property, session_id from events group by all having max(received_at) > {limit}),
r as (select * from rows anti join closed using (property, session_id) where source <> 'import'),
compared as ({compared} union all
  select property, session_id, 'discarded', coalesce(e.discarded, 0), coalesce(r.discarded_ms, 0)
  from e full join r using (property, session_id))
"""
    differing = _asked(
        {"events": events, "rows": rows}, f"{sql} select * from compared where events <> row order by all"
    )
    ((still,),) = _asked({"events": events, "rows": rows}, f"{sql} select count(*) from closed")
    return [Difference("sessions", f"{p} session {s} {state} ms", a, b) for p, s, state, a, b in differing], still


def published(rows: pa.Table, stored: pa.Table) -> list[Difference]:
    """Sessions whose row in Postgres is not the lake's last version. Both: (property, day, session_id, version)."""
    found = _asked(
        {"latest": rows, "stored": stored},
        """
select property, day, session_id, r.version, s.version
from latest r full join stored s using (property, day, session_id)
where r.version is distinct from s.version order by all limit 1000""",
    )
    return [Difference("rows", f"{p} {day} session {s}", _version(a), _version(b)) for p, day, s, a, b in found]


def _version(number: int | None) -> str:
    return "no row" if number is None else f"version {number}"


def marts(there: pa.Table, again: pa.Table, mart: Mart) -> list[Difference]:
    """A mart against its recomputation, measure by measure; sketches may only have grown."""
    keys = mart.table.key
    names = [m.name for m in mart.measures if m.type != "sketch"]
    join = f"there full join again using ({', '.join(keys)})"
    zero = {m.name: "[]" if m.type == "ints" else "0" for m in mart.measures}
    compared = " union all ".join(
        f"select property, starts_at, grouping, value_1, value_2, '{n}' as measure, again.{n}::varchar as expected, "
        f"there.{n}::varchar as found from {join} where {_value('again', n, zero)} <> {_value('there', n, zero)}"
        for n in names
    )
    rows = _asked({"there": there, "again": again}, f"select * from ({compared}) order by all limit 1000")
    return [
        Difference("marts", f"{mart.name} {p} {at:%Y-%m-%d %H:%M:%S} {_slice(g, a, b)} {measure}",
                   expected or "no row", found or "no row")
        for p, at, g, a, b, measure, expected, found in rows
    ]  # fmt: skip


def _slice(*names: str) -> str:
    return "/".join(filter(None, names)) or "total"


def _value(side: str, name: str, zero: Mapping[str, str]) -> str:
    if zero[name] == "[]":
        return f"coalesce(nullif({side}.{name}, list_transform(range(62), lambda i: 0)), [])::bigint[]"
    return f"coalesce({side}.{name}, 0)"


def hours(hour: pa.Table, day: pa.Table, mart: Mart) -> list[Difference]:
    """Days that are not the sum of their hours."""
    names = [m.name for m in mart.measures if m.type not in ("sketch", "ints")]
    sums = ", ".join(f"sum({n}) as {n}" for n in names)
    compared = " union all ".join(
        f"select property, day, grouping, value_1, value_2, '{n}' as measure, s.{n} as hours, d.{n} as whole "
        f"from s full join d using (property, day, grouping, value_1, value_2) "
        f"where coalesce(s.{n}, 0) <> coalesce(d.{n}, 0)"
        for n in names
    )
    rows = _asked(
        {"h": hour, "d": day},
        f"with s as (select property, day, grouping, value_1, value_2, {sums} from h group by all) {compared}",
    )
    return [
        Difference(
            "marts",
            f"{p} {at} {'/'.join(filter(None, (g, a, b))) or 'total'} {measure}: sum of hours",
            hours_n or 0,
            whole or 0,
        )
        for p, at, g, a, b, measure, hours_n, whole in rows
    ]


@dataclass(frozen=True, slots=True)
class Reading:
    """A partition of the log and how far a stream has read it."""

    first: int
    end: int
    started: int
    next: int
    records: int
    lost: int


def log(partitions: Mapping[int, Reading]) -> list[Difference]:
    """Partitions where records read do not fill the offsets, or where records went before they were read."""
    found = []
    for number, p in partitions.items():
        if p.next - p.started != p.records + p.lost:
            found.append(Difference("log", f"partition {number} records read", p.next - p.started - p.lost, p.records))
        if p.lost:
            found.append(Difference("log", f"partition {number} records lost before they were read", 0, p.lost))
        if p.first > p.next:
            found.append(
                Difference(
                    "log", f"partition {number} offsets {p.next} to {p.first - 1} gone unread", 0, p.first - p.next
                )
            )
        if p.next > p.end:
            found.append(Difference("log", f"partition {number} end", p.next, p.end))
    return found


def sender(book: pa.Table, stored: pa.Table) -> list[Difference]:
    """Acknowledged events that are not stored exactly once. `stored`: (property, session_id, seq)."""
    rows = _asked(
        {"book": book, "stored": stored},
        """
with sent as (
  select distinct property, session_id, unnest(range(first_seq, last_seq + 1)) as seq from book where acknowledged
),
counts as (select property, session_id, seq, count(*) as n from stored group by all)
select sent.property, sent.session_id, sent.seq, coalesce(n, 0)
from sent left join counts using (property, session_id, seq)
where coalesce(n, 0) <> 1 order by all""",
    )
    return [Difference("sender", f"{p} session {s} seq {seq}", 1, n) for p, s, seq, n in rows]


def erased(rows: Mapping[str, pa.Table]) -> pa.Table:
    """What erasing these rows takes from the books: rows of `outcomes`, by minute. The door's side stays as it was."""
    names = {"events": "lake", "late": "late", "quarantine": "quarantined"}
    return _erased({name: rows[table] for table, name in names.items()})


def _erased(rows: Mapping[str, pa.Table]) -> pa.Table:
    counted = " union all by name ".join(
        f"select property, time_bucket(interval '1 minute', received_at) as minute_at, -count(*) as {name}, "
        f"count(*) as erased "
        f"from {name} group by all"
        for name in rows
    )
    sums = ", ".join(f"coalesce(sum({name}), 0)::bigint as {name}" for name in (*rows, "erased"))
    with connected() as engine:
        for name, table in rows.items():
            engine.register(name, naive(table.select(["property", "received_at"])))
        found = engine.sql(f"select property, minute_at, {sums} from ({counted}) group by all").to_arrow_table()
    return arrow.conform(found, OUTCOMES)
