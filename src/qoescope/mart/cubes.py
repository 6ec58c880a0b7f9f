"""Cubes: what batches and corrections add to the marts. Cubes of parts add up to the cube of their whole."""

from collections.abc import Sequence
from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.events import EVENT_FIELDS
from qoescope.catalog.marts import LEAF_DIMENSIONS, LIVE_DIMENSIONS, LIVE_LEAF, LIVE_WINDOW, Mart
from qoescope.catalog.measures import BUCKETS
from qoescope.catalog.schema import Table
from qoescope.compile import arrow, sketch
from qoescope.compile.cube import cube, leaves
from qoescope.compile.duck import naive, types

LIVE_COLUMNS = tuple(
    dict.fromkeys(
        (
            "property",
            "session_id",
            *("event_cdn" if f.name == "cdn" else f.name for f in EVENT_FIELDS),
            *LIVE_DIMENSIONS,
            *LEAF_DIMENSIONS,
            "received_at",
            "sent_at",
            "kafka_partition",
            "kafka_offset",
        )
    )
)
"""What live numbers need of an event."""

TICK_MS = 100
TICKS = 3_000
"""Freshness is told for what was sent in the last five minutes; what a player kept back longer is counted as older."""


def live(events: pa.Table) -> dict[str, pa.Table]:
    """What events add to the live marts."""
    return {LIVE_WINDOW.name: cube(events, LIVE_WINDOW), LIVE_LEAF.name: leaves(events)}


def added(cubes: Sequence[pa.Table], table: Table) -> pa.Table:
    """The cubes as one, one row a key: sums and histograms add, sketches merge."""
    given = pa.concat_tables(cubes) if cubes else arrow.schema(table).empty_table()
    if len(cubes) > 1:
        with duckdb.connect(config={"threads": 1}) as engine:
            engine.register("given", naive(given))
            given = engine.sql(_added_sql(table)).to_arrow_table()
    return _merged(arrow.conform(given, table), table)


@cache
def _added_sql(table: Table) -> str:
    columns = []
    for f in table.fields:
        if f.name in table.key:
            continue
        match f.type:
            case "ints":
                sums = ", ".join(f"coalesce(sum({f.name}[{i}]), 0)::bigint" for i in range(1, BUCKETS + 1))
                columns.append(f"[{sums}] as {f.name}")
            case "sketch":
                columns.append(f"flatten(list({f.name})) as {f.name}")
            case _:
                columns.append(f"cast(sum({f.name}) as {types[f.type]}) as {f.name}")
    return f"select {', '.join(table.key)}, {', '.join(columns)} from given group by all"


def _merged(rows: pa.Table, table: Table) -> pa.Table:
    """Sketches in their one order, the greatest rank of each register."""
    for f in table.fields:
        if f.type == "sketch":
            merged = [sketch.merged(np.asarray(one, dtype=np.int32)) for one in rows[f.name].to_pylist()]
            values = np.concatenate(merged) if merged else np.array([], np.int32)
            ends = np.cumsum([0, *(len(one) for one in merged)])
            listed = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values, pa.int32()))
            rows = rows.set_column(rows.column_names.index(f.name), arrow.field(f), listed)
    return rows


def corrections(new: pa.Table, old: pa.Table, mart: Mart) -> pa.Table:
    """What to add to the mart when the session rows `old` become `new`. Sketches only grow: nothing leaves a union."""
    if not len(old):
        return added([cube(new, mart)], mart.table)
    return added([cube(new, mart), negated(cube(old, mart), mart.table)], mart.table)


def negated(rows: pa.Table, table: Table) -> pa.Table:
    """The rows with every sum below zero and every sketch empty."""
    for i, f in enumerate(table.fields):
        if f.name in table.key:
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


def sent_ticks(events: pa.Table) -> pa.Table:
    """(tick, events): when events were sent, in ticks since the epoch; null for players that do not say."""
    ms = events["sent_at"].cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64())
    ticks = pc.floor(pc.divide(ms.cast(pa.float64()), float(TICK_MS))).cast(pa.int64())
    return pa.table({"tick": ticks}).group_by("tick").aggregate([([], "count_all")]).rename_columns(["tick", "events"])
