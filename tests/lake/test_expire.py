"""Retention of the lake: old days go, what came lately stays whatever day it names, and the books go on agreeing."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from qoescope.catalog.operations import LATE, OUTCOMES, QUARANTINE
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.connect.lake.deletion import expire_days
from qoescope.connect.lake.reading import read_table
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.mart import books
from qoescope.settings import Settings

TODAY = date(2026, 6, 30)
YEAR_AGO, OLD, KEPT = (TODAY - timedelta(days=days) for days in (365, 91, 90))
"""Days of the lake; of what is kept for 90 days, `KEPT` is the first."""
Arrived = tuple[date, date, str]
"""The day of a session by its own clock, the day on which its event was received, and its id."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    here = Settings(var=tmp_path)
    ensure_tables(here, [EVENTS, LATE, QUARANTINE])
    return here


def instant(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)


def arrived(settings: Settings, table: Table, *events: Arrived) -> None:
    """One event a session in the table, a commit each, as they come."""
    for number, (session_day, received, session) in enumerate(events):
        values = {"property": "app", "session_id": session, "seq": 1, "at": instant(session_day), "type": "heartbeat",
                  "state": "playing", "state_ms": 1, "session_day": session_day, "received_at": instant(received),
                  "session_started_at": instant(session_day), "bucket": number % 2,
                  "reason_kept": "conflict"}  # fmt: skip
        rows = arrow.conform(pa.Table.from_pylist([values], _named(table, values)), table)
        append_files(open_table(settings, table), table, write_files(settings, table, rows), {})


def _named(table: Table, values: dict[str, object]) -> pa.Schema:
    return pa.schema([f for f in arrow.schema(table) if f.name in values])


def there(settings: Settings, table: Table = EVENTS) -> list[str]:
    return sorted(read_table(settings, table, columns=["session_id"])["session_id"].to_pylist())


def test_days_past_their_retention_go_and_the_first_that_is_kept_stays(settings: Settings) -> None:
    arrived(settings, EVENTS, (YEAR_AGO, YEAR_AGO, "a"), (OLD, OLD, "b"), (OLD, OLD, "c"), (KEPT, KEPT, "d"),
            (TODAY, TODAY, "e"))  # fmt: skip
    assert expire_days(settings, EVENTS, KEPT) == 3
    assert there(settings) == ["d", "e"]
    assert expire_days(settings, EVENTS, KEPT) == 0
    assert there(settings) == ["d", "e"]


def test_a_day_of_which_something_came_lately_stays_whole_until_that_is_old_too(settings: Settings) -> None:
    """A clock that is a year behind names such a day today; sessions of that day's own are kept with it."""
    arrived(settings, EVENTS, (YEAR_AGO, YEAR_AGO, "then"), (YEAR_AGO, TODAY, "behind"), (OLD, OLD, "old"),
            (OLD - timedelta(days=1), KEPT, "just"))  # fmt: skip
    assert expire_days(settings, EVENTS, KEPT) == 1
    assert there(settings) == ["behind", "just", "then"]
    assert expire_days(settings, EVENTS, TODAY) == 1
    assert there(settings) == ["behind", "then"]
    assert expire_days(settings, EVENTS, TODAY + timedelta(days=1)) == 2
    assert there(settings) == []


def test_the_books_go_on_agreeing(settings: Settings) -> None:
    """What went is past its retention in the books, too; what came since then is compared, event by event."""
    kept = {
        EVENTS: [(OLD, OLD, "a"), (KEPT, KEPT, "b"), (TODAY, TODAY, "c"), (YEAR_AGO, TODAY, "a year behind")],
        LATE: [(YEAR_AGO, YEAR_AGO, "late then"), (YEAR_AGO, TODAY, "late now")],
        QUARANTINE: [(OLD, OLD, "aside")],
    }
    names = {EVENTS: "lake", LATE: "late", QUARANTINE: "quarantined"}
    minutes: dict[datetime, Counter[str]] = {}
    for table, events in kept.items():
        arrived(settings, table, *events)
        for _, received, _ in events:
            minute = instant(received).replace(second=0, microsecond=0)
            minutes.setdefault(minute, Counter()).update({names[table]: 1, "accepted": 1})
    told = [{"property": "app", "minute_at": minute, **counts} for minute, counts in minutes.items()]
    outcomes = pa.concat_tables([arrow.conform(pa.Table.from_pylist([row]), OUTCOMES) for row in told])

    def stored() -> pa.Table:
        rows = [
            {"property": property_id, "kept": name, "n": 1,
             "minute_at": received.replace(second=0, microsecond=0)}
            for table, name in names.items()
            for property_id, received in zip(
                *read_table(settings, table, columns=["property", "received_at"]).to_pydict().values(), strict=True
            )
        ]  # fmt: skip
        return pa.Table.from_pylist(rows)

    since = datetime(KEPT.year, KEPT.month, KEPT.day, tzinfo=UTC)
    assert books.compare_lake(outcomes, stored()) == books.compare_lake(outcomes, stored(), since) == []
    assert [expire_days(settings, table, KEPT) for table in names] == [1, 0, 1]
    assert there(settings, LATE) == ["late now", "late then"]
    assert books.compare_lake(outcomes, stored(), since) == []
    assert len(books.compare_lake(outcomes, stored())) == 2
    arrived(settings, EVENTS, (OLD, KEPT, "not in the books"))
    assert [d.found for d in books.compare_lake(outcomes, stored(), since)] == [2]
