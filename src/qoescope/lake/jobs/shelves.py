"""Shelves: the tables of the lake that records end in, and the index of the identities that they hold."""

import time

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.connect.lake.compaction import compact_table
from qoescope.connect.lake.reading import list_files
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.lake.writing import commit_files
from qoescope.lake.jobs.identities import Index, Known
from qoescope.lake.jobs.storing import STORED, Stored
from qoescope.settings import Settings

JOINED_EVERY, JOINED_BYTES = 6, 8 * 1024 * 1024
"""Between so many batches a stream joins one part's small files, up to this size; upkeep joins those at night."""
SAVED_EVERY = 60
"""Between so many batches the index is saved, for the next start."""


class Shelves:
    """The lake as the stream of events fills it; what it knows is made anew at a start."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tables = {table.name: open_table(settings, table) for table in (*STORED, SESSION_VERSIONS)}
        self.version = self.tables[EVENTS.name].version()
        """The version of `events` that holds the last batch."""
        self.index = Index.opened(settings)
        self.batches = 0

    def files(self) -> list[File]:
        """Files of `events`; the index knows them all."""
        self.tables[EVENTS.name].update_incremental()
        found = list_files(self.tables[EVENTS.name])
        self.index.update(found)
        return found

    def known(self) -> Known:
        """What a batch in this process may find in the lake."""
        return Known(lambda: (self.files(), self.index.runs.held))

    def commit(self, stored: Stored, query: str, number: int) -> None:
        """Makes a batch visible, once; a batch that comes again has stored nothing new."""
        for table in STORED:
            if stored.files[table.name]:
                commit_files(self.tables[table.name], table, stored.files[table.name], f"events:{query}", number)
        if stored.files[EVENTS.name]:
            self.version = self.tables[EVENTS.name].version()
        for run in stored.runs():
            self.index.add(stored.files[EVENTS.name], run)

    def tidy(self) -> None:
        """Joins small files every so often, so that readers open few, and saves the index."""
        self.batches += 1
        if self.batches % JOINED_EVERY == 0:
            self.join()
        if self.batches % SAVED_EVERY == 0:
            self.index.tidy(list_files(self.tables[EVENTS.name]), time.time())

    def join(self, files_a_part: int = 24) -> None:
        """Joins the small files of one part of `events`: of all at once the stream would stand still for seconds."""
        events = self.tables[EVENTS.name]
        before = list_files(events)
        if compact_table(self.settings, EVENTS, files_a_part, JOINED_BYTES, 1):
            events.update_incremental()
            after = list_files(events)
            here, there = {f.path for f in after}, {f.path for f in before}
            self.index.replaced([f for f in before if f.path not in here], [f for f in after if f.path not in there])


def join_small_files(settings: Settings, table: Table, batches: int) -> None:
    """Joins the small files of one part of another table every few batches."""
    if batches % JOINED_EVERY == 0:
        compact_table(settings, table, 24, JOINED_BYTES, 1)
