"""Events to the lake: the sessions' events as a Spark job, a task a chunk of sessions."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import partial

import pyarrow as pa
from pyspark.sql import functions as F

from qoescope.catalog.tables import EVENTS
from qoescope.compile.buckets import spark_bucket
from qoescope.compile.frames import schema
from qoescope.connect import spark
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import table_uri
from qoescope.emit import chunks
from qoescope.emit.options import build_scenario
from qoescope.emit.scenario import DEFAULT_END, Scenario
from qoescope.settings import Settings


def write_to_lake(
    settings: Settings,
    *,
    sessions: int = 1_000_000,
    days: float = 30.0,
    seed: int = 42,
    end: date = DEFAULT_END,
    faults: Sequence[str] = ("all",),
    random_faults: int = 0,
) -> Scenario:
    """Adds the sessions' events to the lake as a Spark job; each chunk of sessions is a task. Again changes nothing.

    The rows are those of `events`: a chunk is a function of the seed and its number. Every event is written once, as
    the streams would have left it; a day comes to the marts once it is restated.
    """
    run = build_scenario(sessions, days, seed, end, faults, random_faults)
    ensure_tables(settings, (EVENTS,))
    written_before = {"txnAppId": f"generate-{hashlib.sha256(repr(run).encode()).hexdigest()[:16]}", "txnVersion": "1"}
    job = spark.open_session(settings, "qoescope generate")
    try:
        rows = job.range(0, run.chunks, 1, numPartitions=run.chunks).mapInArrow(
            partial(_generate_chunks, run), schema(EVENTS)
        )
        bucket = F.expr(spark_bucket("session_id", settings.lake_buckets)).cast("bigint")
        out = rows.withColumn("bucket", bucket).write.format("delta").mode("append").options(**written_before)
        out.partitionBy(*EVENTS.partition).save(table_uri(settings, EVENTS))
    finally:
        job.stop()
    return run


def _generate_chunks(run: Scenario, numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in numbers:
        for chunk in batch.column("id").to_pylist():
            for table in chunks.event_tables(run, chunk):
                yield from table.to_batches()
