"""Marks at a start: from what was booked, or, after an upgrade, from what the last day heard."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from qoescope.catalog.operations import REPORTS, SESSION_VERSIONS
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.connect.lake.reading import list_files
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.lake import open_sessions
from qoescope.lake.jobs import marks
from qoescope.lake.jobs.sessions import measure_sessions
from qoescope.settings import Settings

AT = datetime(2026, 1, 2, 8, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    here = Settings(var=tmp_path)
    ensure_tables(here, [EVENTS, SESSION_VERSIONS, REPORTS])
    return here


def heard(settings: Settings, name: str, seq: int, at: datetime, table: Table = EVENTS) -> pa.Table:
    """A session's event, or report, in the lake."""
    row = {f.name: f.default for f in table.fields} | {
        "property": "app", "session_id": name, "seq": seq, "at": at, "received_at": at, "type": "heartbeat",
        "state": "playing", "state_ms": 1000, "session_started_at": AT, "session_day": AT.date(), "bucket": 1,
        "mode": "event", "record": "v=2", "kafka_partition": 0, "kafka_offset": seq, "position": 0,
    }  # fmt: skip
    rows = arrow.conform(
        pa.Table.from_pylist([{f.name: row[f.name] for f in table.fields}], arrow.schema(table)), table
    )
    append_files(open_table(settings, table), table, write_files(settings, table, rows), {})
    return rows


def measure(settings: Settings, rows: pa.Table) -> None:
    """Rows of the sessions of these events."""
    delta, events = (open_table(settings, table) for table in (SESSION_VERSIONS, EVENTS))
    files = list(measure_sessions(settings, [], list_files(events), open_sessions.marks(rows)))
    append_files(delta, SESSION_VERSIONS, files, {})


def names(found: list[pa.Table]) -> dict[str, tuple[datetime, datetime]]:
    return {row["session_id"]: (row["first_received_at"], row["last_received_at"])
            for part in found for row in part.to_pylist()}  # fmt: skip


def test_after_an_upgrade_sessions_without_a_whole_row_are_found_and_no_others(settings: Settings) -> None:
    measure(settings, pa.concat_tables([heard(settings, "whole", 1, AT), heard(settings, "lacks one", 1, AT)]))
    later = AT + timedelta(minutes=3)
    heard(settings, "lacks one", 2, later)
    heard(settings, "has none", 1, later)
    found = names(marks.find_marks(settings, marks.SESSIONS, later, None, None))
    assert found == {"lacks one": (AT, later), "has none": (later, later)}


def test_what_was_open_is_found_with_all_that_it_said_since_it_opened(settings: Settings) -> None:
    minute = timedelta(minutes=1)
    for name, spoken in (("closed", (0, 1)), ("open", (2, 9)), ("late", (8,))):
        for seq, at in enumerate(spoken, 1):
            heard(settings, name, seq, AT + at * minute)
    found = marks.find_marks(settings, marks.SESSIONS, AT + 10 * minute, AT + 8 * minute, AT + 2 * minute)
    assert names(found) == {"open": (AT + 2 * minute, AT + 9 * minute), "late": (AT + 8 * minute, AT + 8 * minute)}


def test_reports_that_were_told_before_an_upgrade_are_not_told_again(settings: Settings) -> None:
    heard(settings, "told", 1, AT, REPORTS)
    heard(settings, "not told", 2, AT + timedelta(minutes=5), REPORTS)
    until = AT + timedelta(minutes=4)
    assert list(names(marks.find_marks(settings, marks.REPORTED, AT + timedelta(minutes=6), until, None))) == [
        "not told"
    ]


def test_an_empty_lake_has_nothing_open(settings: Settings) -> None:
    assert marks.find_marks(settings, marks.SESSIONS, None, None, None) == []
