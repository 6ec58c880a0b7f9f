"""Counts and offsets of records without peculiarities, column by column; most batches hold no others."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.doors import LARGEST_INT

MINUTE_US = 60_000_000


def are_plain(read: pa.Table) -> bool:
    """Whether all records are good, no tick carries refusals, and no value was unknown."""
    refused = pc.sum(pc.list_value_length(read["rate_limited"])).as_py()
    return pc.all(read["good"]).as_py() is not False and not refused and read["unknown"].null_count == len(read)


def minutes(instants: pa.ChunkedArray) -> pa.Array:
    """The minute of each instant, without time zone."""
    return pa.array(instants.cast(pa.int64()).to_numpy() // MINUTE_US * MINUTE_US).cast(pa.timestamp("us"))


def counts(read: pa.Table) -> pa.Table:
    """(property, minute_at, received, accepted, duplicate, invalid, filtered, rate_limited) of plain records."""
    said = read.filter(pc.invert(read["tick"]))
    counted = said["counts"].combine_chunks()
    names = [field.name for field in counted.type]
    rows = pa.table(
        [said["property"], minutes(said["received_at"]), *map(_count, counted.flatten())],
        ["property", "minute_at", *names],
    )
    summed = rows.group_by(["property", "minute_at"]).aggregate([(name, "sum") for name in names])
    told = {name: summed[f"{name}_sum"] for name in names}
    nothing = pa.array(np.zeros(len(summed), np.int64))
    keys = {"property": summed["property"], "minute_at": summed["minute_at"]}
    return pa.table(keys | told | {"rate_limited": nothing})


def _count(numbers: pa.Array) -> pa.Array:
    """Counts that can be added up; 0 for impossible ones."""
    told = pc.fill_null(numbers, 0)
    good = pc.and_(pc.greater_equal(told, 0), pc.less_equal(told, LARGEST_INT))
    return pc.if_else(good, told, 0)


def offsets(read: pa.Table) -> pa.Table:
    """(kafka_partition, first_offset, next_offset, records, complete_until), one row a partition."""
    some = read.select(["kafka_partition", "kafka_offset", "received_at"])
    wanted = [("kafka_offset", "min"), ("kafka_offset", "max"), ("kafka_offset", "count"), ("received_at", "max")]
    found = some.group_by("kafka_partition").aggregate(wanted)
    following = pc.add(found["kafka_offset_max"], 1)
    columns = [
        found["kafka_partition"],
        found["kafka_offset_min"],
        following,
        found["kafka_offset_count"],
        found["received_at_max"],
    ]
    return pa.table(columns, ["kafka_partition", "first_offset", "next_offset", "records", "complete_until"])
