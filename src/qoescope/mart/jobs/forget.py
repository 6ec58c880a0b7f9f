"""Erasure of one viewer from the lake and the marts."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.marts import MARTS
from qoescope.catalog.operations import (
    ERASURES,
    LATE,
    OUTCOMES,
    QUARANTINE,
    SESSION_ROWS,
    SESSION_VERSIONS,
)
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, pseudonyms, versions
from qoescope.compile.adding import negated
from qoescope.compile.live import LIVE_TABLES, live
from qoescope.connect import days, lake, postgres
from qoescope.connect.postgres import Connection, Write
from qoescope.mart import ledger as accounts
from qoescope.mart.jobs import lake_days
from qoescope.settings import Settings


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure took, and the day by which no byte is left."""

    property: str
    viewers: tuple[str, ...]
    """The pseudonyms."""
    events: int
    sessions: int
    marts: int
    gone_by: date

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.property}: {self.events} events, {self.sessions} sessions and {self.marts} rows of Postgres "
            f"erased; "
            f"no byte is left by {self.gone_by}"
        )


def forget_viewer(settings: Settings, tenant: str, viewer: str) -> Receipt:
    """Erases a viewer, by the id that players send, from lake and Postgres, and answers the receipt.

    Tombstones make the door filter what still comes. Deleted files are gone after a week, the log after its retention.
    Again, it finds nothing and erases nothing.
    """
    lake.ensure(settings)
    names = tuple(pseudonyms.of(settings.var / "secrets", tenant, viewer))
    asked_at = datetime.now(UTC)
    total = {"events": 0, "sessions": 0, "marts": 0}
    gone_by = asked_at.date() + timedelta(days=38)
    with postgres.connect(settings, "writer") as connection:
        for name in names:
            connection.execute(
                "insert into forgotten (property, viewer_id, forgotten_at) values (%s, %s, %s) on conflict do nothing",
                (tenant, name, asked_at),
            )
            found = _forgotten(settings, connection, tenant, name)
            receipt = {"property": tenant, "viewer_id": name, "asked_at": asked_at, "gone_by": gone_by, **found}
            with connection.transaction():
                postgres.upsert(connection, Write(ERASURES, pa.Table.from_pylist([receipt])))
            total = {key: total[key] + found[key] for key in total}
    return Receipt(tenant, names, total["events"], total["sessions"], total["marts"], gone_by)


def _forgotten(settings: Settings, connection: Connection, tenant: str, name: str) -> dict[str, int]:
    erased = {t.name: lake.erase(settings, t, tenant, name) for t in (EVENTS, LATE, QUARANTINE, SESSION_VERSIONS)}
    events, sessions = erased[EVENTS.name], versions.latest(erased[SESSION_VERSIONS.name])
    taken = [Write(LIVE_TABLES[n], negated(t, LIVE_TABLES[n])) for n, t in live(events).items() if len(events)]
    with connection.transaction():
        for write in (Write(OUTCOMES, accounts.erased(erased)), *taken):
            postgres.upsert(connection, write)
        personal = (SESSION_ROWS, *(mart.table for mart in MARTS if mart.personal))
        gone = sum(days.erase(connection, table, tenant, name) for table in personal)
    started = pc.unique(sessions["day"]).to_pylist()
    if started:
        since = datetime.now(UTC)
        days.replace(
            connection,
            started,
            arrow.conform(lake_days.rows_of(settings, started), SESSION_ROWS),
            since,
            lake_days.cubed,
        )
    return {"events": len(events), "sessions": len(sessions), "marts": gone}
