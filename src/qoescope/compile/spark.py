"""Spark: the catalog's tables as schemas, frames brought to them, and what a stream must know of a record."""

from collections.abc import Callable, Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from qoescope.catalog.schema import Table, Type
from qoescope.compile.records import spark_bucket

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

HEAD = T.StructType(
    [
        T.StructField("tick", T.BooleanType()),
        T.StructField("property", T.StringType()),
        T.StructField("received_at", T.LongType()),
    ]
)
"""All that a session window must know of a record; the rest is read when the session closes."""


def schema(table: Table) -> T.StructType:
    """The table's columns in its order."""
    return T.StructType([T.StructField(f.name, TYPES[f.type], f.nullable) for f in table.fields])


def conform(df: DataFrame, table: Table) -> DataFrame:
    """Exactly the table's columns, in its order and types; fails by name if one is missing."""
    return df.select(*(F.col(f.name).cast(TYPES[f.type]) for f in table.fields))


def records(kafka: DataFrame, buckets: int) -> DataFrame:
    """Records as `compile.records` takes them, with their bucket; Kafka's key is the session's id."""
    key = "coalesce(cast(key as string), '')"
    return kafka.select(
        "key",
        "value",
        F.col("partition").cast("bigint").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.expr(spark_bucket(key, buckets)).alias("bucket"),
    )


def closed(records: DataFrame, gap_s: int, watermark_s: int) -> DataFrame:
    """One row a session that fell silent: (session_id, property, bucket, records), in append mode.

    Ticks move the watermark and are dropped after it: the condition names the watermark's column, or Spark would drop
    them before it.
    """
    head = F.from_json(F.col("value").cast("string"), HEAD)
    received_at = F.timestamp_millis(F.col("head.received_at"))
    speaks: Column = F.when(F.coalesce("head.tick", F.lit(False)), F.lit(False)).otherwise(
        F.col("received_at").isNotNull() & F.col("head.property").isNotNull() & F.col("key").isNotNull()
    )
    kept = F.struct("key", "value", "kafka_partition", "kafka_offset")
    return (
        records.withColumn("head", head)
        .withColumn("received_at", received_at)
        .withWatermark("received_at", f"{watermark_s} seconds")
        .where(speaks)
        .withColumn("property", F.col("head.property"))
        .groupBy("property", "key", "bucket", F.session_window("received_at", f"{gap_s} seconds"))
        .agg(F.collect_list(kept).alias("records"))
        .select("bucket", "records")
    )


def flat(closed_sessions: pa.Table) -> pa.Table:
    """The records of `closed` rows, one row a record."""
    lists = closed_sessions["records"].combine_chunks()
    return pa.Table.from_struct_array(lists.flatten()) if len(lists) else pa.table({})


Batches = Iterator[pa.RecordBatch]


def per_task(made: Callable[[pa.Table], pa.Table]) -> Callable[[Batches], Batches]:
    """`made` as `mapInArrow` wants it: called once with all rows of a task, not at all when there are none."""

    def called(batches: Batches) -> Batches:
        given = [batch for batch in batches if batch.num_rows]
        if given:
            yield from made(pa.Table.from_batches(given)).to_batches()

    return called
