"""Reports: CMCD sessions that fell silent, from the lake back into the log as beacons."""

from collections.abc import Sequence
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
from qoescope.connect import kafka, lake, postgres, streams
from qoescope.connect.health import Loop
from qoescope.connect.postgres import Connection, Write
from qoescope.connect.spark import Stream
from qoescope.connect.writing import Writer, crash, progress
from qoescope.lake import cmcd, reports
from qoescope.settings import Settings

NAME = "reports"


def stream(spark: SparkSession, settings: Settings, stopping: Event, loop: Loop | None = None) -> Stream:
    """Reports to beacons, ready to be kept running."""
    return Stream(NAME, partial(_start, spark, settings, stopping, loop))


def _start(spark: SparkSession, settings: Settings, stopping: Event, loop: Loop | None) -> StreamingQuery:
    writer = Writer(settings, stopping, loop)
    lake.ensure(settings)
    clock = spark.readStream.format("rate").load()  # silence is what is waited for, and silence brings no rows
    return streams.written(clock, settings, NAME, settings.sessions_every_s, _Reports(settings, writer))


class Teller:
    """What sessions told by CMCD, into the log as events and into Postgres as delivery; told again, it repeats."""

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self.settings, self.writer = settings, writer
        self.delta = lake.opened(settings, REPORTS)
        self.log = kafka.Log(settings)

    def tell(self, sessions: pa.Table, since: datetime | None, query: str, number: int, *more: Write) -> int:
        """Maps all reports of the sessions, which came after `since`; how many events they made."""
        self.delta.update_incremental()
        files = lake.files(self.delta, buckets=pc.unique(sessions["bucket"]).to_pylist(), since=since)
        who = pc.field("session_id").isin(pc.unique(sessions["session_id"]))
        mapped = cmcd.mapped(reports.of_sessions(lake.rows(self.settings, REPORTS, files, where=who), sessions))
        self._send(mapped.events)
        crash(self.settings, "lake.after_reports")
        self.writer.do(lambda connection: seen(connection, query, number, mapped, more))
        return len(mapped.events)

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
        if lost or left:
            raise TimeoutError(
                f"Kafka has not acknowledged {lost + left} records made of CMCD: they will be sent again"
            )


def seen(connection: Connection, query: str, number: int, mapped: cmcd.Mapped, more: Sequence[Write] = ()) -> None:
    """Writes what the sessions told of delivery, once, in place of what is there of them, unless that knows more.

    An import and the stream may tell of a session at the same time; who read the lake first may come last.
    """
    with connection.transaction():
        if not postgres.noted(connection, query, number):
            return
        connection.execute("select pg_advisory_xact_lock(hashtext('qoescope.cmcd_sessions'))")
        told = mapped.observed.select([*reports.KEY, "last_at", "record_count"]).to_pylist()
        found = connection.execute(
            "select property, session_id, last_at, record_count from cmcd_sessions where session_id = any(%s)",
            ([row["session_id"] for row in told],),
        )
        there = {(tenant, session): known for tenant, session, *known in found.fetchall()}
        newest = [there.get((tenant, session), []) <= known for tenant, session, *known in map(dict.values, told)]
        observed = mapped.observed.filter(pa.array(newest, pa.bool_()))
        requests = reports.of_sessions(mapped.requests, observed)
        columns = [observed[name].to_pylist() for name in reports.KEY]
        connection.execute(
            "delete from cmcd_requests r using unnest(%s::text[], %s::text[]) as told (property, session_id) "
            "where (r.property, r.session_id) = (told.property, told.session_id)", columns,
        )  # fmt: skip
        for write in (Write(OBSERVED, observed), Write(REQUESTS, requests), *more):
            postgres.upsert(connection, write)


class _Reports:
    """Sessions whose reports stopped.

    How far it is lies in Postgres, and is written after Kafka has the beacons: what comes again after a kill are
    repeats, which the lake knows.
    """

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self.settings, self.writer = settings, writer
        self.teller = Teller(settings, writer)

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Looks for silent sessions; the batch only says that time has passed."""
        until = self._silent_until()
        since = self.writer.complete_until(NAME)
        if until is None or (since is not None and until <= since):
            return
        query, done = streams.query_id(batch), progress(NAME, until)
        silent = self._silent(since, until)
        if len(silent):
            first = None if since is None else since - reports.LOOKED_BACK
            self.teller.tell(silent, first, query, number, done)
        else:
            self.writer.write(query, number, [done])

    def _silent_until(self) -> datetime | None:
        """A session without a report since then is silent: the lake holds all that was received until later."""
        done = self.writer.complete_until("events")
        return None if done is None else done - timedelta(seconds=self.settings.session_gap_s)

    def _silent(self, since: datetime | None, until: datetime) -> pa.Table:
        """Sessions whose last report came after `since` and no later than `until`."""
        delta = self.teller.delta
        delta.update_incremental()
        recent = lake.rows(
            self.settings, REPORTS, lake.files(delta, since=since), (*reports.KEY, "bucket", "received_at"),
            None if since is None else pc.field("received_at") > pa.scalar(since),
        )  # fmt: skip
        return reports.silent(recent, until)
