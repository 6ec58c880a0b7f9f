"""Publication: checks a day of the lake and writes it to Postgres."""

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
class FoldedDay:
    """A day's sessions in the lake after a fold."""

    day: date
    sessions: int
    changed: int
    events: int
    checksum: str
    days: tuple[date, ...]
    """Days on which its sessions started, by the events' clock: this day, and rarely its neighbours."""


@dataclass(frozen=True, slots=True)
class RestatedDay:
    """The result of a restatement."""

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
    """Checks the day's sessions in the lake against the catalog's rules and stores the outcome.

    Rules in `accepted` may be broken; the outcome says so.
    """
    rows = lake_days.read_sessions_of(settings, [day])
    stored = _count_stored_events(settings, rows)  # read after the sessions: what they were made of is among them
    with postgres.connect(settings, "writer") as connection:
        past = days.query_table(
            connection,
            f"select {', '.join(CHECKS.names)} from checks where day < %s and day >= %s",
            CHECKS,
            (day, day - timedelta(days=USUAL_DAYS)),
        )
        published = connection.execute(
            "select property, count(*) from sessions where day = %s group by 1", (day,)
        ).fetchall()
        checks = gate.check_sessions(rows, day, stored, gate.usual_values(past), dict(published), accepted)
        with connection.transaction():
            connection.execute("delete from checks where day = %s", (day,))
            postgres.upsert(connection, Write(CHECKS, checks))


def _describe_failures(connection: Connection, day: date) -> str | None:
    """The rules that the day's last check found broken; None when it passed."""
    question = f"select {', '.join(CHECKS.names)} from checks where day = %s and not passed order by property, rule"
    return gate.describe_failures(days.query_table(connection, question, CHECKS, (day,)))


def _count_stored_events(settings: Settings, rows: pa.Table) -> pa.Table:
    """`gate.count_stored_events` of the parts of the lake that hold the sessions' events."""
    events = open_table(settings, EVENTS)
    parts = rows.group_by(["session_day", "bucket"]).aggregate([]).to_pylist()
    counts = [
        gate.count_stored_events(
            read_rows(settings, EVENTS, list_files(events, [p["session_day"]], [p["bucket"]]), gate.IDENTITY)
        )
        for p in parts
    ]
    return pa.concat_tables(counts) if counts else gate.STORED.empty_table()


def publish_day(settings: Settings, folded: FoldedDay) -> RestatedDay:
    """Replaces the day's sessions and marts in Postgres by what the lake holds, in one transaction.

    Raises `gate.BrokenDay` when the day broke a rule, after the properties that kept all rules are published.
    """
    with Lease(settings, f"the restatement of {folded.day}"):
        return _publish(settings, folded)


def _publish(settings: Settings, folded: FoldedDay) -> RestatedDay:
    with postgres.connect(settings, "writer") as connection:
        changed = days.replace(
            connection,
            folded.days,
            lambda: arrow.conform(lake_days.read_sessions_of(settings, folded.days), SESSION_ROWS),
            lake_days.mart_writes,
        )
        crash(settings, "mart.after_publish")
        broken = _describe_failures(connection, folded.day)
        if changed or (folded.changed and not broken):
            connection.execute(
                "insert into restatements (day, version, sessions, changed, events, checksum, finished_at) "
                "select %s, coalesce(max(version), 0) + 1, %s, %s, %s, %s, now() from restatements where day = %s",
                (folded.day, folded.sessions, folded.changed, folded.events, folded.checksum, folded.day),
            )
    if broken:
        raise gate.BrokenDay(broken)
    return RestatedDay(folded.day, folded.sessions, folded.changed, folded.events, folded.checksum, changed)


def publish(settings: Settings, day: date) -> RestatedDay:
    """`publish_day` of what the lake holds, without folding it again."""
    rows = versions.latest(read_table(settings, SESSION_VERSIONS, [day]))
    events = sum(f.rows for f in list_files(open_table(settings, EVENTS), [day]))
    started = tuple(sorted({day, *pc.unique(rows["day"]).to_pylist()}))
    return publish_day(settings, FoldedDay(day, len(rows), 0, events, versions.checksum(rows), started))
