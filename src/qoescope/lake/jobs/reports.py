"""CMCD sessions that fell silent, from the lake back into the log as beacons."""

from datetime import UTC, datetime
from threading import Event
from time import monotonic
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.cmcd import OBSERVED, REQUESTS
from qoescope.catalog.operations import REPORTS
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect import kafka, postgres
from qoescope.connect.health import Loop
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.tables import open_table
from qoescope.connect.loops import Worker
from qoescope.connect.postgres import Connection, Write
from qoescope.connect.writing import Writer, crash
from qoescope.lake import reports
from qoescope.lake.open_sessions import OpenSessions
from qoescope.settings import Settings
from qoescope.sources import registry
from qoescope.sources.cmcd.mapping import Mapped

NAME = "reports"
AT_ONCE = 2_000
"""Sessions whose reports are in memory at once."""


def worker(settings: Settings, stopping: Event, still_open: OpenSessions, loop: Loop | None = None) -> Worker:
    """The worker that publishes CMCD sessions as they fall silent."""
    reporter = _SilentReports(settings, Writer(settings, stopping, loop), stopping, still_open)
    return Worker(NAME, reporter.wait, reporter.publish)


class CmcdPublisher:
    """Maps sessions' CMCD reports to events in the log and to delivery rows in Postgres; idempotent."""

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self.settings, self.writer = settings, writer
        self.delta = open_table(settings, REPORTS)
        self.log = kafka.RecordProducer(settings)

    def publish(self, sessions: pa.Table, since: datetime | None, query: str, number: int) -> int:
        """Maps all reports of the sessions that were received after `since`; returns the number of events."""
        self.delta.update_incremental()
        files = list_files(self.delta, buckets=pc.unique(sessions["bucket"]).to_pylist(), since=since)
        who = pc.field("session_id").isin(pc.unique(sessions["session_id"]))
        rows = reports.filter_sessions(read_rows(self.settings, REPORTS, files, where=who), sessions)
        mapped = registry.CMCD.parse(rows, None)
        self._send(mapped.events)
        crash(self.settings, "lake.after_reports")
        self.writer.do(lambda connection: write_delivery(connection, query, number, mapped))
        return len(mapped.events)

    def _send(self, events: pa.Table) -> None:
        """Sends the events and waits for Kafka; raises `TimeoutError` when it does not acknowledge all."""
        lost = 0

        def on_delivery(error: object | None, _: object) -> None:
            nonlocal lost
            lost += error is not None

        for key, value in reports.beacons(events, round(datetime.now(UTC).timestamp() * 1000)):
            while not self.log.send(BEACONS_TOPIC.name, value, on_delivery, key):
                self.log.poll(1.0)
        left = self.log.flush(self.settings.kafka_delivery_ms / 1000 + 1)
        if lost or left:
            raise TimeoutError(
                f"Kafka has not acknowledged {lost + left} records made of CMCD: they will be sent again"
            )


def write_delivery(connection: Connection, query: str, number: int, mapped: Mapped) -> None:
    """Replaces the sessions' delivery rows, once a (query, number), unless the stored ones are newer.

    An import and the stream may write the same session at once; the one that read the lake first may be last.
    """
    with connection.transaction():
        if not postgres.note_batch(connection, query, number):
            return
        connection.execute("select pg_advisory_xact_lock(hashtext('qoescope.cmcd_sessions'))")
        observed_rows = mapped.observed.select([*reports.KEY, "last_at", "record_count"]).to_pylist()
        stored = connection.execute(
            "select property, session_id, last_at, record_count from cmcd_sessions where session_id = any(%s)",
            ([row["session_id"] for row in observed_rows],),
        )
        stored_versions = {(property_id, session): known for property_id, session, *known in stored.fetchall()}
        newest = [
            stored_versions.get((property_id, session), []) <= known
            for property_id, session, *known in map(dict.values, observed_rows)
        ]
        observed = mapped.observed.filter(pa.array(newest, pa.bool_()))
        requests = reports.filter_sessions(mapped.requests, observed)
        columns = [observed[name].to_pylist() for name in reports.KEY]
        connection.execute(
            "delete from cmcd_requests r using unnest(%s::text[], %s::text[]) as told (property, session_id) "
            "where (r.property, r.session_id) = (told.property, told.session_id)",
            columns,
        )
        for write in (Write(OBSERVED, observed), Write(REQUESTS, requests)):
            postgres.upsert(connection, write)


class _SilentReports:
    """Sessions without new reports. After a kill some are published again; the lake recognises the repeats."""

    def __init__(self, settings: Settings, writer: Writer, stopping: Event, still_open: OpenSessions) -> None:
        self.settings, self.writer, self.stopping, self.still_open = settings, writer, stopping, still_open
        self.publisher: CmcdPublisher | None = None
        self.run, self.rounds = uuid4().hex, 0
        self.next_at = 0.0

    def wait(self) -> bool:
        """Waits for the next round; whether a session is due."""
        if (left := self.next_at - monotonic()) > 0:
            self.stopping.wait(min(left, 1.0))
            return False
        return self.still_open.wait(1.0) and self.still_open.restored

    def publish(self) -> None:
        """Publishes the sessions that are due, some at a time."""
        due = self.still_open.due(AT_ONCE)
        if len(due):
            self.publisher = self.publisher or CmcdPublisher(self.settings, self.writer)
            since = pc.min(due["first_received_at"]).as_py() - reports.LOOK_BACK
            self.rounds += 1
            self.publisher.publish(due, since, f"{NAME}:{self.run}", self.rounds)
            self.still_open.forget(due)
        if len(due) < AT_ONCE:
            self.next_at = monotonic() + self.settings.sessions_every_s
