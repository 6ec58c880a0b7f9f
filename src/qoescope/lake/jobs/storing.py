"""Storing: records of the log into files of the lake, in the driver's process or in a task, by the same functions."""

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
from qoescope.compile import spark as frames
from qoescope.compile.adding import added
from qoescope.compile.live import LIVE_TABLES, live
from qoescope.compile.records.parsing import parse_records
from qoescope.connect.lake.tables import File
from qoescope.connect.lake.writing import unpack_files, write_files
from qoescope.lake import events as product
from qoescope.lake import freshness, session_seqs
from qoescope.lake.isolation import Culprit, isolated, ours, set_aside
from qoescope.lake.jobs import identities, messages
from qoescope.lake.jobs.identities import Known, Shared
from qoescope.lake.jobs.marks import REPORTED, SESSIONS
from qoescope.lake.open_sessions import marks
from qoescope.lake.session_seqs import Ints
from qoescope.settings import Settings

log = logging.getLogger("qoescope.lake")
ENVIRONMENT = (OSError, MemoryError, duckdb.IOException, duckdb.OutOfMemoryException, duckdb.InterruptException)
"""What raises for the machine's sake: no record is to blame, and the batch comes again."""
PART_BYTES = 32 * 1024 * 1024
"""Bytes of records that a task reads at once, however many it has: small events take 25 times as much when read."""
STORED = (LATE, QUARANTINE, REPORTS, EVENTS)
"""Tables of the lake that records end in, in the order in which they are committed: events come last."""
COUNTS, OFFSETS, SENT, SEQS, UNKNOWN, ASIDE = "counts", "offsets", "sent", "seqs", "unknown", "set aside"
MARKS = {name: f"marks of {name}" for name in (SESSIONS, REPORTED)}


@dataclass(slots=True)
class Stored:
    """What became of records: files that no reader sees yet, and what is to be told of them."""

    files: dict[str, list[File]] = field(default_factory=lambda: {table.name: [] for table in STORED})
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    """By name: counts, offsets, when events were sent, marks of sessions, their numbers, cubes of live windows, and
    records that broke their batch."""

    def note(self, name: str, *some: pa.Table) -> None:
        """Adds tables, but no empty ones."""
        self.tables.setdefault(name, []).extend(rows for rows in some if len(rows))

    def join(self, other: "Stored") -> None:
        """Adds what another part or task has stored. Live numbers are added up, so that they do not grow with parts."""
        for name, some in other.files.items():
            self.files[name] += some
        for name, tables in other.tables.items():
            self.note(name, *tables)
        for name, table in LIVE_TABLES.items():
            if len(cubes := self.tables.get(name, [])) > 1:
                self.tables[name] = [added(cubes, table)]

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Rows of the tables of this name."""
        for table in self.tables.get(name, ()):
            yield from table.to_pylist()

    def runs(self) -> list[Ints]:
        """How far the numbers of sessions have come, as each task says it."""
        return [np.stack([c.to_numpy() for c in rows.itercolumns()]) for rows in self.tables.get(SEQS, ())]


def store(settings: Settings, known: Known, rows: pa.Table) -> Stored:
    """Writes what is new in these records into files. `known` knows them after it, and not where it raises."""
    stored = Stored()
    parsed = parse_records(rows, settings.lake_buckets)
    stored.note(OFFSETS, parsed.offsets)
    stored.note(UNKNOWN, parsed.unknown)
    if not (len(parsed.events) or len(parsed.unreadable) or len(parsed.reports)):
        stored.note(COUNTS, parsed.counts)
        return stored
    hashes, sessions = product.both_hashes(parsed.events)
    there = identities.known(settings, parsed.events, hashes, sessions, known)
    fate = product.judged(parsed.events, hashes, there, settings.late_after_days)
    stored.note(COUNTS, parsed.counts, fate.counts, product.kept_counts(parsed.unreadable, parsed.reports))
    stored.note(MARKS[REPORTED], marks(parsed.reports))
    if len(fate.held):
        stored.note(MARKS[SESSIONS], marks(fate.held))
        stored.note(SENT, freshness.sent_ticks(fate.held))
        for name, cube in live(fate.held).items():
            stored.note(name, cube)
    if len(fate.fresh) < len(hashes):
        hashes, sessions = product.both_hashes(fate.fresh)
    run = session_seqs.run_of(fate.fresh, sessions)
    stored.note(SEQS, _seqs(run))
    written = {
        EVENTS: fate.fresh,
        LATE: fate.late,
        QUARANTINE: pa.concat_tables([fate.conflicts, parsed.unreadable]),
        REPORTS: parsed.reports,
    }
    stored.files = {table.name: write_files(settings, table, written[table]) for table in STORED}
    identities.keep(settings, stored.files[EVENTS.name], fate.fresh, hashes, for_others=known.for_others)
    known.add(stored.files[EVENTS.name], run)
    return stored


Part = Callable[[Settings, Known, pa.Table], Stored]


def store_all(settings: Settings, known: Known, rows: pa.Table, one_part: Part = store) -> Stored:
    """`store`, whatever is in the records: one on which it raises is set aside, and booked.

    Raises where the machine is to blame, or where nothing passes.
    """
    done = list(isolated(partial(one_part, settings, known), rows, ENVIRONMENT))
    if (error := ours(done)) is not None:
        raise error
    whole = Stored()
    for one in done:
        if isinstance(one, Culprit):
            log.error("a record broke its batch and is set aside: %s", one.error, exc_info=one.error)
            kept, counts, offsets = set_aside(one, datetime.now(UTC))
            stored = Stored()
            stored.files[QUARANTINE.name] = write_files(settings, QUARANTINE, kept)
            stored.note(COUNTS, counts)
            stored.note(OFFSETS, offsets)
            stored.note(ASIDE, kept.select(["kafka_partition", "kafka_offset", "reason_kept"]))
            whole.join(stored)
        else:
            whole.join(one)
    return whole


def _seqs(run: Ints) -> pa.Table:
    return pa.table(list(run), ["session", "seq", "day"])


def store_parts(settings: Settings, known: Known, parts: Iterable[pa.Table]) -> Stored:
    """Stores a part after the other; what one has written is known to the next."""
    whole = Stored()
    for rows in parts:
        whole.join(store_all(settings, known, rows))
    return whole


def storing(
    settings: Settings, files: Sequence[File], shared: Shared, part_bytes: int = PART_BYTES
) -> Callable[[frames.Batches], frames.Batches]:
    """What a task does with its records, as much memory as a part of them needs."""
    return frames.in_parts(partial(_told, settings, files, shared), part_bytes)


def _told(settings: Settings, files: Sequence[File], shared: Shared, parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    stored = store_parts(settings, Known(lambda: (files, shared.opened()), for_others=True), parts)
    stored.tables[SEQS] = [_seqs(session_seqs.joined(stored.runs()))]
    yield from (messages.files(name, some) for name, some in stored.files.items())
    yield from (messages.lines(name, list(map(messages.packed, some))) for name, some in stored.tables.items())


class Torn(Exception):
    """Two tasks had records of one session: their keys are not its id, so that each may have stored the same event."""


def of_tasks(told: Mapping[str, Sequence[bytes]]) -> Stored:
    """What tasks told, as one; raises `Torn` where it cannot be."""
    files = {table.name: unpack_files(told.get(table.name, ())) for table in STORED}
    sessions = [np.unique(messages.unpacked(run)["session"].to_numpy()) for run in told.get(SEQS, ())]
    if sessions and len(np.unique(np.concatenate(sessions))) < sum(map(len, sessions)):
        raise Torn
    whole = Stored()
    whole.join(Stored(files, {k: list(map(messages.unpacked, v)) for k, v in told.items() if k not in files}))
    return whole
