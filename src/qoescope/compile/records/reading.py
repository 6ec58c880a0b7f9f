"""SQL that reads records: their parts, what their events share, and whether they are good."""

import json
from functools import cache

from qoescope.catalog.bounds import DATES, DAY_MS, DEVICE_DATES, LONGEST_CONTENT_MS
from qoescope.catalog.dimensions import CONTEXT_FIELDS, UNKNOWN
from qoescope.catalog.doors import EVENT_BOUNDS, LARGEST_INT
from qoescope.catalog.events import EVENT_FIELDS
from qoescope.catalog.schema import Field
from qoescope.compile.buckets import bucket_sql
from qoescope.compile.records.values import believed_or_null, instant, within

DOOR = ("received", "accepted", "duplicate", "invalid", "filtered")
VERSION = "1"
"""The records' version; one that names another is not read by today's meanings."""
SANE_START_DAYS = (-30, 2)
"""How many days a press of play may be from its events' arrival; else the device's clock is not believed."""
_JSON = {"text": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "instant": "BIGINT"}


@cache
def _shape() -> str:
    """The record's structure for DuckDB's JSON reader."""
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
def read_sql(value: str, buckets: int) -> str:
    """Records with their parts, and what their events share; `good` ones hold what every record must."""
    told_at, believed = within('e."at"', DATES), within("e.state_ms", EVENT_BOUNDS["state_ms"])
    began = f'case when {told_at} and {believed} then e."at" - e.state_ms end'
    context = ", ".join(_context(f) for f in CONTEXT_FIELDS if f.name not in ("session_id", "started_at"))
    return f"""
{_known_sql(value)}
select kafka_partition, kafka_offset, key, j.property as property, j.session.session_id as session_id, {context},
  epoch_ms(press) as session_started_at, case when good then epoch_ms(j.received_at) end as received_at,
  {instant("j.sent_at", DEVICE_DATES)} as sent_at,
  epoch_ms(case when {within("j.received_at", DATES)} then j.received_at end) as heard_at,
  case when good then cast(epoch_ms(coalesce(press, list_min(list_transform(j.events, lambda e: {began})),
    j.received_at)) as date) end as session_day,
  {bucket_sql("j.session.session_id", buckets)} as bucket, good, tick, counts,
  j.rate_limited as rate_limited, case when good and j.session.session_id is not null then j.events end as events,
  good and j.cmcd is not null as reported, j.cmcd as cmcd, j.mode as mode, j.target as target,
  case when good then j.unknown end as unknown
from known"""


def _known_sql(value: str) -> str:
    """`known`: records as JSON, whether they are ticks, whether they are good, and their press of play.

    A record must hold as many events as its counts say were accepted: else its sender uses the names differently. One
    without counts, which no collector writes, is booked by what it holds.
    """
    early, ahead = SANE_START_DAYS
    held = {"received": "events + reports", "accepted": "events + reports"}
    derived = ", ".join(f"{name} := cast({held.get(name, 0)} as bigint)" for name in DOOR)
    count = {name: f"coalesce(counts.{name}, 0)" for name in DOOR}
    judged = " + ".join(f"{count[name]}::hugeint" for name in DOOR[1:])  # also where one alone is out of bounds
    booked = " and ".join(within(said, (0, LARGEST_INT)) for said in count.values())
    return f"""with said as (
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
  select *, coalesce(j.property is not null and {within("j.received_at", DATES)}
      and coalesce(j.version, '{VERSION}') = '{VERSION}' and (tick or (
        counts is not null and {booked} and {count["received"]} = {judged}
        and {count["accepted"]} = events + reports and (events = 0 or j.session.session_id is not null)
      )), false) as good
  from parts
),
known as (
  select *, case when good then case when j.session.started_at between j.received_at + {early * DAY_MS}
    and j.received_at + {ahead * DAY_MS} then j.session.started_at end end as press
  from judged
)"""


def _context(f: Field) -> str:
    said = f"j.session.{f.name}"
    if f.name == "content_type":  # a length that no content has is what players say of live
        said = f"case when j.session.content_duration_ms > {LONGEST_CONTENT_MS} then 'live' else {said} end"
    if f.type == "text":
        return f"coalesce(nullif({said}, ''), '{UNKNOWN}') as {f.name}"
    return f"{believed_or_null(f, said)} as {f.name}"
