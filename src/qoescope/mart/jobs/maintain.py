"""Maintenance: joins small files, and deletes what is past its retention."""

from dataclasses import dataclass
from datetime import date, timedelta

from qoescope.catalog.cmcd import OBSERVED, REQUESTS
from qoescope.catalog.marts import LIVE_LEAF, MARTS, Mart
from qoescope.catalog.operations import (
    LATE,
    QUARANTINE,
    REPORTS,
    SESSION_ROWS,
    SESSION_VERSIONS,
)
from qoescope.catalog.tables import EVENTS
from qoescope.connect import days, postgres
from qoescope.connect.lake.compaction import compact_table, vacuum_table
from qoescope.connect.lake.deletion import expire_days
from qoescope.connect.locks import Lease
from qoescope.mart.jobs.forget import repeat_erasures
from qoescope.settings import Settings


@dataclass(frozen=True, slots=True)
class MaintenanceResult:
    """The result of maintenance: small files joined, files deleted, rows expired."""

    joined: int
    deleted: int
    expired: int

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.joined} small files joined, {self.deleted} files deleted, {self.expired} rows past their retention"
        )


def maintain(settings: Settings, today: date) -> MaintenanceResult:
    """Joins small files of the lake, and deletes what is past its retention from lake and marts.

    Raises `Owned` when another process is maintaining them.
    """
    with Lease(settings, "the upkeep of lake and marts"):
        return _maintain(settings, today)


def _maintain(settings: Settings, today: date) -> MaintenanceResult:
    expired = joined = deleted = 0
    for table in (EVENTS, LATE, REPORTS, QUARANTINE, SESSION_VERSIONS):
        kept_days = settings.sessions_days if table is SESSION_VERSIONS else settings.events_days
        expired += expire_days(settings, table, today - timedelta(days=kept_days))
        joined += compact_table(settings, table, 1)
        deleted += len(vacuum_table(settings, table))
    with postgres.connect(settings, "writer") as connection:
        kept = {SESSION_ROWS.name: settings.sessions_days, LIVE_LEAF.name: settings.live_days}
        for name, kept_days in (kept | {mart.name: _kept_days(settings, mart) for mart in MARTS}).items():
            expired += days.expire(connection, name, today - timedelta(days=kept_days))
        for name in ("outcomes", "unknown_fields"):
            expired += days.expire_rows(connection, name, "minute_at", today - timedelta(days=settings.marts_days))
        expired += days.expire_rows(connection, "dead_letters", "received_at", today - timedelta(days=30))
        expired += days.expire_rows(connection, "erased_letters", "erased_at", today - timedelta(days=30))
        expired += days.expire_rows(connection, "freshness", "committed_at", today - timedelta(days=7))
        expired += days.expire_rows(connection, "epochs", "committed_at", today - timedelta(days=30))
        for name in (OBSERVED.name, REQUESTS.name):
            expired += days.expire_rows(connection, name, "last_at", today - timedelta(days=settings.sessions_days))
    expired += repeat_erasures(settings, today)  # last, for it raises where one of them failed
    return MaintenanceResult(joined, deleted, expired)


def _kept_days(settings: Settings, mart: Mart) -> int:
    if mart.personal:
        return settings.sessions_days
    return settings.live_days if mart.source == "events" else settings.marts_days
