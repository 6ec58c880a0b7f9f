"""The catalog's tables as Spark schemas, conformed frames, and functions for `mapInArrow`."""

import atexit
import gc
import math
import sys
from collections.abc import Callable, Iterator
from functools import cache

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from qoescope.catalog.schema import Table, Type
from qoescope.compile.buckets import spark_bucket

TYPES: dict[Type, T.DataType] = {
    "text": T.StringType(),
    "int": T.LongType(),
    "float": T.DoubleType(),
    "bool": T.BooleanType(),
    "instant": T.TimestampType(),
    "day": T.DateType(),
    "score": T.DecimalType(5, 2),
    "score_sum": T.DecimalType(18, 2),
    "ints": T.ArrayType(T.LongType()),
    "sketch": T.ArrayType(T.IntegerType()),
    "bytes": T.BinaryType(),
    "json": T.StringType(),
}


def schema(table: Table) -> T.StructType:
    """The table's columns in its order."""
    return T.StructType([T.StructField(f.name, TYPES[f.type], f.nullable) for f in table.fields])


def conform(df: DataFrame, table: Table) -> DataFrame:
    """The frame with exactly the table's columns, order and types; fails by name if one is missing."""
    return df.select(*(F.col(f.name).cast(TYPES[f.type]) for f in table.fields))


def records(kafka: DataFrame, buckets: int) -> DataFrame:
    """Kafka's records as `compile.records` takes them, with their bucket; the key is the session's id."""
    key = f"coalesce({_without_nul('key')}, '')"
    return kafka.select(
        "key",
        "value",
        F.col("partition").cast("bigint").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.expr(spark_bucket(key, buckets)).alias("bucket"),
    )


def _without_nul(column: str) -> str:
    """Text as `compile.records` reads it."""
    return f"replace(cast({column} as string), chr(0), '')"


Batches = Iterator[pa.RecordBatch]


def per_task(made: Callable[[pa.Table], pa.Table]) -> Callable[[Batches], Batches]:
    """`made` for `mapInArrow`: called once with all rows of a task, not at all when there are none."""
    return in_parts(lambda parts: map(made, parts), math.inf)


def in_parts(
    made: Callable[[Iterator[pa.Table]], Iterator[pa.Table]], most_bytes: float
) -> Callable[[Batches], Batches]:
    """`made` for `mapInArrow`: given a task's rows in parts, so that they need not all be in memory.

    A part has at most so many bytes, or is one batch of Spark's.
    """

    def called(batches: Batches) -> Batches:
        for rows in made(_parts(batches, most_bytes)):
            yield from rows.to_batches()
        _freeze_modules(len(sys.modules))

    return called


def _parts(batches: Batches, most_bytes: float) -> Iterator[pa.Table]:
    part: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        if part and size + batch.nbytes > most_bytes:
            yield pa.Table.from_batches(part)
            part, size = [], 0
        part.append(batch)
        size += batch.nbytes
    if part:
        yield pa.Table.from_batches(part)


@cache
def _freeze_modules(modules: int) -> None:
    """Excludes modules' objects from garbage collection: Spark's worker runs a full one after each task."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # libraries complain at the end of what is still held
