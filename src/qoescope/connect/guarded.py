"""Guarded: a connection to Postgres that is given up when nothing comes back, whatever the network says.

A server that is slow ends a statement itself (`statement_timeout`). A network that is half open says nothing at all:
the machines' keepalives notice that, but not what a proxy between them swallows. So each wait has an end of its own.
"""

import logging
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen

log = logging.getLogger(__name__)
Found = TypeVar("Found")
LOOK_S = 0.1


class Silent(psycopg.OperationalError):
    """Nothing came back within the time: the connection is closed, and what became of its statement is not known."""


class Guarded(psycopg.Connection[Any]):
    """Waits for an answer, or for room to send, for at most `patience_s`; then closes itself and raises `Silent`."""

    patience_s: float = 30.0

    def wait(self, gen: PQGen[Found], interval: float = LOOK_S, timeout: float | None = None) -> Found:
        """What the exchange gives; every statement, COPY and commit goes through here."""
        since = datetime.now(UTC)
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except errors._WaitTimeout:  # noqa: SLF001  the only name that it has
            if timeout is not None:
                raise
            where = f"{self.info.host}:{self.info.port}"
            self.close()
            log.warning("Postgres at %s has not answered since %s: connection given up", where, f"{since:%H:%M:%S} UTC")
            raise Silent(f"Postgres at {where} has not answered for {self.patience_s:g} s") from None
