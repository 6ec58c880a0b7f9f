"""Records: what lies in the log, as tables: events, the door's counts, ticks, CMCD reports, and what cannot be read.

DuckDB parses whole Arrow tables of JSON: several times faster than row by row, in stream and tests alike. Long because
what a record may say, and what is left of one that says it wrongly, is one statement's business.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.bounds import DATES, DAY_MS, DEVICE_DATES, LONGEST_CONTENT_MS
from qoescope.catalog.dimensions import CONTEXT_FIELDS, UNKNOWN
from qoescope.catalog.doors import EVENT_BOUNDS, LARGEST_INT
from qoescope.catalog.events import EVENT_FIELDS, IN_TABLES
from qoescope.catalog.operations import QUARANTINE, REPORTS
from qoescope.catalog.schema import Field
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, tallies
from qoescope.compile.duck import answered, types

RECORDS = pa.schema(
    [
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("kafka_partition", pa.int64()),
        pa.field("kafka_offset", pa.int64()),
    ]
)
"""Records as a stream or a reader gives them."""

DOOR = ("received", "accepted", "duplicate", "invalid", "filtered")
VERSION = "1"
"""Of the record's form; one that says another is not read by what its names mean today."""
SANE_START_DAYS = (-30, 2)
"""A press of play may be so many days from the arrival of its events; else the device's clock is not believed."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A batch of records, taken apart."""

    events: pa.Table
    """Rows of the catalog's `events`, repeats and late ones among them."""
    counts: pa.Table
    """(property, minute_at, received, accepted, duplicate, invalid, rate_limited, filtered), one row each."""
    offsets: pa.Table
    """(kafka_partition, first_offset, next_offset, records, complete_until), one row a partition."""
    unreadable: pa.Table
    """Rows of the catalog's `quarantine`: records and events that are not what the log should hold."""
    reports: pa.Table
    """Rows of the catalog's `reports`."""
    unknown: pa.Table
    """(property, minute_at, field, count): values that could not be meant, by field."""


def parsed(records: pa.Table, buckets: int) -> Parsed:
    """The records taken apart; nothing in them can make it fail."""
    given = _texts(records)
    try:
        read = answered(_read_sql("value", buckets), given=given)
    except duckdb.Error:  # one record that is no JSON: now each is looked at before it is read
        read = answered(_read_sql("case when json_valid(value) then value end", buckets), given=given)
    rows = _rows(read)
    if tallies.are_plain(read):
        tables = {"counts": tallies.counts(read), "offsets": tallies.offsets(read), "unknown": _NOTHING_UNKNOWN}
    else:
        tables = {name: answered(sql, records=read) for name, sql in _OUTPUTS.items()}
    odd = not (_all(read["good"]) and _all(rows["good"]))
    if odd:
        tables["unreadable"] = answered(_unreadable_sql(), given=given, records=read, rows=rows)
    if reported := pc.any(read["reported"]).as_py():
        tables["reports"] = answered(_reports_sql(buckets), records=read)
    return Parsed(
        _encoded(rows.filter(rows["good"]) if odd else rows),
        tables["counts"],
        tables["offsets"],
        arrow.conform(tables["unreadable"], QUARANTINE) if odd else arrow.schema(QUARANTINE).empty_table(),
        arrow.conform(tables["reports"], REPORTS) if reported else arrow.schema(REPORTS).empty_table(),
        tables["unknown"],
    )


def events(records: pa.Table, buckets: int) -> pa.Table:
    """The catalog's `events` of the records."""
    return arrow.conform(parsed(records, buckets).events, EVENTS)


def _all(good: pa.ChunkedArray) -> bool:
    return pc.all(good).as_py() is not False


def _texts(records: pa.Table) -> pa.Table:
    """Bytes as text, without NUL; what is no UTF-8 becomes null, its bytes readable beside."""
    try:
        value = records["value"].cast(pa.string())
    except pa.ArrowInvalid:
        value = pa.chunked_array([[_text(v) for v in records["value"].to_pylist()]], pa.string())
    if any(map(_has_nul, value.chunks)):
        value = pa.array([v and _NUL.sub(r"\1", v) for v in value.to_pylist()], pa.string())
    key = pa.array([(_text(v) or "").replace("\0", "") or None for v in records["key"].to_pylist()], pa.string())
    columns = {"key": key, "value": value, "bytes": records["value"]}
    return pa.table(columns | {n: records[n] for n in ("kafka_partition", "kafka_offset")})


_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""NUL as JSON says it. Postgres refuses it, so that it must not be in the lake either: the two are compared."""


def _has_nul(texts: pa.Array) -> bool:
    """Whether one of them may say NUL; to look through all at once is twenty times faster than one by one."""
    said = texts.buffers()[2]
    return said is not None and _SAYS_NUL.search(said) is not None


_SAYS_NUL = re.compile(rb"\\u0000")


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


_JSON = {"text": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "instant": "BIGINT"}


@cache
def _shape() -> str:
    """The record as DuckDB's JSON reader wants it said."""
    return json.dumps(
        {
            "version": "VARCHAR",
            "tick": "BOOLEAN",
            "property": "VARCHAR",
            "received_at": "BIGINT",
            "sent_at": "BIGINT",
            "counts": dict.fromkeys(DOOR, "BIGINT"),
            "rate_limited": [["VARCHAR"]],
            "session": {f.name: _JSON[f.type] for f in CONTEXT_FIELDS},
            "events": [{f.name: _JSON[f.type] for f in EVENT_FIELDS} | {"clock_adjusted": "BOOLEAN"}],
            "cmcd": ["VARCHAR"],
            "mode": "VARCHAR",
            "target": "VARCHAR",
            "unknown": "MAP(VARCHAR, BIGINT)",
        }
    )


@cache
def _read_sql(value: str, buckets: int) -> str:
    """Records with their parts, and what each of their events shares; `good` ones hold what every record must.

    What a record holds is as much as its books say were accepted: else its sender meant something else by its names.
    One without books, which no door writes, is booked by what it holds.
    """
    early, ahead = SANE_START_DAYS
    told_at, believed = _within('e."at"', DATES), _within("e.state_ms", EVENT_BOUNDS["state_ms"])
    began = f'case when {told_at} and {believed} then e."at" - e.state_ms end'
    context = ", ".join(_context(f) for f in CONTEXT_FIELDS if f.name not in ("session_id", "started_at"))
    held = {"received": "events + reports", "accepted": "events + reports"}
    derived = ", ".join(f"{name} := cast({held.get(name, 0)} as bigint)" for name in DOOR)
    count = {name: f"coalesce(counts.{name}, 0)" for name in DOOR}
    booked = " and ".join(_within(said, (0, LARGEST_INT)) for said in count.values())
    return f"""
with said as (
  select kafka_partition, kafka_offset, key, from_json({value}, '{_shape()}') as j from given
),
counted as (
  select *, coalesce(j.tick, false) and j.events is null and j.cmcd is null as tick,
    coalesce(len(j.events), 0) as events, coalesce(len(j.cmcd), 0) as reports
  from said
),
parts as (
  select *, case when j.counts is null and events + reports > 0 then struct_pack({derived}) else j.counts end as counts
  from counted
),
judged as (
  select *, coalesce(j.property is not null and {_within("j.received_at", DATES)}
      and coalesce(j.version, '{VERSION}') = '{VERSION}' and (tick or (
        counts is not null and {booked} and {count["received"]} = {" + ".join(count[name] for name in DOOR[1:])}
        and {count["accepted"]} = events + reports and (events = 0 or j.session.session_id is not null)
      )), false) as good
  from parts
),
known as (
  select *, case when good then case when j.session.started_at between j.received_at + {early * DAY_MS}
    and j.received_at + {ahead * DAY_MS} then j.session.started_at end end as press
  from judged
)
select kafka_partition, kafka_offset, key, j.property as property, j.session.session_id as session_id, {context},
  epoch_ms(press) as session_started_at, case when good then epoch_ms(j.received_at) end as received_at,
  {_instant("j.sent_at", DEVICE_DATES)} as sent_at,
  epoch_ms(case when {_within("j.received_at", DATES)} then j.received_at end) as heard_at,
  case when good then cast(epoch_ms(coalesce(press, list_min(list_transform(j.events, lambda e: {began})),
    j.received_at)) as date) end as session_day,
  {bucket_sql("j.session.session_id", buckets)} as bucket, good, tick, counts,
  j.rate_limited as rate_limited, case when good and j.session.session_id is not null then j.events end as events,
  good and j.cmcd is not null as reported, j.cmcd as cmcd, j.mode as mode, j.target as target,
  case when good then j.unknown end as unknown
from known"""


def bucket_sql(column: str, buckets: int) -> str:
    """The bucket of a session's id in DuckDB's SQL: by the first byte of its MD5."""
    return f"cast(('0x' || md5({column})[1:2])::utinyint % {buckets} as bigint)"


def bucket_of(session_id: str, buckets: int) -> int:
    """The same bucket of one id."""
    return hashlib.md5(session_id.encode(), usedforsecurity=False).digest()[0] % buckets


def spark_bucket(column: str, buckets: int) -> str:
    """The same bucket in Spark's SQL, whose `conv` takes longer than the hash."""
    high, low = (f"instr('0123456789abcdef', substr(md5({column}), {digit}, 1)) - 1" for digit in (1, 2))
    return f"pmod(({high}) * 16 + {low}, {buckets})"


def _rows(records: pa.Table) -> pa.Table:
    """The records' events as rows of `events`, and which of them are `good`; what its record says, each repeats.

    A context is taken as a number a text: thirty texts an event are never copied.
    """
    lists = records["events"].combine_chunks()
    said, parents = lists.flatten(), pc.list_parent_indices(lists)
    first = pc.cumulative_sum(pc.fill_null(pc.list_value_length(lists), 0))
    position = np.arange(len(said)) - np.append(0, first)[parents]
    parts = pa.Table.from_arrays(said.flatten(), [f.name for f in said.type])
    told = answered(_SAID_SQL, said=parts).append_column("position", pa.array(position))
    shared = {name: records[name] for name in EVENTS.names if name not in told.column_names}
    known = {name: _numbered(c).take(parents) for name, c in shared.items()}
    if told["at"].null_count:  # then it is placed at its arrival
        marked = pc.or_(told["clock_adjusted"], pc.is_null(told["at"]))
        told = told.set_column(told.column_names.index("clock_adjusted"), "clock_adjusted", marked)
        told = told.set_column(told.column_names.index("at"), "at", pc.coalesce(told["at"], known["received_at"]))
    columns = {name: known[name] if name in known else told[name] for name in EVENTS.names}
    return pa.table(columns | {"good": told["good"]})


def _numbered(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.dictionary_encode() if pa.types.is_string(column.type) else column


def _encoded(rows: pa.Table) -> pa.Table:
    """The rows as the catalog's `events`; texts that were numbered stay so."""
    columns = [
        rows[f.name] if pa.types.is_dictionary(rows[f.name].type) else rows[f.name].cast(arrow.TYPES[f.type])
        for f in EVENTS.fields
    ]
    return pa.table(columns, EVENTS.names)


def _context(f: Field) -> str:
    said = f"j.session.{f.name}"
    if f.name == "content_type":  # a length that no content has is what players say of live
        said = f"case when j.session.content_duration_ms > {LONGEST_CONTENT_MS} then 'live' else {said} end"
    if f.type == "text":
        return f"coalesce(nullif({said}, ''), '{UNKNOWN}') as {f.name}"
    return f"{_believed(f, said)} as {f.name}"


def _event(f: Field) -> str:
    name = IN_TABLES[f.name]
    said = f'said."{f.name}"'
    if f.type == "instant":
        return f'{_instant(said)} as "{name}"'
    if f.nullable:
        said = _believed(f, said)
    return f"{said if f.default is None else _filled(f, said)} as {name}"


def _filled(f: Field, said: str) -> str:
    return f"coalesce({said}, cast({str(f.default).lower()} as {types[f.type]}))"


def _believed(f: Field, said: str) -> str:
    """The number where it can be meant, else null."""
    return said if f.bounds is None else f"case when {_within(said, f.bounds)} then {said} end"


def _within(said: str, bounds: tuple[int, int]) -> str:
    return f"{said} between {bounds[0]} and {bounds[1]}"


def _instant(ms: str, dates: tuple[int, int] = DATES) -> str:
    """The instant of a time in ms; null for one that no clock can mean."""
    return f"epoch_ms(case when {_within(ms, dates)} then {ms} end)"


def _count(number: str) -> str:
    """A count that can be added up; 0 for one that is none."""
    return f"case when {_within(number, (0, LARGEST_INT))} then {number} else 0 end"


_NEEDED = [f for f in EVENT_FIELDS if not f.nullable and f.type != "instant"]
_SAID_SQL = f"""
select {", ".join(_event(f) for f in EVENT_FIELDS)}, coalesce(clock_adjusted, false) as clock_adjusted,
  {" and ".join(f"said.{f.name} is not null" for f in _NEEDED)}
    and {" and ".join(_within(f"said.{f.name}", f.bounds) for f in _NEEDED if f.bounds)} as good
from said"""
"""Events, and which of them hold what every event must."""


def _outputs() -> dict[str, str]:
    door = ", ".join(f"{_count(f'counts.{name}')} as {name}" for name in DOOR)
    refused = _count("try_cast(refused[3] as bigint)")
    minute = "time_bucket(interval '1 minute', received_at)"
    broken = "time_bucket(interval '1 minute', coalesce(heard_at, now()::timestamp))"
    summed = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in (*DOOR, "rate_limited"))
    return {
        "counts": f"""
select property, minute_at, {summed} from (
  select property, {minute} as minute_at, {door}, 0 as rate_limited
  from records where good and not tick
  union all by name
  select refused[1] as property,
    time_bucket(interval '1 minute', {_instant("try_cast(refused[2] as bigint)")}) as minute_at,
    {refused} as received, 0 as accepted, 0 as duplicate, 0 as invalid, 0 as filtered,
    {refused} as rate_limited
  from (select unnest(rate_limited) as refused from records where good and tick)
  union all by name
  select coalesce(property, '{UNKNOWN}') as property, {broken} as minute_at, 1 as received, 1 as accepted,
    0 as duplicate, 0 as invalid, 0 as filtered, 0 as rate_limited from records where not good
) where minute_at is not null and property is not null group by all""",
        "offsets": """
select kafka_partition, min(kafka_offset) as first_offset, max(kafka_offset) + 1 as next_offset, count(*) as records,
  max(received_at) as complete_until from records group by all""",
        "unknown": f"""
select property, {minute} as minute_at, entry.key as field, cast(sum({_count("entry.value")}) as bigint) as count
from (select property, received_at, unnest(map_entries(unknown)) as entry from records where unknown is not null)
group by all having count > 0""",
    }


_OUTPUTS = _outputs()
_NOTHING_UNKNOWN = pa.schema(
    [("property", pa.string()), ("minute_at", pa.timestamp("us")), ("field", pa.string()), ("count", pa.int64())]
).empty_table()


@cache
def _unreadable_sql() -> str:
    """Records that cannot be read, whole; of the others each malformed event by itself: a record may hold thousands."""
    names = ", ".join(f'"{f.name}"' for f in EVENTS.fields)
    return f"""
with kept as (
  select kafka_partition, kafka_offset, coalesce(value, cast(bytes as varchar)) as record from given
),
broken as (select kafka_partition, kafka_offset, "position" from rows where not good),
listed as (
  select kafka_partition, kafka_offset, json_extract(record, '$.events[*]') as told
  from kept semi join broken using (kafka_partition, kafka_offset)
),
each as (
  select kafka_partition, kafka_offset, cast(unnest(told) as varchar) as record,
    generate_subscripts(told, 1) - 1 as "position"
  from listed
)
select coalesce(property, '{UNKNOWN}') as property, '{UNKNOWN}' as session_id, 0 as seq, heard as "at",
  '{UNKNOWN}' as type, '{UNKNOWN}' as state, 0 as state_ms, heard as received_at, kafka_partition, kafka_offset,
  cast(heard as date) as session_day, 0 as bucket, 'unreadable' as reason_kept, record
from (select kafka_partition, kafka_offset, property, coalesce(heard_at, now()::timestamp) as heard
  from records where not good)
join kept using (kafka_partition, kafka_offset)
union all by name
select {
        names.replace('"seq"', "coalesce(seq, 0) as seq")
        .replace('"at"', 'coalesce("at", received_at) as "at"')
        .replace('"type"', f"coalesce(type, '{UNKNOWN}') as type")
        .replace('"state"', f"coalesce(state, '{UNKNOWN}') as state")
        .replace('"state_ms"', "coalesce(state_ms, 0) as state_ms")
    }, 'malformed' as reason_kept, record
from rows join each using (kafka_partition, kafka_offset, "position")
where not rows.good"""


@cache
def _reports_sql(buckets: int) -> str:
    return f"""
select property, coalesce(key, '{UNKNOWN}') as session_id, coalesce(mode, 'event') as mode,
  coalesce(target, '') as target, unnest(list_transform(cmcd, lambda said: coalesce(said, ''))) as record, received_at,
  {", ".join(f.name for f in CONTEXT_FIELDS if f.name in REPORTS.names and f.name != "session_id")},
  kafka_partition, kafka_offset, generate_subscripts(cmcd, 1) - 1 as position,
  cast(received_at as date) as session_day,
  {bucket_sql(f"coalesce(key, '{UNKNOWN}')", buckets)} as bucket
from records where reported"""
