"""Dead letters: what was not understood, from the log into Postgres."""

from datetime import UTC
from functools import partial
from threading import Event

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.operations import (
    DEAD_LETTERS,
)
from qoescope.catalog.topics import DEAD_LETTERS as TOPIC_OF_LETTERS
from qoescope.connect import streams
from qoescope.connect.health import Loop
from qoescope.connect.postgres import Write
from qoescope.connect.spark import Stream
from qoescope.connect.writing import Writer, progress
from qoescope.lake import dead_letters
from qoescope.settings import Settings

LETTERS = 200
"""Dead letters in one batch at most; each may hold a body."""


def stream(spark: SparkSession, settings: Settings, stopping: Event, loop: Loop | None = None) -> Stream:
    """The stream, ready to be kept running."""
    return Stream("dead_letters", partial(_start_letters, spark, settings, stopping, loop))


def _start_letters(spark: SparkSession, settings: Settings, stopping: Event, loop: Loop | None) -> StreamingQuery:
    writer = Writer(settings, stopping, loop)
    start = streams.beginning(settings, writer, "dead_letters", TOPIC_OF_LETTERS.name, written=False)
    kafka = streams.kafka(spark, settings, TOPIC_OF_LETTERS.name, start, LETTERS)

    def write(batch: DataFrame, number: int) -> None:
        query = streams.query_id(batch)
        found = batch.select("partition", "offset", "value", "timestamp").collect()
        rows = dead_letters.rows((p, o, bytes(v) if v else None, t.replace(tzinfo=UTC)) for p, o, v, t in found)
        writer.write(query, number, [Write(DEAD_LETTERS, rows), progress("dead_letters", None)])

    return streams.written(kafka, settings, "dead_letters", settings.quality_every_s, write)
