"""Cubes: rows of sessions or events in, measures by time and grouping out. DuckDB in process, in stream and batch alike."""

from collections.abc import Sequence
from functools import cache

import duckdb
import pyarrow as pa

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.events import LONGEST_INTERVAL_MS, WATCHED
from qoescope.catalog.marts import LEAF_DIMENSIONS, LEAF_MEASURES, LIVE_LEAF, Mart
from qoescope.catalog.measures import BUCKETS, HISTOGRAM_EDGES_MS, Measure
from qoescope.compile import arrow, sketch
from qoescope.compile.duck import naive, types

EDGES = "[" + ", ".join(str(edge) for edge in HISTOGRAM_EDGES_MS) + "]"


def cube(rows: pa.Table, mart: Mart, threads: int = 1) -> pa.Table:
    """The mart's rows over `rows` (its source's shape), one a (property, step, grouping, values)."""
    return _counted(rows, _cube_sql(mart), mart.source, threads, mart)


def leaves(events: pa.Table, threads: int = 1) -> pa.Table:
    """`live_leaf` over events, one row a (property, minute, leaf)."""
    with duckdb.connect(config={"threads": threads}) as engine:
        engine.register("given", naive(events))
        rows = engine.sql(_leaf_sql()).to_arrow_table()
    return arrow.conform(rows, LIVE_LEAF)


def _counted(
    rows: pa.Table, sql: str, source: str, threads: int, mart: Mart
) -> pa.Table:
    with duckdb.connect(config={"threads": threads}) as engine:
        engine.register("given", naive(rows))
        cubed = engine.sql(sql).to_arrow_table()
    return arrow.conform(cubed, mart.table)


@cache
def _cube_sql(mart: Mart) -> str:
    dims = sorted({name for grouping in mart.groupings for name in grouping})
    sets = ", ".join(
        "(" + ", ".join(("property", "starts_at", *grouping)) + ")"
        for grouping in mart.groupings
    )
    mask = f"grouping({', '.join(dims)})" if dims else "0"
    names, first, second = [], [], []
    for grouping in mart.groupings:
        bits = sum(
            1 << (len(dims) - 1 - i)
            for i, name in enumerate(dims)
            if name not in grouping
        )
        names.append(f"when {bits} then '{','.join(grouping)}'")
        if grouping:
            first.append(f"when {bits} then {grouping[0]}")
        if len(grouping) > 1:
            second.append(f"when {bits} then {grouping[1]}")
    aggregates = ",\n  ".join(f"{aggregate_sql(m)} as {m.name}" for m in mart.measures)
    return f"""
with source as ({_source_sql(mart, dims)}),
cubed as (
  select property, starts_at, {mask} as mask, {", ".join(dims)}{"," if dims else ""}
  {aggregates}
  from source group by grouping sets ({sets})
)
select property, cast(starts_at as date) as day, starts_at, case mask {" ".join(names)} end as grouping,
  {_case(first)} as value_1, {_case(second)} as value_2, {", ".join(_finished(m) for m in mart.measures)}
from cubed"""


def _case(whens: Sequence[str]) -> str:
    return f"case mask {' '.join(whens)} else '' end" if whens else "''"


def _source_sql(mart: Mart, dims: Sequence[str]) -> str:
    if mart.source == "events":
        return f"select *, time_bucket(interval '{mart.every_s} seconds', \"at\") as starts_at from ({EVENT_SQL})"
    named = ", ".join(f"coalesce({name}, '{UNKNOWN}') as {name}" for name in dims)
    return f"select * replace ({named}), time_bucket(interval '{mart.every_s} seconds', started_at) as starts_at from given"


_WATCHED = "state in (" + ", ".join(f"'{state}'" for state in WATCHED) + ")"
EVENT_SQL = f"""
select *, {_WATCHED} as watched, state = 'playing' and not ad as content,
  type = 'playback_fail' and coalesce(error_class, 'technical') = 'technical' as failed,
  case when {_WATCHED} and state_ms > {LONGEST_INTERVAL_MS} then 0 else state_ms end as t,
  {sketch.register_sql("session_id")} as session_register
from given"""
"""Events with what the live measures' SQL speaks of."""


def aggregate_sql(m: Measure) -> str:
    """The measure over rows, in DuckDB; a histogram as a map from bucket to count."""
    where = f" filter (where {m.where})" if m.where else ""
    match m.type:
        case "ints":
            bucket = f"list_count(list_filter({EDGES}, lambda edge: edge <= {m.of}))"
            known = f"{m.of} is not null" + (f" and {m.where}" if m.where else "")
            return f"histogram({bucket}) filter (where {known})"
        case "sketch":
            return f"coalesce(list(distinct cast({m.of} as integer)){where}, [])"
        case _:
            return f"cast(coalesce(sum({m.of}){where}, 0) as {types[m.type]})"


def _finished(m: Measure) -> str:
    """A histogram becomes a list with a place for every bucket."""
    if m.type != "ints":
        return m.name
    return f"list_transform(range({BUCKETS}), lambda i: coalesce(map_extract_value({m.name}, i), 0)) as {m.name}"


@cache
def _leaf_sql() -> str:
    aggregates = ",\n  ".join(f"{aggregate_sql(m)} as {m.name}" for m in LEAF_MEASURES)
    keys = ", ".join(LEAF_DIMENSIONS)
    return f"""
with source as (
  select *, time_bucket(interval '1 minute', "at") as starts_at,
    seq - 1 - lag(seq) over (partition by property, session_id, kafka_partition, kafka_offset order by seq) as gap
  from ({EVENT_SQL})
)
select property, cast(starts_at as date) as day, starts_at, {keys}, {aggregates}
from source group by property, starts_at, {keys}"""
