"""A Postgres connection that gives up when nothing is received for too long, whatever the network reports.

A slow server cancels a statement itself (`statement_timeout`). On a half-open network keepalives notice a dead
machine, but not what a proxy in between swallows. So each wait has its own timeout.
"""

import logging
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen

log = logging.getLogger(__name__)
Result = TypeVar("Result")
POLL_S = 0.1


class NoAnswer(psycopg.OperationalError):
    """Nothing was received in time: the connection is closed, and the statement's outcome is unknown."""


class GuardedConnection(psycopg.Connection[Any]):
    """Waits for the server for at most `patience_s`; then closes itself and raises `NoAnswer`."""

    patience_s: float = 30.0

    def wait(self, gen: PQGen[Result], interval: float = POLL_S, timeout: float | None = None) -> Result:
        """Waits for an exchange; every statement, COPY and commit goes through here."""
        since = datetime.now(UTC)
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except errors._WaitTimeout:  # noqa: SLF001  the only name that it has
            if timeout is not None:
                raise
            where = f"{self.info.host}:{self.info.port}"
            self.close()
            log.warning("Postgres at %s has not answered since %s: connection given up", where, f"{since:%H:%M:%S} UTC")
            raise NoAnswer(f"Postgres at {where} has not answered for {self.patience_s:g} s") from None
