"""Cut: one state of Postgres, and what of log and lake belongs to it, so that books are compared while traffic flows.

Postgres is read in one transaction that sees one moment. Its books say to which record of each partition they go,
until when sessions are measured, and which version of the lake's sessions they hold: the lake, opened after that
moment, holds all of it and perhaps more. What it has beyond is under way, and is counted, not compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
from deltalake import DeltaTable

from qoescope.catalog.errors import Mistake
from qoescope.catalog.operations import LATE, QUARANTINE, REPORTS, SESSION_VERSIONS
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS, DEAD_LETTERS
from qoescope.connect import kafka, postgres, scan, witness
from qoescope.connect.kafka import Described
from qoescope.connect.lake.reading import list_files
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import File, open_table, table_uri
from qoescope.connect.postgres import Connection
from qoescope.connect.scan import Scan
from qoescope.connect.witness import Known
from qoescope.settings import Settings

FOLDING_S = 900
"""How long a session that is due may take to be measured, where its stream does not say until when it measured all."""
READ = (SESSION_VERSIONS, EVENTS, LATE, QUARANTINE, REPORTS)
"""In this order: events of which a session's row was made are there when its row is."""


@dataclass(slots=True)
class Cut:
    """One state of Postgres, and the tables of the lake, opened just after it."""

    settings: Settings
    connection: Connection
    scan: Scan
    logs: dict[str, Described]
    """Topics, as they were just after."""
    known: dict[str, Known]
    following: dict[int, int]
    """By partition of the log, the first record that the books do not have; empty where nothing was ever streamed."""
    measured_until: datetime | None
    """Each session of which nothing was received since is in the lake as its events say; None where nothing streams."""
    applied: int | None
    """The version of the lake's sessions that Postgres holds; None where its stream does not say."""
    applied_at: datetime | None
    held: set[tuple[str, date]]
    """(property, day) that broke a rule: people see what was there before."""
    tables: dict[str, DeltaTable]
    broken: dict[str, dict[str, int | None]]
    """By table, files that are not there (None) or not as large as they were written, with their size."""

    def files(self, table: Table) -> list[File]:
        """Files of the table that can be read."""
        return self.whole(table, list_files(self.tables[table.name]))

    def whole(self, table: Table, found: Sequence[File]) -> list[File]:
        """Those of the files that can be read."""
        return [f for f in found if f.path not in self.broken[table.name]]

    @property
    def read(self) -> str:
        """A condition in SQL: the row's record belongs to the books. What was imported never was in the log."""
        if not self.following:
            return "true"
        places = [f"(kafka_partition = {p} and kafka_offset < {following})" for p, following in self.following.items()]
        return f"(kafka_partition < 0 or {' or '.join(places)})"

    def rows(self, like: Table, where: str, **values: object) -> pa.Table:
        """Rows of Postgres at the cut."""
        return scan.rows(self.connection, like, where, **values)

    def sessions_applied(self) -> DeltaTable | None:
        """The lake's sessions as Postgres has them; None where that is not known, or older than what is kept."""
        newest = self.tables[SESSION_VERSIONS.name]
        if self.applied is None or self.applied > newest.version():
            return None
        try:
            where, options = table_uri(self.settings, SESSION_VERSIONS), self.settings.lake_options or None
            return DeltaTable(where, version=self.applied, storage_options=options)
        except Exception:  # noqa: BLE001 - deltalake has no word of its own for a version that is gone
            return None


@contextmanager
def cut(settings: Settings) -> Iterator[Cut]:
    """The cut of now."""
    with scan.opened(settings) as engine, postgres.connect(settings, "writer") as connection:
        ensure_tables(settings)
        with postgres.snapshot(connection):
            progress = {
                stream: (until, version, updated)
                for stream, until, version, updated in connection.execute(
                    "select stream, complete_until, version, updated_at from stream_progress"
                )
            }
            known = {topic.name: witness.read_known(connection, topic.name) for topic in (BEACONS, DEAD_LETTERS)}
            held = connection.execute("select distinct property, day from checks where not passed").fetchall()
            logs = {name: _describe(settings, name) for name in known}  # what was read, or answered, is in it
            tables = {table.name: open_table(settings, table) for table in READ}
            _, applied, applied_at = progress.get("quality", (None, None, None))
            yield Cut(
                settings,
                connection,
                engine,
                logs,
                known,
                known[BEACONS.name].following,
                _measured_until(settings, progress),
                applied,
                applied_at,
                {(property_id, day) for property_id, day in held},
                tables,
                {table.name: _broken(settings, table, tables[table.name]) for table in READ},
            )


def _describe(settings: Settings, topic: str) -> Described:
    try:
        return kafka.describe(settings, topic)
    except kafka.AWAY as error:
        raise Mistake(f"no Kafka at {settings.brokers}: is the broker up? ({error})") from error


def _broken(settings: Settings, table: Table, delta: DeltaTable) -> dict[str, int | None]:
    return {f.path: size for f, size in scan.broken(settings, table, list_files(delta))}


Progress = Mapping[str, tuple[datetime | None, int | None, datetime]]


def _measured_until(settings: Settings, progress: Progress) -> datetime | None:
    until, _, _ = progress.get("sessions", (None, None, None))
    if until is not None:
        return until
    complete, _, _ = progress.get("events", (None, None, None))
    if complete is None:
        return None
    return complete - timedelta(seconds=settings.session_gap_s + FOLDING_S)
