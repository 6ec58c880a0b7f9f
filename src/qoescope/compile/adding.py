"""Adds up cubes of parts: sums and histograms add, sketches merge."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.bounds import LARGEST_SUM
from qoescope.catalog.measures import BUCKETS
from qoescope.catalog.schema import Table
from qoescope.compile import arrow, sketch
from qoescope.compile.duck import TYPES, query_arrow, without_zone


def add_cubes(cubes: Sequence[pa.Table], table: Table) -> pa.Table:
    """The cubes as one, one row a key: sums and histograms add, sketches merge."""
    if len(cubes) <= 1:
        return arrow.conform(cubes[0], table) if cubes else arrow.schema(table).empty_table()
    given = without_zone(pa.concat_tables(cubes))
    return _merge_sketches(arrow.conform(query_arrow(_sum_sql(table), given=given), table), table)


@cache
def _sum_sql(table: Table) -> str:
    columns = []
    for f in table.fields:
        if f.name in table.key:
            continue
        match f.type:
            case "text":
                columns.append(f"any_value({f.name}) as {f.name}")
            case "ints":
                sums = ", ".join(f"coalesce(sum({f.name}[{i}]), 0)::bigint" for i in range(1, BUCKETS + 1))
                columns.append(f"[{sums}] as {f.name}")
            case "sketch":
                columns.append(f"flatten(list({f.name})) as {f.name}")
            case "int":
                bounded = f"least(greatest(sum({f.name}), -{LARGEST_SUM}), {LARGEST_SUM})"
                columns.append(f"cast({bounded} as bigint) as {f.name}")
            case _:
                columns.append(f"cast(sum({f.name}) as {TYPES[f.type]}) as {f.name}")
    return f"select {', '.join(table.key)}, {', '.join(columns)} from given group by all"


def _merge_sketches(rows: pa.Table, table: Table) -> pa.Table:
    """Sketches in canonical order, with the greatest rank of each register."""
    for f in table.fields:
        if f.type == "sketch":
            held = rows[f.name].combine_chunks()
            row, register = pc.list_parent_indices(held).to_numpy(), held.flatten().to_numpy()
            key = sketch.merge(row * sketch.WIDTH + register)  # rows lie a whole sketch apart
            ends = np.searchsorted(key, np.arange(len(rows) + 1) * sketch.WIDTH)
            values = pa.array(key % sketch.WIDTH, pa.int32())
            listed = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)
            rows = rows.set_column(rows.column_names.index(f.name), arrow.field(f), listed)
    return rows


def negate(rows: pa.Table, table: Table) -> pa.Table:
    """The rows with negated sums and empty sketches."""
    for i, f in enumerate(table.fields):
        if f.name not in table.sums:
            continue
        column = rows[f.name].combine_chunks()
        match f.type:
            case "ints":
                column = pa.ListArray.from_arrays(column.offsets, pc.negate(column.values))
            case "sketch":
                column = pa.array([[]] * len(rows), arrow.TYPES["sketch"])
            case _:
                column = pc.negate(column).cast(arrow.TYPES[f.type])
        rows = rows.set_column(i, arrow.field(f), column)
    return rows
