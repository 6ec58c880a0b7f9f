"""Dead letters from the log into Postgres, each once: partition and offset are their key."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import LiteralString

import pyarrow as pa

from qoescope.catalog.operations import DEAD_LETTERS, STREAM_OFFSETS
from qoescope.catalog.topics import DEAD_LETTERS_TOPIC
from qoescope.compile.forgotten import ForgottenViewers
from qoescope.connect import letters, postgres, streams
from qoescope.connect.health import Loop
from qoescope.connect.log_readers import Tail
from qoescope.connect.loops import Worker
from qoescope.connect.postgres import Connection, Write
from qoescope.connect.writing import Writer, progress
from qoescope.lake import dead_letters
from qoescope.lake.dead_letters import Letter
from qoescope.settings import Settings

LETTERS = 200
"""Letters that are written at once, at most; each may hold a whole body."""
WAIT_S = 1.0
_KNOWN: LiteralString = (
    "select kafka_partition, first_offset, next_offset from stream_offsets where stream = %s and topic = %s"
)


def worker(settings: Settings, stopping: Event, loop: Loop | None = None) -> Worker:
    """The worker that copies dead letters."""
    copier = _LetterWriter(settings, Writer(settings, stopping, loop))
    return Worker(dead_letters.STREAM, copier.wait, copier.write)


class _LetterWriter:
    """Copies letters, without those of forgotten viewers. Its offsets are written with them, for rows may be erased."""

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self.settings, self.writer = settings, writer
        self.tail = Tail(settings, DEAD_LETTERS_TOPIC.name)
        self.came: list[Letter] = []
        self.shifts: dict[int, int] = {}

    def wait(self) -> bool:
        """Reads letters for up to a second; whether there are any."""
        try:
            if not self.tail.began:
                self.came = []
                topic = streams.open_topic(self.settings, self.writer, DEAD_LETTERS_TOPIC.name, ())
                self.shifts, reached = topic.shifts, topic.known.next_offsets
                self.tail.begin({p: reached[p] - shift for p, shift in self.shifts.items() if p in reached})
            read = self.tail.letters(LETTERS - len(self.came), WAIT_S)
            self.came += [(p, offset + self.shifts.get(p, 0), body, at) for p, offset, body, at in read]
        except BaseException:
            self.tail.close()  # it begins behind the last letter that is written
            raise
        return bool(self.came)

    def write(self) -> None:
        """Writes the letters that were read; they stay in memory until that succeeds.

        Judges them before the transaction, and again where somebody was forgotten meanwhile.
        """
        rows = dead_letters.rows(self.came)
        is_written = False
        while not is_written:
            forgotten = self.writer.do(partial(letters.read_forgotten, self.settings))
            kept, dropped = dead_letters.split_forgotten(rows, forgotten)
            is_written = self.writer.do(partial(self._write_judged, forgotten, kept, dropped))
        self.came = []

    def _write_judged(
        self, forgotten: ForgottenViewers, kept: pa.Table, dropped: Sequence[letters.LetterId], connection: Connection
    ) -> bool:
        """Writes the judged letters; False, and no change, where others are forgotten now."""
        with connection.transaction():
            letters.lock(connection)
            if letters.read_names(connection) != forgotten.names:
                return False
            for write in self._writes(connection, kept, dropped):
                postgres.upsert(connection, write)
        return True

    def _writes(self, connection: Connection, kept: pa.Table, dropped: Sequence[letters.LetterId]) -> list[Write]:
        """The letters, those of forgotten viewers that are left out, and how far the stream is."""
        known = connection.execute(_KNOWN, (dead_letters.STREAM, DEAD_LETTERS_TOPIC.name)).fetchall()
        offsets = dead_letters.offset_rows(
            [(partition, offset) for partition, offset, *_ in self.came], {p: (first, end) for p, first, end in known}
        )
        return [
            Write(DEAD_LETTERS, kept),
            letters.erased(dropped, datetime.now(UTC)),
            Write(STREAM_OFFSETS, offsets),
            progress(dead_letters.STREAM, None),
        ]
