"""Cubes: rows of sessions or events in, measures by time and grouping out, in stream and batch alike.

DuckDB says once a row what it adds to each measure; a sparse one-hot matrix a grouping then adds the rows up. That is
exact on 64-bit integers, and many times faster than an engine's grouping sets over sixty aggregates.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.marts import LEAF_DIMENSIONS, LEAF_MEASURES, LIVE_LEAF, Grouping, Mart
from qoescope.catalog.measures import BUCKETS, HISTOGRAM_EDGES_MS, Measure
from qoescope.compile import arrow, sketch
from qoescope.compile.duck import BELIEVED_MS, WATCHED, connected, naive, types

Ints = npt.NDArray[np.int64]
EDGES = np.array(HISTOGRAM_EDGES_MS)


def cube(rows: pa.Table, mart: Mart) -> pa.Table:
    """The mart's rows over `rows` (its source's shape), one a (property, step, grouping, values)."""
    with connected() as engine:
        engine.register("given", naive(rows))
        added = engine.sql(_added_sql(mart)).to_arrow_table().combine_chunks()
    if not len(added):
        return arrow.schema(mart.table).empty_table()
    parts = _Parts.of(added, mart)
    return arrow.conform(pa.concat_tables([_grouped(parts, grouping, mart) for grouping in mart.groupings]), mart.table)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What each row adds: `sums` (row × measure), buckets of histograms, registers of sketches; codes of its keys."""

    keys: pa.Table
    codes: dict[str, Ints]
    sums: Ints
    points: dict[str, Ints]

    @classmethod
    def of(cls, added: pa.Table, mart: Mart) -> "_Parts":
        dims = sorted({name for grouping in mart.groupings for name in grouping})
        keys = added.select(["property", "starts_at", *dims])
        codes = {name: _codes(added[name]) for name in keys.column_names}
        names = [m.name for m in mart.measures if m.type not in ("ints", "sketch")]
        sums = np.column_stack([added[name].to_numpy() for name in names]) if names else np.empty((len(added), 0))
        points = {}
        for m in mart.measures:
            if m.type in ("ints", "sketch"):
                value = added[m.name].fill_null(-1).to_numpy()
                points[m.name] = _bucketed(value) if m.type == "ints" else value
        return cls(keys, codes, np.ascontiguousarray(sums, dtype=np.int64), points)


def _codes(column: pa.ChunkedArray) -> Ints:
    encoded = column.combine_chunks().dictionary_encode()
    array = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    return array.indices.to_numpy().astype(np.int64)


def _bucketed(values: Ints) -> Ints:
    """The histogram bucket of each value in ms; -1 stays: it counts nowhere."""
    return np.where(values < 0, -1, np.searchsorted(EDGES, values, side="right"))


def _grouped(parts: _Parts, grouping: Grouping, mart: Mart) -> pa.Table:
    key = np.zeros(len(parts.keys), np.int64)
    for name in ("property", "starts_at", *grouping):
        key = key * (parts.codes[name].max() + 1) + parts.codes[name]
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    count, n = len(first), len(group)
    ones = sparse.csr_matrix((np.ones(n, np.int64), (group, np.arange(n))), shape=(count, n))
    sums = ones @ parts.sums
    keys = parts.keys.take(pa.array(first))
    columns: dict[str, object] = {
        "property": keys["property"],
        "day": keys["starts_at"].cast(pa.date32()),
        "starts_at": keys["starts_at"],
        "grouping": pa.repeat(",".join(grouping), count),
        "value_1": keys[grouping[0]].combine_chunks() if grouping else pa.repeat("", count),
        "value_2": keys[grouping[1]] if len(grouping) > 1 else pa.repeat("", count),
    }
    place = 0
    for m in mart.measures:
        if m.type == "ints":
            columns[m.name] = _histograms(group, parts.points[m.name], count)
        elif m.type == "sketch":
            columns[m.name] = _sketches(group, parts.points[m.name], count)
        else:
            values = pa.array(sums[:, place])
            columns[m.name] = _hundredths(values) if m.type == "score_sum" else values
            place += 1
    return pa.table(columns)


def _hundredths(values: pa.Array) -> pa.Array:
    return pc.multiply(values.cast(pa.decimal128(19, 0)), pa.scalar("0.01").cast(pa.decimal128(3, 2))).cast(
        pa.decimal128(18, 2)
    )


def _histograms(group: Ints, bucket: Ints, count: int) -> pa.Array:
    counts = np.bincount((group * BUCKETS + bucket)[bucket >= 0], minlength=count * BUCKETS).astype(np.int64)
    return pa.ListArray.from_arrays(np.arange(0, count * BUCKETS + 1, BUCKETS, dtype=np.int32), counts)


def _sketches(group: Ints, register: Ints, count: int) -> pa.Array:
    """The greatest rank of each register a group holds."""
    known = register >= 0
    width = sketch.REGISTERS * 64
    key = sketch.merged(group[known] * width + register[known])  # groups lie a whole sketch apart
    offsets = np.searchsorted(key, np.arange(count + 1) * width).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, (key % width).astype(np.int32))


@cache
def _added_sql(mart: Mart) -> str:
    """What each row adds to each measure, as 64-bit integers; scores in hundredths."""
    dims = sorted({name for grouping in mart.groupings for name in grouping})
    at = '"at"' if mart.source == "events" else "started_at"
    source = f"({EVENT_SQL})" if mart.source == "events" else "given"
    named = [f"coalesce({name}, '{UNKNOWN}') as {name}" for name in dims]
    start = f"time_bucket(interval '{mart.every_s} seconds', {at}) as starts_at"
    added = [f"{_row_sql(m)} as {m.name}" for m in mart.measures]
    return f"select property, {start}, {', '.join([*named, *added])} from {source}"


def _row_sql(m: Measure) -> str:
    of = f"{m.of} * 100" if m.type == "score_sum" else m.of
    nothing = "" if m.type in ("ints", "sketch") else " else 0"
    value = f"case when {m.where} then {of}{nothing} end" if m.where else of
    return f"cast({value} as bigint)" if nothing == "" else f"cast(coalesce({value}, 0) as bigint)"


EVENT_SQL = f"""
select *, {WATCHED} as watched, state = 'playing' and not ad as content,
  type = 'playback_fail' and coalesce(error_class, 'technical') = 'technical' as failed,
  {BELIEVED_MS} as t,
  {sketch.register_sql("session_id")} as session_register
from given"""
"""Events with what the live measures' SQL speaks of."""


def leaves(events: pa.Table) -> pa.Table:
    """`live_leaf` over events, one row a (property, minute, leaf)."""
    with connected() as engine:
        engine.register("given", naive(events))
        rows = engine.sql(_leaf_sql()).to_arrow_table()
    return arrow.conform(rows, LIVE_LEAF)


def _leaf_sum(m: Measure) -> str:
    where = f" filter (where {m.where})" if m.where else ""
    return f"cast(coalesce(sum({m.of}){where}, 0) as {types[m.type]}) as {m.name}"


@cache
def _leaf_sql() -> str:
    keys = ", ".join(LEAF_DIMENSIONS)
    return f"""
with source as (
  select *, time_bucket(interval '1 minute', "at") as starts_at,
    seq - 1 - lag(seq) over (partition by property, session_id, kafka_partition, kafka_offset order by seq) as gap
  from ({EVENT_SQL})
)
select property, cast(starts_at as date) as day, starts_at,
  cast(md5_number_lower(concat_ws('|', {keys})) >> 1 as bigint) as leaf, {keys},
  {", ".join(map(_leaf_sum, LEAF_MEASURES))}
from source group by property, starts_at, {keys}"""
