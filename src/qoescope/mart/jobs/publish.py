"""Publication: a day of the lake is checked, and becomes what Postgres holds."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.operations import (
    SESSION_ROWS,
    SESSION_VERSIONS,
)
from qoescope.catalog.quality import CHECKS, USUAL_DAYS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, versions
from qoescope.connect import days, postgres
from qoescope.connect.lake.reading import list_files, read_rows, read_table
from qoescope.connect.lake.tables import open_table
from qoescope.connect.locks import Lease
from qoescope.connect.postgres import Connection, Write
from qoescope.connect.writing import crash
from qoescope.mart import gate
from qoescope.mart.jobs import lake_days
from qoescope.settings import Settings


@dataclass(frozen=True, slots=True)
class Folded:
    """A day's sessions in the lake after a fold."""

    day: date
    sessions: int
    changed: int
    events: int
    checksum: str
    days: tuple[date, ...]
    """Days in which its sessions started, by the events' clock: this day, and rarely its neighbours."""


@dataclass(frozen=True, slots=True)
class Restated:
    """What a restatement found and did."""

    day: date
    sessions: int
    changed: int
    events: int
    checksum: str
    marts_changed: bool

    def __str__(self) -> str:
        """A line for people."""
        if not self.changed and not self.marts_changed:
            return f"{self.day}: {self.sessions} sessions of {self.events} events, nothing changed"
        return f"{self.day}: {self.sessions} sessions of {self.events} events, {self.changed} changed"


def check_day(settings: Settings, day: date, accepted: Collection[str] = ()) -> None:
    """Holds the day's sessions in the lake to the catalog's rules and notes the outcome, by which they are published.

    Rules that a person has `accepted` by name are let pass, and noted so.
    """
    rows = lake_days.rows_of(settings, [day])
    there = _events_there(settings, rows)  # read after the sessions: what they were made of is among them
    with postgres.connect(settings, "writer") as connection:
        past = days.table(
            connection, f"select {', '.join(CHECKS.names)} from checks where day < %s and day >= %s", CHECKS,
            (day, day - timedelta(days=USUAL_DAYS)),
        )  # fmt: skip
        seen = connection.execute(
            "select property, count(*) from sessions where day = %s group by 1", (day,)
        ).fetchall()
        checks = gate.checked(rows, day, there, gate.usuals(past), dict(seen), accepted)
        with connection.transaction():
            connection.execute("delete from checks where day = %s", (day,))
            postgres.upsert(connection, Write(CHECKS, checks))


def _complaint(connection: Connection, day: date) -> str | None:
    """What the day's last check found broken."""
    question = f"select {', '.join(CHECKS.names)} from checks where day = %s and not passed order by property, rule"
    return gate.complaint(days.table(connection, question, CHECKS, (day,)))


def _events_there(settings: Settings, rows: pa.Table) -> pa.Table:
    """What `gate.stored` says of the parts of the lake in which the sessions' events lie, a bucket at a time."""
    events = open_table(settings, EVENTS)
    parts = rows.group_by(["session_day", "bucket"]).aggregate([]).to_pylist()
    found = [
        gate.stored(read_rows(settings, EVENTS, list_files(events, [p["session_day"]], [p["bucket"]]), gate.IDENTITY))
        for p in parts
    ]
    return pa.concat_tables(found) if found else gate.STORED.empty_table()


def publish_day(settings: Settings, folded: Folded) -> Restated:
    """Postgres' sessions and marts of the day become what the lake holds, in one transaction.

    Raises `gate.BrokenDay` when the day broke a rule, once the properties that kept them all are published.
    """
    with Lease(settings, f"the restatement of {folded.day}"):
        return _publish(settings, folded)


def _publish(settings: Settings, folded: Folded) -> Restated:
    with postgres.connect(settings, "writer") as connection:
        changed = days.replace(
            connection,
            folded.days,
            lambda: arrow.conform(lake_days.rows_of(settings, folded.days), SESSION_ROWS),
            lake_days.cubed,
        )
        crash(settings, "mart.after_publish")
        broken = _complaint(connection, folded.day)
        if changed or (folded.changed and not broken):
            connection.execute(
                "insert into restatements (day, version, sessions, changed, events, checksum, finished_at) "
                "select %s, coalesce(max(version), 0) + 1, %s, %s, %s, %s, now() from restatements where day = %s",
                (folded.day, folded.sessions, folded.changed, folded.events, folded.checksum, folded.day),
            )
    if broken:
        raise gate.BrokenDay(broken)
    return Restated(folded.day, folded.sessions, folded.changed, folded.events, folded.checksum, changed)


def publish(settings: Settings, day: date) -> Restated:
    """`publish_day` of what the lake holds of the day, without folding it again."""
    rows = versions.latest(read_table(settings, SESSION_VERSIONS, [day]))
    events = sum(f.rows for f in list_files(open_table(settings, EVENTS), [day]))
    started = tuple(sorted({day, *pc.unique(rows["day"]).to_pylist()}))
    return publish_day(settings, Folded(day, len(rows), 0, events, versions.checksum(rows), started))
