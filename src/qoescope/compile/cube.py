"""Cubes: rows of sessions or events in, measures by time and grouping out, in stream and batch alike.

DuckDB says once a row what it adds to each measure; a sparse one-hot matrix a grouping then adds the rows up. That is
exact on 64-bit integers, and many times faster than an engine's grouping sets over sixty aggregates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from qoescope.catalog.bounds import LARGEST_SUM
from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.marts import LEAF_DIMENSIONS, LEAF_MEASURES, LIVE_LEAF, Grouping, Mart
from qoescope.catalog.measures import BUCKETS, HISTOGRAM_EDGES_MS, Measure
from qoescope.compile import arrow, sketch
from qoescope.compile.duck import BELIEVED_MS, TYPES, WATCHED, query_arrow, without_zone

Ints = npt.NDArray[np.int64]
MOST = 2**62
MINUTE_US = 60_000_000
EDGES = np.array(HISTOGRAM_EDGES_MS)


def cube(rows: pa.Table, mart: Mart) -> pa.Table:
    """The mart's rows over `rows` (its source's shape), one a (property, step, grouping, values)."""
    if not len(rows):
        return arrow.schema(mart.table).empty_table()
    given = without_zone(rows)
    if mart.source == "events":
        given = given.append_column("session_register", _registers(rows["session_id"]))
    parts = _Parts.of(rows, query_arrow(_added_sql(mart), given=given), mart)
    return arrow.conform(pa.concat_tables([_grouped(parts, grouping, mart) for grouping in mart.groupings]), mart.table)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What rows of the same keys add: `sums` (row × measure), buckets of histograms, registers of sketches."""

    keys: pa.Table
    codes: dict[str, Ints]
    sums: Ints
    points: dict[str, tuple[Ints, Ints]]
    """Buckets and registers, each behind the number of its keys."""

    @classmethod
    def of(cls, rows: pa.Table, added: pa.Table, mart: Mart) -> "_Parts":
        """The parts of rows and of what each adds."""
        dims = sorted({name for grouping in mart.groupings for name in grouping})
        keys = {"property": rows["property"], "starts_at": added["starts_at"]}
        keys |= {name: pc.fill_null(rows[name], UNKNOWN) for name in dims}
        codes = {name: _codes(column) for name, column in keys.items()}
        part, first = _numbered(_joined(codes.values()))
        names = [m.name for m in mart.measures if m.type not in ("ints", "sketch")]
        points = {}
        for m in mart.measures:
            if m.type in ("ints", "sketch"):
                value = added[m.name].fill_null(-1).to_numpy()
                known = value >= 0
                behind, point = part[known], value[known]
                if m.type == "sketch":
                    points[m.name] = np.divmod(sketch.merge(behind * sketch.WIDTH + point), sketch.WIDTH)
                else:
                    points[m.name] = behind, np.searchsorted(EDGES, point, side="right")
        return cls(
            _keys(keys, first),
            {name: code[first] for name, code in codes.items()},
            _summed(part, len(first), np.column_stack([added[name].to_numpy() for name in names])),
            points,
        )


def _keys(columns: Mapping[str, pa.ChunkedArray], rows: Ints) -> pa.Table:
    """The columns' values in these rows."""
    taken = {name: column.take(pa.array(rows)) for name, column in columns.items()}
    return pa.table({n: c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for n, c in taken.items()})


def _codes(column: pa.ChunkedArray) -> Ints:
    """A number for each value, the same for the same one."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode(null_encoding="encode")
    array = encoded.combine_chunks()
    again = array.dictionary.dictionary_encode(null_encoding="encode")  # a dictionary may hold a value twice
    number = again.indices.to_numpy()
    return np.append(number, len(number))[array.indices.fill_null(len(number)).to_numpy()].astype(np.int64)


def _joined(codes: Iterable[Ints]) -> Ints:
    """A number for each combination of codes, in their order where all numbers together are few enough."""
    key, size = np.zeros(1, np.int64), 1
    for code in codes:
        width = int(code.max()) + 1
        if size * width > MOST:
            key, first = _numbered(key)
            size = len(first)
        key, size = key * width + code, size * width
    return key


def _numbered(key: Ints) -> tuple[Ints, Ints]:
    """Numbers from 0 of the keys as they come first, and where each comes first."""
    number = pa.array(key).dictionary_encode().indices.to_numpy().astype(np.int64)
    return number, np.flatnonzero(np.diff(np.maximum.accumulate(number), prepend=-1))


def _summed(group: Ints, count: int, values: Ints) -> Ints:
    """The sums of rows of values by group; one that leaves 64 bits stops at their edge, it never turns round."""
    n = len(group)
    ones = sparse.csr_matrix((np.ones(n, np.int64), (group, np.arange(n))), shape=(count, n))
    sums = ones @ np.ascontiguousarray(values, dtype=np.int64)
    for column in np.flatnonzero(np.abs(values.astype(np.float64)).max(axis=0, initial=0) * n > LARGEST_SUM):
        exact = np.zeros(count, object)
        np.add.at(exact, group, values[:, column].astype(object))
        sums[:, column] = np.clip(exact, -LARGEST_SUM, LARGEST_SUM).astype(np.int64)
    return sums


def _grouped(parts: _Parts, grouping: Grouping, mart: Mart) -> pa.Table:
    key = _joined(parts.codes[name] for name in ("property", "starts_at", *grouping))
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    count = len(first)
    sums = _summed(group, count, parts.sums)
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
        if m.type in ("ints", "sketch"):
            part, point = parts.points[m.name]
            columns[m.name] = (_histograms if m.type == "ints" else _sketches)(group[part], point, count)
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
    counts = np.bincount(group * BUCKETS + bucket, minlength=count * BUCKETS).astype(np.int64)
    return pa.ListArray.from_arrays(np.arange(0, count * BUCKETS + 1, BUCKETS, dtype=np.int32), counts)


def _sketches(group: Ints, register: Ints, count: int) -> pa.Array:
    """The greatest rank of each register a group holds."""
    key = sketch.merge(group * sketch.WIDTH + register)  # groups lie a whole sketch apart
    offsets = np.searchsorted(key, np.arange(count + 1) * sketch.WIDTH).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, (key % sketch.WIDTH).astype(np.int32))


@cache
def _added_sql(mart: Mart) -> str:
    """What each row adds to each measure, as 64-bit integers; scores in hundredths."""
    at = '"at"' if mart.source == "events" else "started_at"
    source = f"({EVENT_SQL})" if mart.source == "events" else "given"
    start = f"time_bucket(interval '{mart.every_s} seconds', {at}) as starts_at"
    added = [f"{_row_sql(m)} as {m.name}" for m in mart.measures]
    return f"select {start}, {', '.join(added)} from {source}"


def _row_sql(m: Measure) -> str:
    of = f"{m.of} * 100" if m.type == "score_sum" else m.of
    nothing = "" if m.type in ("ints", "sketch") else " else 0"
    value = f"case when {m.where} then {of}{nothing} end" if m.where else of
    return f"cast({value} as bigint)" if nothing == "" else f"cast(coalesce({value}, 0) as bigint)"


EVENT_SQL = f"""
select *, {WATCHED} as watched, state = 'playing' and not ad as content,
  type = 'playback_fail' and coalesce(error_class, 'technical') = 'technical' as failed,
  {BELIEVED_MS} as t
from given"""
"""Events with what the live measures' SQL speaks of."""


def _registers(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The register of each value in a sketch; it is computed once a value, since it takes longer than all sums."""
    codes, first = _numbered(_codes(values))
    distinct = _keys({"value": values}, first)
    found = query_arrow(f"select {sketch.register_sql('value')} as register from given", given=distinct)
    return found["register"].take(pa.array(codes))


def leaves(events: pa.Table) -> pa.Table:
    """`live_leaf` over events, one row a (property, minute, leaf)."""
    if not len(events):
        return arrow.schema(LIVE_LEAF).empty_table()
    minute = events["at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() // MINUTE_US * MINUTE_US
    keys = {"property": events["property"], "starts_at": pa.chunked_array([pa.array(minute)])}
    keys |= {name: events[name] for name in LEAF_DIMENSIONS}
    part, first = _numbered(_joined(_codes(column) for column in keys.values()))
    known = _keys(keys, first).append_column("part", pa.array(np.arange(len(first))))
    given = without_zone(events).append_column("gap", pa.array(_gaps(events))).append_column("part", pa.array(part))
    return arrow.conform(query_arrow(_leaf_sql(), given=given, known=known), LIVE_LEAF)


def _gaps(events: pa.Table) -> Ints:
    """How many events of the session are missing before each in its record; 0 before the first."""
    session = _joined(_codes(events[name]) for name in ("property", "session_id"))
    seq, offset, partition = (events[name].to_numpy() for name in ("seq", "kafka_offset", "kafka_partition"))
    order = np.lexsort((seq, offset, partition, session))
    same = np.ones(max(0, len(order) - 1), bool)
    for key in (session, partition, offset):
        same &= np.diff(key[order]) == 0
    gaps = np.zeros(len(order), np.int64)
    gaps[order[1:]] = np.where(same, np.diff(seq[order]) - 1, 0)
    return gaps


def _leaf_sum(m: Measure) -> str:
    where = f" filter (where {m.where})" if m.where else ""
    return f"cast(coalesce(sum({m.of}){where}, 0) as {TYPES[m.type]}) as {m.name}"


@cache
def _leaf_sql() -> str:
    keys = ", ".join(LEAF_DIMENSIONS)
    return f"""
with summed as (
  select part, {", ".join(map(_leaf_sum, LEAF_MEASURES))} from ({EVENT_SQL}) group by part
),
named as (select * replace (make_timestamp(starts_at) as starts_at) from known)
select property, cast(starts_at as date) as day, starts_at,
  cast(md5_number_lower(concat_ws('|', {keys})) >> 1 as bigint) as leaf, {keys}, summed.*
from summed join named using (part)"""
