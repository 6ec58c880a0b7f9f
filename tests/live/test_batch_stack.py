"""Beside a running stack: dead letters go through the door again; live marts are what other SQL makes of the lake."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import recomputed
from until import until
from whole_stack import Stack

from qoescope.catalog.marts import LEAF_DIMENSIONS, LIVE_LEAF, LIVE_WINDOW, SESSION_MARTS
from qoescope.catalog.tables import EVENTS
from qoescope.connect.lake.reading import read_table
from qoescope.ingest.jobs import replay
from qoescope.stack import demo

pytestmark = pytest.mark.live
SOON_S = 600


def letters(stack: Stack) -> list[tuple[Any, ...]]:
    return stack.rows(
        "select kafka_partition, kafka_offset, replayed_at is not null from dead_letters where reason like %s "
        "and property = %s", "a text of more than%", demo.PROPERTY,
    )  # fmt: skip


def duplicates(stack: Stack) -> int:
    ((found,),) = stack.rows("select sum(duplicate)::int from outcomes where property = %s", demo.PROPERTY)
    return int(found)


def in_lake(stack: Stack, session: str) -> int:
    rows = read_table(stack.settings, EVENTS, columns=["session_id"])["session_id"].to_pylist()
    return rows.count(session)


def test_a_dead_letter_is_replayed_once_its_cause_is_repaired_and_again_without_harm(stack: Stack) -> None:
    session, first = "replayed-session", stack.books()
    now = int(datetime.now(UTC).timestamp() * 1000)
    event = {"seq": 1, "at": now, "type": "playback_request", "state": "idle", "state_ms": 0, "note": "x" * 5_000}
    sent = {"session": {"session_id": session, "device_type": "web", "started_at": now}, "events": [event]}
    answer = httpx.post(
        f"{stack.door}/v1/beacons",
        json=sent,
        headers={"authorization": f"Bearer {stack.key}"},
        trust_env=False,
        timeout=60,
    )
    assert (answer.status_code, answer.json()["invalid"]) == (200, 1)
    ((partition, offset, replayed),) = until(lambda: letters(stack), SOON_S, "the letter is in the table")
    assert not replayed
    still = replay.replay_letters(stack.settings, demo.PROPERTY, [(partition, offset)])
    assert (still.replayed, sum(still.left.values())) == (0, 1)
    repaired = stack.settings.model_copy(update={"text_bytes": 8_192})
    assert replay.replay_letters(repaired, demo.PROPERTY, [(partition, offset)]).events == 1
    until(lambda: stack.books().lake > first.lake, SOON_S, "its event is in the lake", every_s=0.5)
    assert in_lake(stack, session) == 1
    assert [row[2] for row in letters(stack)] == [True]
    before, repeats = stack.books(), duplicates(stack)
    stack.rows(
        "with again as (update dead_letters set replayed_at = null where kafka_partition = %s and kafka_offset = %s "
        "returning *) select count(*) from again", partition, offset,
    )  # fmt: skip
    assert replay.replay_letters(repaired, demo.PROPERTY).events == 1
    until(lambda: duplicates(stack) == repeats + 1, SOON_S, "it is booked as a duplicate", every_s=0.5)
    assert in_lake(stack, session) == 1
    after = stack.books()
    assert (after.accepted, after.lake) == (before.accepted, before.lake)


def test_live_and_closed_marts_are_what_other_sql_makes_of_the_lake_s_files(stack: Stack) -> None:
    stack.traffic(rate=200, seconds=5).finished()
    stack.settled()
    keys = ("starts_at", "grouping", "value_1", "value_2")
    with recomputed.opened(stack.settings, demo.PROPERTY) as engine:
        for mart, source, step, at, measures in (
            *(
                (mart, "sessions", f"{mart.every_s} seconds", "started_at", recomputed.SESSIONS)
                for mart in SESSION_MARTS
            ),
            (LIVE_WINDOW, "events", "10 seconds", '"at"', recomputed.WINDOWS),
        ):
            names = {m.name for m in mart.measures}
            kept = {name: sql for name, sql in measures.items() if name in names}
            again = recomputed.cubed(source, step, at, mart.groupings, kept)
            assert recomputed.differing(engine, stack.settings, mart.table, demo.PROPERTY, again, keys) == []
        leaf = ("starts_at", *LEAF_DIMENSIONS)
        assert recomputed.differing(engine, stack.settings, LIVE_LEAF, demo.PROPERTY, recomputed.leaves(), leaf) == []
