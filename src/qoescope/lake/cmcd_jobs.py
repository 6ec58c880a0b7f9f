"""Jobs for CMCD: reports in the lake back into the log as beacons, so that from events on there is one path."""

import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.cmcd import OBSERVED, REQUESTS
from qoescope.catalog.operations import REPORTS
from qoescope.catalog.topics import BEACONS
from qoescope.connect import kafka, lake, streams
from qoescope.connect.postgres import Write
from qoescope.connect.spark import Stream
from qoescope.connect.writing import Writer, crash, progress
from qoescope.lake import cmcd, reports
from qoescope.settings import Settings

log = logging.getLogger("qoescope.lake")
NAME = "reports"


def reports_stream(spark: SparkSession, settings: Settings, stopping: Event) -> Stream:
    """Reports to beacons, ready to be kept running."""
    return Stream(NAME, partial(_start, spark, settings, stopping))


def _start(spark: SparkSession, settings: Settings, stopping: Event) -> StreamingQuery:
    writer = Writer(settings, stopping)
    lake.ensure(settings)
    clock = spark.readStream.format("rate").load()  # silence is what is waited for, and silence brings no rows
    return streams.written(clock, settings, NAME, settings.sessions_every_s, _Reports(settings, writer))


class _Reports:
    """Sessions whose reports stopped, mapped whole and sent as beacons; what they tell of delivery into Postgres.

    How far it is lies in Postgres, and is written after Kafka has the beacons: what comes again after a kill are
    repeats, which the lake knows.
    """

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self.settings, self.writer = settings, writer
        self.delta = lake.opened(settings, REPORTS)
        self.log = kafka.Log(settings)

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Looks for silent sessions; the batch only says that time has passed."""
        until = self._silent_until()
        known = self.writer.ask("select complete_until from stream_progress where stream = %s", (NAME,))
        since = known[0][0] if known else None
        if until is None or (since is not None and until <= since):
            return
        found = self._reports(since, until)
        writes = [progress(NAME, until)]
        if len(found):
            mapped = cmcd.mapped(found)
            self._send(mapped.events)
            crash(self.settings, "lake.after_reports")
            writes += [Write(OBSERVED, mapped.observed), Write(REQUESTS, mapped.requests)]
        self.writer.write(streams.query_id(batch), number, writes)

    def _silent_until(self) -> datetime | None:
        """A session without a report since then is silent: the lake holds all that was received until later."""
        done = self.writer.ask("select complete_until from stream_progress where stream = 'events'")
        if not done or done[0][0] is None:
            return None
        return done[0][0] - timedelta(seconds=self.settings.session_gap_s)

    def _reports(self, since: datetime | None, until: datetime) -> pa.Table:
        """All reports of the sessions whose last one came after `since` and no later than `until`."""
        self.delta.update_incremental()
        recent = lake.rows(
            self.settings, REPORTS, lake.files(self.delta, since=since), (*reports.KEY, "bucket", "received_at"),
            None if since is None else pc.field("received_at") > pa.scalar(since),
        )  # fmt: skip
        silent = reports.silent(recent, until)
        first = None if since is None else since - reports.LOOKED_BACK
        files = lake.files(self.delta, buckets=pc.unique(silent["bucket"]).to_pylist(), since=first)
        who = pc.field("session_id").isin(pc.unique(silent["session_id"]))
        return reports.of_sessions(lake.rows(self.settings, REPORTS, files, where=who), silent)

    def _send(self, events: pa.Table) -> None:
        """Comes back once Kafka has all of them; raises `TimeoutError` when it does not say so."""
        lost = 0

        def told(error: object | None, _: object) -> None:
            nonlocal lost
            lost += error is not None

        for key, value in reports.beacons(events, round(datetime.now(UTC).timestamp() * 1000)):
            while not self.log.send(BEACONS.name, value, told, key):
                self.log.poll(1.0)
        left = self.log.flush(self.settings.kafka_delivery_ms / 1000 + 1)
        self.log.poll()
        if lost or left:
            raise TimeoutError(
                f"Kafka has not acknowledged {lost + left} records made of CMCD: they will be sent again"
            )
