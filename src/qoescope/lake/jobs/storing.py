"""Stores records of the log in files of the lake; the same functions run in the driver and in tasks."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from qoescope.catalog.operations import LATE, QUARANTINE, REPORTS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import frames
from qoescope.compile.adding import add_cubes
from qoescope.compile.live import LIVE_TABLES, live
from qoescope.compile.records.parsing import parse_records
from qoescope.connect.lake.tables import File
from qoescope.connect.lake.writing import unpack_files, write_files
from qoescope.lake import deduplication, freshness, session_seqs
from qoescope.lake.isolation import BrokenRecord, isolate, program_error, quarantine_record
from qoescope.lake.jobs import identities, messages
from qoescope.lake.jobs.identities import KnownIdentities, SharedIndex
from qoescope.lake.jobs.marks import REPORTED, SESSIONS
from qoescope.lake.open_sessions import marks
from qoescope.lake.session_seqs import Ints
from qoescope.settings import Settings

log = logging.getLogger("qoescope.lake")
ENVIRONMENT = (OSError, MemoryError, duckdb.IOException, duckdb.OutOfMemoryException, duckdb.InterruptException)
"""Exceptions that are the machine's fault, not a record's: the batch is retried."""
PART_BYTES = 32 * 1024 * 1024
"""Bytes of records that a task parses at once: parsed small events take 25 times as much memory."""
STORED_TABLES = (LATE, QUARANTINE, REPORTS, EVENTS)
"""Tables of the lake that records end in, in the order in which they are committed: events last."""
COUNTS, OFFSETS, SENT, SEQS, UNKNOWN, SET_ASIDE = "counts", "offsets", "sent", "seqs", "unknown", "set aside"
MARKS = {name: f"marks of {name}" for name in (SESSIONS, REPORTED)}


@dataclass(slots=True)
class StoredBatch:
    """The outcome of storing records: files that are not committed yet, and small result tables."""

    files: dict[str, list[File]] = field(default_factory=lambda: {table.name: [] for table in STORED_TABLES})
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    """By name: counts, offsets, times of sending, marks, session numbers, live cubes, broken records."""

    def note(self, name: str, *some: pa.Table) -> None:
        """Adds tables to a name, except empty ones."""
        self.tables.setdefault(name, []).extend(rows for rows in some if len(rows))

    def join(self, other: "StoredBatch") -> None:
        """Adds the outcome of another part or task. Live cubes are added up, so that they do not grow with parts."""
        for name, some in other.files.items():
            self.files[name] += some
        for name, tables in other.tables.items():
            self.note(name, *tables)
        for name, table in LIVE_TABLES.items():
            if len(cubes := self.tables.get(name, [])) > 1:
                self.tables[name] = [add_cubes(cubes, table)]

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Rows of the tables of this name."""
        for table in self.tables.get(name, ()):
            yield from table.to_pylist()

    def runs(self) -> list[Ints]:
        """The runs of session numbers, one a task."""
        return [np.stack([c.to_numpy() for c in rows.itercolumns()]) for rows in self.tables.get(SEQS, ())]


def store_records(settings: Settings, known: KnownIdentities, rows: pa.Table) -> StoredBatch:
    """Writes what is new in these records into files, and adds it to `known`, unless it raises."""
    stored = StoredBatch()
    parsed = parse_records(rows, settings.lake_buckets)
    stored.note(OFFSETS, parsed.offsets)
    stored.note(UNKNOWN, parsed.unknown)
    if not (len(parsed.events) or len(parsed.unreadable) or len(parsed.reports)):
        stored.note(COUNTS, parsed.counts)
        return stored
    hashes, sessions = deduplication.identity_and_session_hashes(parsed.events)
    there = identities.find_known(settings, parsed.events, hashes, sessions, known)
    fate = deduplication.judge_events(parsed.events, hashes, there, settings.late_after_days)
    stored.note(COUNTS, parsed.counts, fate.counts, deduplication.count_kept(parsed.unreadable, parsed.reports))
    stored.note(MARKS[REPORTED], marks(parsed.reports))
    if len(fate.stored):
        stored.note(MARKS[SESSIONS], marks(fate.stored))
        stored.note(SENT, freshness.sent_ticks(fate.stored))
        for name, cube in live(fate.stored).items():
            stored.note(name, cube)
    if len(fate.fresh) < len(hashes):
        hashes, sessions = deduplication.identity_and_session_hashes(fate.fresh)
    run = session_seqs.run_of(fate.fresh, sessions)
    stored.note(SEQS, _seqs(run))
    written = {
        EVENTS: fate.fresh,
        LATE: fate.late,
        QUARANTINE: pa.concat_tables([fate.conflicts, parsed.unreadable]),
        REPORTS: parsed.reports,
    }
    stored.files = {table.name: write_files(settings, table, written[table]) for table in STORED_TABLES}
    identities.keep_hashes(settings, stored.files[EVENTS.name], fate.fresh, hashes, for_others=known.for_others)
    known.add(stored.files[EVENTS.name], run)
    return stored


StoreRecords = Callable[[Settings, KnownIdentities, pa.Table], StoredBatch]


def store_isolating(
    settings: Settings, known: KnownIdentities, rows: pa.Table, one_part: StoreRecords = store_records
) -> StoredBatch:
    """`store_records`, whatever the records hold: one on which it raises is quarantined and counted.

    Raises where the machine is to blame, or where no record passes.
    """
    done = list(isolate(partial(one_part, settings, known), rows, ENVIRONMENT))
    if (error := program_error(done)) is not None:
        raise error
    whole = StoredBatch()
    for one in done:
        if isinstance(one, BrokenRecord):
            log.error("a record broke its batch and is set aside: %s", one.error, exc_info=one.error)
            kept, counts, offsets = quarantine_record(one, datetime.now(UTC))
            stored = StoredBatch()
            stored.files[QUARANTINE.name] = write_files(settings, QUARANTINE, kept)
            stored.note(COUNTS, counts)
            stored.note(OFFSETS, offsets)
            stored.note(SET_ASIDE, kept.select(["kafka_partition", "kafka_offset", "reason_kept"]))
            whole.join(stored)
        else:
            whole.join(one)
    return whole


def _seqs(run: Ints) -> pa.Table:
    return pa.table(list(run), ["session", "seq", "day"])


def store_parts(settings: Settings, known: KnownIdentities, parts: Iterable[pa.Table]) -> StoredBatch:
    """Stores one part after the other; each knows what the ones before have written."""
    whole = StoredBatch()
    for rows in parts:
        whole.join(store_isolating(settings, known, rows))
    return whole


def storing_task(
    settings: Settings, files: Sequence[File], shared: SharedIndex, part_bytes: int = PART_BYTES
) -> Callable[[frames.Batches], frames.Batches]:
    """The function of a Spark task that stores its records, with memory for one part at a time."""
    return frames.in_parts(partial(_store_in_task, settings, files, shared), part_bytes)


def _store_in_task(
    settings: Settings, files: Sequence[File], shared: SharedIndex, parts: Iterable[pa.Table]
) -> Iterator[pa.Table]:
    stored = store_parts(settings, KnownIdentities(lambda: (files, shared.load()), for_others=True), parts)
    stored.tables[SEQS] = [_seqs(session_seqs.join_runs(stored.runs()))]
    yield from (messages.file_messages(name, some) for name, some in stored.files.items())
    yield from (messages.body_messages(name, list(map(messages.to_ipc, some))) for name, some in stored.tables.items())


class SplitSession(Exception):
    """Two tasks had records of one session, under different keys, so that each may have stored the same event."""


def merge_results(results: Mapping[str, Sequence[bytes]]) -> StoredBatch:
    """The results of all tasks as one batch; raises `SplitSession`."""
    files = {table.name: unpack_files(results.get(table.name, ())) for table in STORED_TABLES}
    sessions = [np.unique(messages.from_ipc(run)["session"].to_numpy()) for run in results.get(SEQS, ())]
    if sessions and len(np.unique(np.concatenate(sessions))) < sum(map(len, sessions)):
        raise SplitSession
    whole = StoredBatch()
    whole.join(StoredBatch(files, {k: list(map(messages.from_ipc, v)) for k, v in results.items() if k not in files}))
    return whole
