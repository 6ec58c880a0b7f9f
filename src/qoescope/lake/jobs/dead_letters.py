"""Dead letters from the log into Postgres, each once: partition and offset are their key."""

from threading import Event
from typing import LiteralString

from qoescope.catalog.operations import DEAD_LETTERS
from qoescope.catalog.topics import DEAD_LETTERS_TOPIC
from qoescope.connect import postgres, streams
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
_REACHED: LiteralString = "select kafka_partition, max(kafka_offset) + 1 from dead_letters group by kafka_partition"


def worker(settings: Settings, stopping: Event, loop: Loop | None = None) -> Worker:
    """The worker that copies dead letters."""
    letters = _LetterWriter(settings, Writer(settings, stopping, loop))
    return Worker("dead_letters", letters.wait, letters.write)


class _LetterWriter:
    """Copies letters. Its progress is the table itself: the next letter is the one behind the last row."""

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
                self.shifts = streams.open_topic(self.settings, self.writer, DEAD_LETTERS_TOPIC.name, ()).shifts
                reached = dict(self.writer.ask(_REACHED))
                self.tail.begin({p: reached[p] - shift for p, shift in self.shifts.items() if p in reached})
            letters = self.tail.letters(LETTERS - len(self.came), WAIT_S)
            self.came += [(p, offset + self.shifts.get(p, 0), body, at) for p, offset, body, at in letters]
        except BaseException:
            self.tail.close()  # it begins behind the last letter that is written
            raise
        return bool(self.came)

    def write(self) -> None:
        """Writes the letters that were read; they stay in memory until that succeeds."""
        writes = [Write(DEAD_LETTERS, dead_letters.rows(self.came)), progress("dead_letters", None)]

        def written(connection: Connection) -> None:
            with connection.transaction():
                for write in writes:
                    postgres.upsert(connection, write)

        self.writer.do(written)
        self.came = []
