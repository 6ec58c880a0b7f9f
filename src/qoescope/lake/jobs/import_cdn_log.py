"""Imports a CDN's log: its CMCD records into the lake, once each, and from there into the log as beacons."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice, takewhile
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.errors import Mistake
from qoescope.catalog.operations import OUTCOMES, REPORTS, UNKNOWN_FIELDS
from qoescope.catalog.property_names import check_property
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.writing import commit_files, write_files
from qoescope.connect.postgres import Write
from qoescope.connect.writing import Writer, crash
from qoescope.lake import reports
from qoescope.lake.jobs.reports import CmcdPublisher
from qoescope.settings import Settings
from qoescope.sources import packing, registry
from qoescope.sources.cdn_logs.reports import log_reports
from qoescope.sources.cdn_logs.requests import LogEntry, NumberedLine

CHUNK = 50_000
"""Lines of a CDN's log that are written at once."""
DEFAULT = registry.CDN_LOGS[0]


@dataclass(slots=True)
class ImportedLog:
    """The result of an import."""

    lines: int = 0
    records: int = 0
    without_cmcd: int = 0
    sessions: int = 0
    events: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.lines:,} lines: {self.records:,} CMCD records of {self.sessions:,} sessions, {self.without_cmcd:,} "
            f"without CMCD, {len(self.bad):,} not understood; {self.events:,} events"
        )


def import_log(
    settings: Settings, path: Path, property_id: str, log_format: str = DEFAULT.name, layout: str = ""
) -> ImportedLog:
    """Takes a CDN's log, plain, gzip or zstd, in a format of the registry; a file that was taken before adds nothing.

    Raises `Mistake` where the property is invalid, there is no such file, format or layout, or the file is damaged.
    """
    check_property(property_id)
    source = registry.cdn_log(log_format, layout)
    if not path.is_file():
        raise Mistake(f"no such file: {path}")
    ensure_tables(settings)
    with path.open("rb") as raw:
        app = f"cmcd:{property_id}:{hashlib.file_digest(raw, 'sha256').hexdigest()}"
    app += "" if source is DEFAULT else f":{source.name}"  # read by another format, a file holds something else
    app += f":{hashlib.sha256(layout.encode()).hexdigest()[:16]}" if layout else ""
    with closing(Writer(settings, Event())) as writer:
        return _import_entries(settings, writer, source.parse(_lines(path)), app, property_id)


def _import_entries(
    settings: Settings, writer: Writer, entries: Iterator[tuple[int, LogEntry]], app: str, property_id: str
) -> ImportedLog:
    """Takes the entries of the log that is known as `app`."""
    made, now = ImportedLog(), datetime.now(UTC)
    publisher, touched = CmcdPublisher(settings, writer), list[pa.Table]()
    for number, chunk in enumerate(takewhile(bool, (list(islice(entries, CHUNK)) for _ in count()))):
        log = log_reports(chunk, property_id, settings.lake_buckets, now)
        rows = log.reports
        done = publisher.delta.transaction_version(app)
        if done is None or done < number:
            commit_files(publisher.delta, REPORTS, write_files(settings, REPORTS, rows), app, number)
        crash(settings, "lake.after_chunk")
        books = [Write(OUTCOMES, log.outcomes(property_id)), Write(UNKNOWN_FIELDS, log.unknown_fields(property_id))]
        writer.write(app, number, [write for write in books if len(write.rows)])
        touched.append(rows.select([*reports.KEY, "bucket", "received_at"]))
        made.lines, made.records = made.lines + len(chunk), made.records + len(rows)
        made.without_cmcd += log.without_cmcd
        made.bad += log.bad
    touched_rows = pa.concat_tables(touched) if touched else pa.table({"bucket": []})
    for bucket in pc.unique(touched_rows["bucket"]).to_pylist():
        mine = touched_rows.filter(pc.equal(touched_rows["bucket"], bucket))
        sessions = mine.group_by([*reports.KEY, "bucket"]).aggregate([])
        first = pc.min(mine["received_at"]).as_py() - reports.LOOK_BACK
        made.events += publisher.publish(sessions, first, f"{app}:{now.isoformat()}", bucket)
        made.sessions += len(sessions)
    return made


def _lines(path: Path) -> Iterator[NumberedLine]:
    """The file's lines, numbered from 1."""
    with path.open("rb") as raw:
        yield from enumerate(packing.byte_lines(raw, path.name), 1)
