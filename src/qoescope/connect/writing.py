"""Writes batches of streams to Postgres, waiting while it is away, until told to stop."""

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
from qoescope.connect.guarded import NoAnswer
from qoescope.connect.health import Loop
from qoescope.connect.postgres import Connection, Write
from qoescope.host.backoff import Backoff
from qoescope.settings import Settings

log = logging.getLogger("qoescope.writing")
Result = TypeVar("Result")


class Stopped(Exception):
    """Told to stop while waiting; the batch is not written and will be repeated."""


class Writer:
    """A connection as the writer role, reopened when it breaks. For one thread at a time."""

    def __init__(self, settings: Settings, stopping: Event, loop: Loop | None = None) -> None:
        """`loop` gets each failure, since those that are waited out are not raised."""
        self._settings, self._stopping, self._loop = settings, stopping, loop
        self._connection: Connection | None = None
        self._within_s = settings.postgres_stream_s

    def ask(self, sql: LiteralString, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement; waits while Postgres is away."""
        return self.do(lambda connection: connection.execute(sql, parameters).fetchall())

    def complete_until(self, stream: str) -> datetime | None:
        """Everything received before has passed the stream; None when nothing has."""
        result = self.ask("select complete_until from stream_progress where stream = %s", (stream,))
        return result[0][0] if result else None

    def write(self, query: str, batch: int, writes: Sequence[Write]) -> bool:
        """`postgres.write_batch`, waiting while Postgres is away."""
        return self.do(lambda connection: postgres.write_batch(connection, query, batch, writes))

    def do(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`; retries after 1 s, doubling to 30 s, while Postgres is away. Raises `Stopped`.

        A statement that timed out gets twice the time when it is retried, up to a batch job's limit.
        """
        backoff, since = Backoff(), datetime.now(UTC)
        while True:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = postgres.connect(self._settings, "writer", self._within_s)
                result = work(self._connection)
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                cause = explain(error) if self._loop is None else self._loop.failed(error)
                wait_s = backoff.next_s()
                log.warning("Postgres is away since %s, again in %.0f s: %s", f"{since:%H:%M:%S} UTC", wait_s, cause)
                if isinstance(error, NoAnswer | errors.QueryCanceled):
                    self._within_s = min(2 * self._within_s, self._settings.postgres_batch_s)
                self.close()
                if self._stopping.wait(wait_s):
                    raise Stopped from error
            else:
                self._within_s = self._settings.postgres_stream_s
                return result

    def close(self) -> None:
        """Closes the connection, whatever its state."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def yield_to_live(writer: Writer, stopping: Event, most_s: float) -> None:
    """Waits while live data is written late, for at most `most_s`: live data takes priority.

    Raises `Stopped` when told to stop meanwhile.
    """
    deadline = monotonic() + most_s
    while monotonic() < deadline and writer.ask(_LATE_LIVE):
        if stopping.wait(0.5):
            raise Stopped


_LATE_LIVE: LiteralString = """
select stream from stream_progress
where stream = 'live' and updated_at - complete_until > interval '2 seconds'
  and updated_at > now() - interval '30 seconds'
  and exists (select from freshness where committed_at > now() - interval '10 seconds' and events > 1000)
"""
"""Small batches are late for other reasons, which waiting does not cure: a slow machine, a start."""


def progress(
    stream: str, complete_until: datetime | None, version: int | None = None, open_since: datetime | None = None
) -> Write:
    """A stream's progress, to be written with its batch."""
    row = {
        "stream": stream,
        "complete_until": complete_until,
        "version": version,
        "updated_at": datetime.now(UTC),
        "open_since": open_since,
    }
    return Write(STREAM_PROGRESS, pa.Table.from_pylist([row], arrow.schema(STREAM_PROGRESS)))


def crash(settings: Settings, point: str) -> None:
    """Kills the process here, once, when the settings name this point. For tests."""
    if point not in settings.crash_at.split(","):
        return
    mark = settings.var / f"crashed-{point}"
    if not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
