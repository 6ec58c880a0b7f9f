"""A consistent cut through Postgres, log and lake, so that books can be compared while traffic flows.

Postgres is read in one transaction, which sees one moment. Its books say how far each partition was read, until when
sessions are folded, and which version of the lake's sessions was published. The lake is opened after that moment and
holds all of it, perhaps more; what it has beyond is under way, and is counted instead of compared.
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
from qoescope.catalog.topics import BEACONS_TOPIC, DEAD_LETTERS_TOPIC
from qoescope.connect import kafka, postgres, scan, topic_history
from qoescope.connect.kafka import TopicDescription
from qoescope.connect.lake.checks import require_lake
from qoescope.connect.lake.reading import list_files
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import File, open_table, table_uri
from qoescope.connect.postgres import Connection
from qoescope.connect.scan import Scan
from qoescope.connect.topic_history import TopicHistory
from qoescope.settings import Settings

FOLDING_S = 900
"""How long folding a due session may take, where its stream does not say how far it is."""
READ_TABLES = (SESSION_VERSIONS, EVENTS, LATE, QUARANTINE, REPORTS)
"""In this order: the events that a session's row was folded from are opened after the row."""


@dataclass(slots=True)
class LedgerCut:
    """One state of Postgres, and the lake's tables opened just after it."""

    settings: Settings
    connection: Connection
    scan: Scan
    logs: dict[str, TopicDescription]
    """The topics, as described just after."""
    history: dict[str, TopicHistory]
    next_offsets: dict[int, int]
    """By partition of the log, the first record that is not booked; empty where nothing was streamed."""
    measured_until: datetime | None
    """Sessions without events received since then are folded completely; None where nothing streams."""
    applied: int | None
    """The version of the lake's sessions that Postgres holds; None where that is not known."""
    applied_at: datetime | None
    withheld: set[tuple[str, date]]
    """(property, day) that broke a rule: the marts keep the version before."""
    tables: dict[str, DeltaTable]
    unreadable: dict[str, dict[str, int | None]]
    """By table, files that are missing (None) or have another size than written, with that size."""

    def files(self, table: Table) -> list[File]:
        """The table's readable files."""
        return self.readable(table, list_files(self.tables[table.name]))

    def readable(self, table: Table, files: Sequence[File]) -> list[File]:
        """Those of the files that are readable."""
        return [f for f in files if f.path not in self.unreadable[table.name]]

    @property
    def booked_sql(self) -> str:
        """A condition in SQL: the row's record is booked. Imported rows never were in the log."""
        if not self.next_offsets:
            return "true"
        places = [
            f"(kafka_partition = {p} and kafka_offset < {following})" for p, following in self.next_offsets.items()
        ]
        return f"(kafka_partition < 0 or {' or '.join(places)})"

    def rows(self, like: Table, where: str, **values: object) -> pa.Table:
        """Rows of Postgres at the cut."""
        return scan.read_rows(self.connection, like, where, **values)

    def sessions_applied(self) -> DeltaTable | None:
        """The lake's sessions as published; None where the version is unknown or vacuumed."""
        newest = self.tables[SESSION_VERSIONS.name]
        if self.applied is None or self.applied > newest.version():
            return None
        try:
            where, options = table_uri(self.settings, SESSION_VERSIONS), self.settings.lake_options or None
            return DeltaTable(where, version=self.applied, storage_options=options)
        except Exception:  # noqa: BLE001 - deltalake has no word of its own for a version that is gone
            return None


@contextmanager
def open_cut(settings: Settings) -> Iterator[LedgerCut]:
    """Opens a cut through the present state."""
    with scan.open_scan(settings) as engine, postgres.connect(settings, "writer") as connection:
        require_lake(settings, EVENTS)
        ensure_tables(settings)
        with postgres.snapshot(connection):
            progress = {
                stream: (until, version, updated)
                for stream, until, version, updated in connection.execute(
                    "select stream, complete_until, version, updated_at from stream_progress"
                )
            }
            history = {
                topic.name: topic_history.read_history(connection, topic.name)
                for topic in (BEACONS_TOPIC, DEAD_LETTERS_TOPIC)
            }
            withheld = connection.execute("select distinct property, day from checks where not passed").fetchall()
            logs = {name: _describe(settings, name) for name in history}  # what was read, or answered, is in it
            tables = {table.name: open_table(settings, table) for table in READ_TABLES}
            _, applied, applied_at = progress.get("quality", (None, None, None))
            yield LedgerCut(
                settings,
                connection,
                engine,
                logs,
                history,
                history[BEACONS_TOPIC.name].next_offsets,
                _measured_until(settings, progress),
                applied,
                applied_at,
                {(property_id, day) for property_id, day in withheld},
                tables,
                {table.name: _find_broken(settings, table, tables[table.name]) for table in READ_TABLES},
            )


def _describe(settings: Settings, topic: str) -> TopicDescription:
    try:
        return kafka.describe(settings, topic)
    except kafka.AWAY as error:
        raise Mistake(f"no Kafka at {settings.brokers}: is the broker up? ({error})") from error


def _find_broken(settings: Settings, table: Table, delta: DeltaTable) -> dict[str, int | None]:
    return {f.path: size for f, size in scan.find_broken(settings, table, list_files(delta))}


Progress = Mapping[str, tuple[datetime | None, int | None, datetime]]


def _measured_until(settings: Settings, progress: Progress) -> datetime | None:
    until, _, _ = progress.get("sessions", (None, None, None))
    if until is not None:
        return until
    complete, _, _ = progress.get("events", (None, None, None))
    if complete is None:
        return None
    return complete - timedelta(seconds=settings.session_gap_s + FOLDING_S)
