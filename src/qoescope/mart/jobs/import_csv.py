"""Imports the data set's CSV into the lake and the marts."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.errors import Mistake
from qoescope.catalog.operations import (
    IMPORT_QUARANTINE,
    IMPORTS,
    SESSION_ROWS,
    SESSION_VERSIONS,
)
from qoescope.catalog.property_names import check_property
from qoescope.catalog.tables import SESSIONS
from qoescope.compile import arrow, versions
from qoescope.connect import days, letters, postgres, viewer_keys
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.connect.postgres import Connection, Write
from qoescope.mart.imported import quarantined_without_forgotten, without_forgotten
from qoescope.mart.jobs import lake_days
from qoescope.settings import Settings
from qoescope.sources import packing, registry
from qoescope.sources.csv.sessions import CsvSessions


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows are kept aside, how many, and where the first of them lies."""

    reason: str
    rows: int
    first_line: int


@dataclass(frozen=True, slots=True)
class CsvImport:
    """The result of an import."""

    rows: int
    sessions: int
    changed: int
    repeated: int
    quarantined: int
    days: int
    reasons: tuple[Reason, ...] = ()

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.rows} rows: {self.sessions} sessions of {self.days} days, {self.changed} of them new or changed, "
            f"{self.repeated} repeated, {self.quarantined} kept aside"
        )


def import_csv(settings: Settings, path: Path, property_id: str = "import") -> CsvImport:
    """Imports the data set's CSV into the lake and the marts; importing it again changes nothing.

    Rows must keep the file's own rules; the quality gate, which compares with usual values, is for restated days.
    Raises `Mistake` when the property is invalid, or there is no such file.
    """
    check_property(property_id)
    if not path.is_file():
        raise Mistake(f"no file {path}: make it with `python generate_telemetry.py`, or name another")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        found = registry.CSV.parse(packing.text_lines(file, path.name), property_id, settings.lake_buckets)
    ensure_tables(settings)
    with postgres.connect(settings, "writer") as connection:
        names = letters.read_pseudonyms(connection, property_id)
    rows = without_forgotten(found.sessions, viewer_keys.read(settings) if names else {}, property_id, names)
    placed = pa.table(
        {n: rows[n if n != "session_day" else "day"] for n in ("property", "session_id", "session_day", "bucket")}
    )
    started = pc.unique(rows["day"]).to_pylist()
    delta = open_table(settings, SESSION_VERSIONS)
    before = read_rows(settings, SESSION_VERSIONS, list_files(delta, started), where=versions.of_property(property_id))
    new = versions.changed_versions(arrow.conform(rows, SESSIONS), placed, before, datetime.now(UTC))
    append_files(delta, SESSION_VERSIONS, write_files(settings, SESSION_VERSIONS, new), {"imported": path.name})
    with postgres.connect(settings, "writer") as connection:
        days.replace(
            connection,
            started,
            lambda: arrow.conform(lake_days.read_sessions_of(settings, started), SESSION_ROWS),
            lake_days.mart_writes,
        )
        while not _note_import(settings, connection, found, property_id, path.name, digest):
            pass  # somebody was forgotten meanwhile: the rows are looked through again
    kept_aside = _reasons(found.quarantined)
    return CsvImport(found.rows, len(rows), len(new), found.repeated, len(found.quarantined), len(started), kept_aside)


def _reasons(quarantined: pa.Table) -> tuple[Reason, ...]:
    """Each reason once, the most frequent first."""
    grouped = quarantined.group_by("reason").aggregate([("line", "count"), ("line", "min")]).to_pylist()
    reasons = (Reason(row["reason"], row["line_count"], row["line_min"]) for row in grouped)
    return tuple(sorted(reasons, key=lambda reason: (-reason.rows, reason.first_line)))


def _note_import(
    settings: Settings, connection: Connection, found: CsvSessions, property_id: str, name: str, digest: str
) -> bool:
    """Writes the import and the rows that were kept aside, without those of forgotten viewers.

    False, and no change, where others are forgotten now than when the rows were looked through.
    """
    names = letters.read_pseudonyms(connection, property_id)
    keys = viewer_keys.read(settings) if names else {}
    quarantined = quarantined_without_forgotten(found.quarantined, keys, property_id, names)
    note = {
        "checksum": digest,
        "property": property_id,
        "name": name,
        "rows": found.rows,
        "sessions": len(found.sessions),
        "repeated": found.repeated,
        "quarantined": len(found.quarantined),
        "finished_at": datetime.now(UTC),
    }
    kept = quarantined.append_column("property", pa.repeat(pa.scalar(property_id), len(quarantined)))
    kept = kept.append_column("checksum", pa.repeat(pa.scalar(digest), len(kept)))
    with connection.transaction():
        letters.lock(connection)
        if letters.read_pseudonyms(connection, property_id) != names:
            return False
        postgres.upsert(connection, Write(IMPORTS, pa.Table.from_pylist([note])))
        postgres.upsert(connection, Write(IMPORT_QUARANTINE, kept))
    return True
