"""Writing: batches of streams that wait for Postgres instead of failing, until they are told to stop."""

import logging
import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import Any, LiteralString, TypeVar

import psycopg
import pyarrow as pa
from psycopg import errors
from psycopg_pool import PoolTimeout

from qoescope.catalog.operations import STREAM_PROGRESS
from qoescope.compile import arrow
from qoescope.connect import postgres
from qoescope.connect.causes import explain
from qoescope.connect.guarded import Silent
from qoescope.connect.health import Loop
from qoescope.connect.postgres import Connection, Write
from qoescope.host.backoff import Backoff
from qoescope.settings import Settings

log = logging.getLogger("qoescope.writing")
Answer = TypeVar("Answer")


class Stopped(Exception):
    """Told to stop while waiting; the batch is not written and will come again."""


class Writer:
    """A connection as the writer, made again when it breaks. One thread at a time."""

    def __init__(self, settings: Settings, stopping: Event, loop: Loop | None = None) -> None:
        """`loop` is told of each failure: of those that are waited out nobody else hears."""
        self._settings, self._stopping, self._loop = settings, stopping, loop
        self._connection: Connection | None = None
        self._within_s = settings.postgres_stream_s

    def ask(self, sql: LiteralString, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a statement answers; waits while Postgres is away."""
        return self.do(lambda connection: connection.execute(sql, parameters).fetchall())

    def complete_until(self, stream: str) -> datetime | None:
        """All that was received before then has gone through the stream; None when nothing has."""
        found = self.ask("select complete_until from stream_progress where stream = %s", (stream,))
        return found[0][0] if found else None

    def write(self, query: str, batch: int, writes: Sequence[Write]) -> bool:
        """`postgres.write_batch`, waiting while Postgres is away."""
        return self.do(lambda connection: postgres.write_batch(connection, query, batch, writes))

    def do(self, work: Callable[[Connection], Answer]) -> Answer:
        """What `work` answers; tries again after 1 s, doubling to 30 s, while Postgres is away. Raises `Stopped`.

        What was not done in its time is given twice as long when it is tried again, up to a batch job's: a machine that
        is too busy for it once may be so twice.
        """
        backoff, since = Backoff(), datetime.now(UTC)
        while True:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = postgres.connect(self._settings, "writer", self._within_s)
                found = work(self._connection)
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                cause = explain(error) if self._loop is None else self._loop.failed(error)
                wait_s = backoff.next_s()
                log.warning("Postgres is away since %s, again in %.0f s: %s", f"{since:%H:%M:%S} UTC", wait_s, cause)
                if isinstance(error, Silent | errors.QueryCanceled):
                    self._within_s = min(2 * self._within_s, self._settings.postgres_batch_s)
                self.close()
                if self._stopping.wait(wait_s):
                    raise Stopped from error
            else:
                self._within_s = self._settings.postgres_stream_s
                return found

    def close(self) -> None:
        """Gives the connection back, whatever state it is in."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def give_way(writer: Writer, stopping: Event, most_s: float) -> None:
    """Waits while many events are written too late, for at most `most_s`: what is live comes before what is settled.

    Raises `Stopped` when told to stop meanwhile.
    """
    deadline = monotonic() + most_s
    while monotonic() < deadline and writer.ask(_BEHIND):
        if stopping.wait(0.5):
            raise Stopped


_BEHIND: LiteralString = """
select stream from stream_progress
where stream = 'live' and updated_at - complete_until > interval '2 seconds'
  and updated_at > now() - interval '30 seconds'
  and exists (select from freshness where committed_at > now() - interval '10 seconds' and events > 1000)
"""
"""Small batches are late for other reasons, which waiting does not mend: a machine that is slow, a start."""


def progress(
    stream: str, complete_until: datetime | None, version: int | None = None, open_since: datetime | None = None
) -> Write:
    """How far a stream has come, to be written with its batch."""
    row = {"stream": stream, "complete_until": complete_until, "version": version, "updated_at": datetime.now(UTC),
           "open_since": open_since}  # fmt: skip
    return Write(STREAM_PROGRESS, pa.Table.from_pylist([row], arrow.schema(STREAM_PROGRESS)))


def crash(settings: Settings, point: str) -> None:
    """Ends the process here, once, as `kill -9` would, when the settings name this point. For tests."""
    if point not in settings.crash_at.split(","):
        return
    mark = settings.var / f"crashed-{point}"
    if not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
