"""Sessions as the stream writes them: one row each, of all of their events, wherever these lie."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.compile import arrow, fold, versions
from qoescope.connect import lake
from qoescope.lake.jobs import sessions as job
from qoescope.settings import Settings

BEFORE = datetime(2026, 1, 2, 23, 40, tzinfo=UTC)
AFTER = datetime(2026, 1, 3, 0, 5, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    here = Settings(var=tmp_path)
    lake.ensure(here, [EVENTS, SESSION_VERSIONS])
    return here


def heard(settings: Settings, at: datetime, seq: int, kind: str, after: timedelta = timedelta()) -> pa.Table:
    """An event of a session that does not say when it began, put into the lake, in the day of the event itself."""
    event = {"property": "app", "session_id": "silent", "seq": seq, "at": at, "type": kind, "state": "playing",
             "state_ms": 0 if kind == "playback_request" else 4_000, "received_at": at + after, "kafka_offset": seq,
             "session_day": at.date(), "bucket": 1}  # fmt: skip
    rows = arrow.conform(pa.Table.from_pylist([event]), EVENTS)
    lake.append(lake.opened(settings, EVENTS), EVENTS, lake.write(settings, EVENTS, rows), {})
    return rows


def closed(settings: Settings, since: datetime) -> None:
    """The stream takes note that the session, heard of since then, fell silent."""
    silent = {"property": "app", "session_id": "silent", "bucket": 1, "since": since, "kafka_partition": 0,
              "kafka_offset": 0}  # fmt: skip
    sessions, events = (lake.opened(settings, table) for table in (SESSION_VERSIONS, EVENTS))
    told = job.folded(settings, lake.files(sessions), lake.files(events), {0: 1}, pa.Table.from_pylist([silent]))
    lake.append(sessions, SESSION_VERSIONS, lake.unpacked(told["body"].to_pylist()), {})


def rows(settings: Settings) -> pa.Table:
    """The last version in each day of the lake."""
    held = lake.read(settings, SESSION_VERSIONS)
    return pa.concat_tables(versions.latest(part) for part in lake.partitions(held)).select(SESSIONS.names)


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


def test_looking_for_missed_records_leaves_a_session_over_midnight_whole(settings: Settings) -> None:
    spoken = [heard(settings, BEFORE, 1, "playback_request"), heard(settings, AFTER, 2, "heartbeat")]
    closed(settings, BEFORE)
    whole = fold.sessions(pa.concat_tables(spoken))
    assert rows(settings).equals(whole)
    sessions, events = (lake.opened(settings, table) for table in (SESSION_VERSIONS, EVENTS))
    for day in (BEFORE, AFTER):
        parts = {(day.date().isoformat(), 1)}
        told = job.mended(settings, lake.files(sessions), lake.files(events), parts, AFTER, pa.table({"bucket": [1]}))
        assert told["body"].to_pylist() == []
