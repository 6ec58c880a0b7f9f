"""A day measured again: what is the same stays as it is, what changed is a new version, imports are left alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from qoescope.compile import versions
from qoescope.mart import restatement

Events = Callable[..., pa.Table]
NOW = datetime(2026, 1, 3, 2, tzinfo=UTC)
PLAY = (("a", 1, "playback_request", "idle", 0), ("a", 2, "playback_start", "starting", 900))
TAIL = ("a", 3, "playback_finish", "playing", 8000)


def none(events: Events) -> pa.Table:
    return versions.versions(events(), pa.table({}), NOW)


def test_running_it_twice_changes_nothing(events: Events) -> None:
    first = restatement.restate_bucket(events(*PLAY), none(events), NOW, None)
    again = restatement.restate_bucket(events(*PLAY), first.rows, NOW + timedelta(hours=1), None)
    assert (first.changed, again.changed) == (1, 0)
    assert again.rows.equals(first.rows)
    assert versions.checksum(again.rows) == versions.checksum(first.rows)


def test_a_late_event_raises_the_version_of_its_session_only(events: Events) -> None:
    other = (("zz", 1, "playback_request", "idle", 0),)
    first = restatement.restate_bucket(events(*PLAY, *other), none(events), NOW, None)
    again = restatement.restate_bucket(events(*PLAY, TAIL, *other), first.rows, NOW, None)
    told = {r["session_id"]: (r["version"], r["play_ms"]) for r in again.rows.to_pylist()}
    assert (again.changed, told) == (1, {"a": (2, 8000), "zz": (1, 0)})


def test_a_session_that_is_still_heard_of_is_left_to_the_streams(events: Events) -> None:
    heard = events(*PLAY, received_at=NOW)
    part = restatement.restate_bucket(heard, none(events), NOW, NOW - timedelta(seconds=60))
    assert (len(part.rows), part.changed) == (0, 0)


def test_sessions_without_events_go_but_imported_ones_stay(events: Events) -> None:
    rows = restatement.restate_bucket(events(*PLAY), none(events), NOW, None).rows
    source = rows.column_names.index("source")
    imported = rows.set_column(source, rows.schema.field("source"), pa.array(["import"]))
    assert len(restatement.restate_bucket(events(), rows, NOW, None).rows) == 0
    assert len(restatement.restate_bucket(events(), imported, NOW, None).rows) == 1


def test_older_versions_are_left_out(events: Events) -> None:
    first = restatement.restate_bucket(events(*PLAY), none(events), NOW, None).rows
    second = versions.versions(events(*PLAY, TAIL), first, NOW)
    part = restatement.restate_bucket(events(*PLAY, TAIL), pa.concat_tables([first, second]), NOW, None)
    assert (part.changed, part.squashed, part.rows["version"].to_pylist()) == (0, 1, [2])


def test_a_checksum_does_not_depend_on_the_order_of_many_rows(events: Events) -> None:
    rows = versions.versions(
        events(*(("s" * n, 1, "heartbeat", "playing", n) for n in range(1, 99))), none(events), NOW
    )
    backwards = rows.take(list(range(len(rows) - 1, -1, -1)))
    assert versions.checksum(rows) == versions.checksum(backwards) != versions.checksum(rows.slice(1))
