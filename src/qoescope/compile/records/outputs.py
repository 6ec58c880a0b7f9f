"""SQL of what records hold besides events: counts, offsets, unknown values, unreadable records, CMCD reports."""

from functools import cache

import pyarrow as pa

from qoescope.catalog.dimensions import CONTEXT_FIELDS, UNKNOWN
from qoescope.catalog.operations import REPORTS
from qoescope.catalog.tables import EVENTS
from qoescope.compile.buckets import bucket_sql
from qoescope.compile.records.reading import DOOR
from qoescope.compile.records.values import count_or_zero, instant


def _outputs() -> dict[str, str]:
    door = ", ".join(f"{count_or_zero(f'counts.{name}')} as {name}" for name in DOOR)
    refused = count_or_zero("try_cast(refused[3] as bigint)")
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
    time_bucket(interval '1 minute', {instant("try_cast(refused[2] as bigint)")}) as minute_at,
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
select property, {minute} as minute_at, entry.key as field, cast(sum({count_or_zero("entry.value")}) as bigint) as count
from (select property, received_at, unnest(map_entries(unknown)) as entry from records where unknown is not null)
group by all having count > 0""",
    }


OUTPUTS = _outputs()
NOTHING_UNKNOWN = pa.schema(
    [("property", pa.string()), ("minute_at", pa.timestamp("us")), ("field", pa.string()), ("count", pa.int64())]
).empty_table()


@cache
def unreadable_sql() -> str:
    """Unreadable records as a whole; of the others each malformed event: a record may hold thousands."""
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
def reports_sql(buckets: int) -> str:
    """Rows of the catalog's `reports`, one a CMCD report."""
    return f"""
select property, coalesce(key, '{UNKNOWN}') as session_id, coalesce(mode, 'event') as mode,
  coalesce(target, '') as target, unnest(list_transform(cmcd, lambda said: coalesce(said, ''))) as record, received_at,
  {", ".join(f.name for f in CONTEXT_FIELDS if f.name in REPORTS.names and f.name != "session_id")},
  kafka_partition, kafka_offset, generate_subscripts(cmcd, 1) - 1 as position,
  cast(received_at as date) as session_day,
  {bucket_sql(f"coalesce(key, '{UNKNOWN}')", buckets)} as bucket
from records where reported"""
