"""The lake's tables that records end in, and the index of the identities that they hold."""

import time

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.connect.lake.compaction import compact_table
from qoescope.connect.lake.reading import list_files
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.lake.writing import commit_files
from qoescope.lake.jobs.identities import IdentityIndex, KnownIdentities
from qoescope.lake.jobs.storing import STORED_TABLES, StoredBatch
from qoescope.settings import Settings

JOIN_EVERY, JOIN_BYTES = 6, 8 * 1024 * 1024
"""Between so many batches a stream joins one part's small files, up to this size; upkeep joins those at night."""
SAVE_EVERY = 60
"""Every so many batches the index is saved, for the next start."""


class EventTables:
    """The lake as the stream of events writes it; opened anew at a start."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tables = {table.name: open_table(settings, table) for table in (*STORED_TABLES, SESSION_VERSIONS)}
        self.version = self.tables[EVENTS.name].version()
        """The version of `events` that holds the last batch."""
        self.index = IdentityIndex.load(settings)
        self.batches = 0

    def files(self) -> list[File]:
        """Files of `events`, all of them in the index."""
        self.tables[EVENTS.name].update_incremental()
        files = list_files(self.tables[EVENTS.name])
        self.index.update(files)
        return files

    def known(self) -> KnownIdentities:
        """What a batch in this process may find in the lake."""
        return KnownIdentities(lambda: (self.files(), self.index.runs.items))

    def commit(self, stored: StoredBatch, query: str, number: int) -> None:
        """Makes a batch visible, once; a batch that is retried has stored nothing new."""
        for table in STORED_TABLES:
            if stored.files[table.name]:
                commit_files(self.tables[table.name], table, stored.files[table.name], f"events:{query}", number)
        if stored.files[EVENTS.name]:
            self.version = self.tables[EVENTS.name].version()
        for run in stored.runs():
            self.index.add(stored.files[EVENTS.name], run)

    def tidy(self) -> None:
        """Joins small files every few batches, so that readers open few, and saves the index."""
        self.batches += 1
        if self.batches % JOIN_EVERY == 0:
            self.join()
        if self.batches % SAVE_EVERY == 0:
            self.index.tidy(list_files(self.tables[EVENTS.name]), time.time())

    def join(self, files_a_part: int = 24) -> None:
        """Joins the small files of one part of `events`: joining all at once would stop the stream for seconds."""
        events = self.tables[EVENTS.name]
        before = list_files(events)
        if compact_table(self.settings, EVENTS, files_a_part, JOIN_BYTES, 1):
            events.update_incremental()
            after = list_files(events)
            here, there = {f.path for f in after}, {f.path for f in before}
            self.index.replace([f for f in before if f.path not in here], [f for f in after if f.path not in there])


def join_small_files(settings: Settings, table: Table, batches: int) -> None:
    """Joins the small files of one part of the table, every few batches."""
    if batches % JOIN_EVERY == 0:
        compact_table(settings, table, 24, JOIN_BYTES, 1)
