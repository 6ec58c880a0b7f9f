"""Sessions as the stream writes them: one row each, of all of their events, wherever these lie."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.compile import arrow, fold, versions
from qoescope.connect.lake.reading import list_files, read_table
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, split_parts, write_files
from qoescope.lake.jobs import sessions as job
from qoescope.lake.open_sessions import MARKS, marks
from qoescope.settings import Settings

BEFORE = datetime(2026, 1, 2, 23, 40, tzinfo=UTC)
AFTER = datetime(2026, 1, 3, 0, 5, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    here = Settings(var=tmp_path)
    ensure_tables(here, [EVENTS, SESSION_VERSIONS])
    return here


def heard(
    settings: Settings, at: datetime, seq: int, kind: str, after: timedelta = timedelta(), session: str = "silent"
) -> pa.Table:
    """An event of a session that does not say when it began, put into the lake, in the day of the event itself."""
    event = {"property": "app", "session_id": session, "seq": seq, "at": at, "type": kind, "state": "playing",
             "state_ms": 0 if kind == "playback_request" else 4_000, "received_at": at + after, "kafka_offset": seq,
             "session_day": at.date(), "bucket": 1}  # fmt: skip
    rows = arrow.conform(pa.Table.from_pylist([event]), EVENTS)
    append_files(open_table(settings, EVENTS), EVENTS, write_files(settings, EVENTS, rows), {})
    return rows


def closed(settings: Settings, since: datetime) -> int:
    """The session, marked since then, fell silent; how many versions were written."""
    silent = {"property": "app", "session_id": "silent", "bucket": 1, "events": 1, "first_received_at": since,
              "last_received_at": since}  # fmt: skip
    sessions, events = (open_table(settings, table) for table in (SESSION_VERSIONS, EVENTS))
    due = pa.Table.from_pylist([silent], MARKS)
    files = list(job.measure_sessions(settings, list_files(sessions), list_files(events), due))
    append_files(sessions, SESSION_VERSIONS, files, {})
    return sum(f.rows for f in files)


def rows(settings: Settings) -> pa.Table:
    """The last version in each day of the lake."""
    held = read_table(settings, SESSION_VERSIONS)
    return pa.concat_tables(versions.latest(part) for part in split_parts(held)).select(SESSIONS.names)


def test_a_session_that_speaks_again_after_midnight_stays_one_and_in_its_day(settings: Settings) -> None:
    spoken = [heard(settings, BEFORE, 1, "playback_request"), heard(settings, BEFORE, 2, "heartbeat")]
    closed(settings, BEFORE)
    for minutes, seq in ((0, 3), (30, 4)):
        again = AFTER + timedelta(minutes=minutes)
        spoken.append(heard(settings, again, seq, "heartbeat"))
        closed(settings, again)
        assert rows(settings).equals(fold.sessions(pa.concat_tables(spoken)))


def test_what_comes_late_for_the_day_before_costs_it_nothing_of_the_day_after(settings: Settings) -> None:
    spoken = [heard(settings, BEFORE, 1, "playback_request")]
    closed(settings, BEFORE)
    spoken.append(heard(settings, AFTER, 3, "heartbeat"))
    closed(settings, AFTER)
    hour = timedelta(hours=1)
    spoken.append(heard(settings, BEFORE, 2, "heartbeat", after=hour))
    closed(settings, BEFORE + hour)
    assert rows(settings).equals(fold.sessions(pa.concat_tables(spoken)))


def test_a_session_that_was_silent_for_a_whole_day_is_another_one(settings: Settings) -> None:
    """As in the batch."""
    heard(settings, BEFORE, 1, "playback_request")
    closed(settings, BEFORE)
    later = AFTER + timedelta(days=1)
    heard(settings, later, 2, "heartbeat")
    closed(settings, later)
    assert sorted(rows(settings)["day"].to_pylist()) == [BEFORE.date(), later.date()]


def test_measured_again_a_session_over_midnight_changes_nothing(settings: Settings) -> None:
    spoken = [heard(settings, BEFORE, 1, "playback_request"), heard(settings, AFTER, 2, "heartbeat")]
    assert closed(settings, BEFORE) == 1
    whole = fold.sessions(pa.concat_tables(spoken))
    assert rows(settings).equals(whole)
    assert [closed(settings, day) for day in (BEFORE, AFTER)] == [0, 0]


def test_sessions_that_are_measured_in_parts_are_the_same(settings: Settings) -> None:
    """Also where what they said before is more than their marks tell."""
    names = [f"s{n}" for n in range(20)]
    spoken = [heard(settings, BEFORE + timedelta(seconds=n), n + 1, "heartbeat", session=name)
              for n in range(3) for name in names]  # fmt: skip
    small = settings.model_copy(update={"events_in_memory": 7})
    due = marks(pa.concat_tables(spoken))
    sessions, events = (open_table(settings, table) for table in (SESSION_VERSIONS, EVENTS))
    files = list(job.measure_sessions(small, [], list_files(events), due))
    assert len(files) == 9
    append_files(sessions, SESSION_VERSIONS, files, {})
    spoken.append(heard(settings, AFTER, 4, "heartbeat", session=names[0]))
    again = pa.concat_tables([marks(spoken[-1]), marks(spoken[0]), marks(spoken[1])])
    files = list(job.measure_sessions(small, list_files(sessions), list_files(open_table(settings, EVENTS)), again))
    append_files(sessions, SESSION_VERSIONS, files, {})
    held = read_table(settings, SESSION_VERSIONS)
    assert (
        versions.latest(held)
        .select(SESSIONS.names)
        .sort_by("session_id")
        .equals(fold.sessions(pa.concat_tables(spoken)).sort_by("session_id"))
    )
