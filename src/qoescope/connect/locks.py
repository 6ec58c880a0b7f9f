"""Locks: one owner of a state. A second process stops at once and names the owner; a killed owner releases its lock.

A file lock where the state is in a folder, a lease in Postgres where processes share no disk.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString, Self

import psutil
import psycopg

from qoescope.catalog.errors import Mistake
from qoescope.connect import postgres
from qoescope.connect.postgres import Connection
from qoescope.settings import Settings

TAKE: LiteralString = "select pg_try_advisory_lock(hashtextextended(%s, 0))"
OWNER: LiteralString = """
select a.application_name from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
  and ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended(%s, 0)
"""
AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
NOTICE_DEATH: LiteralString = (
    "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3"
)
"""Makes Postgres release the lease of a machine that lost its power."""
LONGEST = 300
UNKNOWN = "a process that has not told its name"


class Owned(Mistake):
    """Another process owns it."""

    def __init__(self, what: str, owner: str) -> None:
        super().__init__(f"{what} is owned by {owner or UNKNOWN}: stop that one first, or leave it to it")
        self.owner = owner


def describe_process() -> str:
    """This process as shown to others; the first 63 bytes have to identify it."""
    started = datetime.fromtimestamp(psutil.Process().create_time(), UTC)
    return f"process {os.getpid()} since {started:%Y-%m-%d %H:%M:%S} UTC on {socket.gethostname()}"


@contextmanager
def own(path: Path, what: str) -> Iterator[None]:
    """Owns the lock file while the block runs; raises `Owned` at once when another process does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as file:  # what is buffered would fail at the end, where the disk is full
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Owned(what, file.read(LONGEST).decode(errors="replace").strip("\0 \n")) from None
        with suppress(OSError):  # a full disk: it is owned all the same
            file.truncate(0)
            file.write(describe_process().encode())
        yield
        with suppress(OSError):
            file.truncate(0)


class Lease:
    """Ownership by a session of Postgres: it ends with the session, so with the process."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings, self._name = settings, name
        self._connection: Connection | None = None

    def hold(self) -> None:
        """Takes the lease, or makes sure that it is still held.

        Raises `Owned` when another session has it, and psycopg's own errors while Postgres is away.
        """
        if self._connection is not None:
            with suppress(*AWAY):
                self._connection.execute("select 1")
                return
            self.close()
        connection = postgres.connect(self._settings, "writer", self._settings.postgres_stream_s)
        try:
            self._take(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _take(self, connection: Connection) -> None:
        connection.execute(NOTICE_DEATH)
        connection.execute("select set_config('application_name', %s, false)", (describe_process(),))
        (taken,) = connection.execute(TAKE, (self._name,)).fetchone() or (False,)
        if not taken:
            row = connection.execute(OWNER, (self._name,)).fetchone()
            raise Owned(self._name, row[0] if row else "")

    def close(self) -> None:
        """Releases the lease."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def __enter__(self) -> Self:
        """Takes the lease."""
        self.hold()
        return self

    def __exit__(self, *_: object) -> None:
        """Releases the lease."""
        self.close()
