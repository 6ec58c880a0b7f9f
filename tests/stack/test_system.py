from datetime import UTC, datetime, timedelta

import pyarrow as pa

from qoescope.catalog.watch import INCIDENTS
from qoescope.connect.readiness import HealthProblem
from qoescope.stack import system

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
FULL = HealthProblem("stream", "events", "failed 3 times in a row: the disk is full", "disk-full")
FROZEN = HealthProblem("stream", "", "is frozen or gone: no word for 16 s", "a-part-is-frozen-or-gone")
ASIDE = HealthProblem(
    "stream", "events", "has set 1 record that broke a batch aside", "a-record-is-set-aside", blocks=False
)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_problem_opens_one_incident_that_goes_on_while_it_shows() -> None:
    (opened,) = system.changes([], [FULL], NOW)
    assert opened["state"] == "confirmed"
    assert opened["slice"] == {"part": "stream", "loop": "events"}
    assert opened["story"] == "stream: events failed 3 times in a row: the disk is full (disk-full)"
    (again,) = system.changes([opened], [FULL], after(5))
    assert (again["id"], again["opened_at"], again["last_seen_at"]) == (opened["id"], NOW, after(5))


def test_it_is_over_once_the_problem_has_been_gone_for_a_while() -> None:
    (opened,) = system.changes([], [FULL], NOW)
    assert system.changes([opened], [], after(59)) == []
    (closed,) = system.changes([opened], [], after(60))
    assert (closed["id"], closed["state"], closed["closed_at"]) == (opened["id"], "closed", after(60))


def test_each_loop_and_the_process_itself_have_incidents_of_their_own() -> None:
    rows = system.changes([], [FULL, FROZEN, FULL], NOW)
    assert [row["slice_name"] for row in rows] == ["stream: events", "stream"]
    assert len({row["id"] for row in rows}) == 2


def test_what_does_not_block_is_an_incident_of_its_own_and_less_severe() -> None:
    rows = system.changes([], [FULL, ASIDE], NOW)
    assert [(row["severity"], row["slice"].get("about")) for row in rows] == [
        ("critical", None),
        ("warning", "a-record-is-set-aside"),
    ]
    assert rows[1]["story"] == "stream: events has set 1 record that broke a batch aside (a-record-is-set-aside)"
    assert len({row["id"] for row in rows}) == 2
    again = system.changes(rows, [ASIDE], after(60))
    assert [(row["id"], row["state"]) for row in again] == [(rows[1]["id"], "confirmed"), (rows[0]["id"], "closed")]


def test_its_row_has_every_column_that_may_not_be_empty() -> None:
    (row,) = system.changes([], [FULL], NOW)
    assert set(row) == set(INCIDENTS.names)
    assert [f.name for f in INCIDENTS.fields if not f.nullable and row[f.name] is None] == []
    assert len(pa.Table.from_pylist([row])) == 1
