"""Quality: new versions of sessions into Postgres, as corrections of the marts."""

from collections.abc import Sequence
from functools import partial
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.marts import SESSION_MARTS
from qoescope.catalog.operations import (
    SESSION_ROWS,
    SESSION_VERSIONS,
)
from qoescope.compile import arrow, versions
from qoescope.connect import days, lake, streams
from qoescope.connect.health import Loop
from qoescope.connect.postgres import Write
from qoescope.connect.spark import Stream
from qoescope.connect.writing import Writer, crash, give_way, progress
from qoescope.mart import cubes
from qoescope.settings import Settings


def stream(spark: SparkSession, settings: Settings, stopping: Event, loop: Loop | None = None) -> Stream:
    """The stream, ready to be kept running."""
    return Stream("quality", partial(_start_quality, spark, settings, stopping, loop))


def _start_quality(spark: SparkSession, settings: Settings, stopping: Event, loop: Loop | None) -> StreamingQuery:
    writer = Writer(settings, stopping, loop)
    lake.ensure(settings)
    streams.beginning(settings, writer, "quality", None, written=False)
    rows = streams.changes(spark, settings, SESSION_VERSIONS)
    return streams.written(rows, settings, "quality", settings.quality_every_s, _Quality(settings, writer, stopping))


class _Quality:
    """New versions of sessions into Postgres: their rows, and the marts by what changed."""

    def __init__(self, settings: Settings, writer: Writer, stopping: Event) -> None:
        self.settings, self.writer, self.stopping = settings, writer, stopping

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Writes one batch; its size is bounded by the settings."""
        give_way(self.writer, self.stopping, self.settings.give_way_s)
        query = streams.query_id(batch)
        rows = versions.latest(arrow.conform(batch.toArrow(), SESSION_VERSIONS))
        gone = rows.filter(
            pc.and_kleene(pc.is_valid(rows["replaces_day"]), pc.not_equal(rows["replaces_day"], rows["day"]))
        )
        moved = pa.table({"property": gone["property"], "day": gone["replaces_day"], "session_id": gone["session_id"]})
        new = arrow.conform(rows, SESSION_ROWS)
        self.writer.do(
            lambda connection: days.correct(
                connection, query, number, new, moved, _corrected, [progress("quality", None)]
            )
        )
        crash(self.settings, "mart.before_commit")


def _corrected(new: pa.Table, old: pa.Table) -> Sequence[Write]:
    return [Write(mart.table, cubes.corrections(new, old, mart)) for mart in SESSION_MARTS]
