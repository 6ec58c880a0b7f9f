"""Beside a running stack: poisons of all kinds through every entrance stop nothing, and every good session arrives."""

import time
from random import Random
from typing import Any

import httpx
import pytest
from odd import poisons
from until import until
from whole_stack import Stack

from qoescope.catalog.operations import QUARANTINE
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect import health, kafka
from qoescope.connect.lake.reading import read_table
from qoescope.mart.jobs.ledger import check_books
from qoescope.stack import demo

pytestmark = pytest.mark.live
POISONS, EVERY = 200, 10
"""After so many poisons comes a good session."""
SOON_S = 300
ANSWERS = {200, 204, 400, 413, 415}


def good(number: int, now: int) -> dict[str, Any]:
    """The beacon of a whole session."""
    said = [("playback_request", "idle", 0), ("playback_start", "starting", 700), ("playback_finish", "playing", 9_000)]
    events = [
        {"seq": seq, "at": now, "type": kind, "state": state, "state_ms": ms}
        for seq, (kind, state, ms) in enumerate(said, 1)
    ]
    return {"session": {"session_id": f"good-{number}", "started_at": now}, "events": events, "sent_at": now}


def told_aside(stack: Stack) -> int:
    """Records that broke a batch, as the streams' health tells."""
    told = health.read_file(health.path(stack.settings, "stream"))
    assert told is not None
    return sum(loop.set_aside for loop in told.loops)


def broken(stack: Stack) -> int:
    """Records that broke a batch, as the lake has them."""
    reasons = read_table(stack.settings, QUARANTINE, columns=["reason_kept"])["reason_kept"].to_pylist()
    return sum(reason.startswith("broken: ") for reason in reasons)


def test_poisons_stop_nothing_and_every_good_session_arrives(stack: Stack) -> None:
    log, now = kafka.RecordProducer(stack.settings), time.time_ns() // 1_000_000
    restarts = {child.name: child.restarts for child in stack.children}
    headers = {"Authorization": f"Bearer {stack.key}"}
    sent = 0
    with httpx.Client(base_url=stack.door, headers=headers, timeout=60, trust_env=False) as http:
        for number, poison in enumerate(poisons(Random(7), POISONS, demo.PROPERTY, now)):  # noqa: S311
            if poison.path:
                kind = "application/cmcd" if poison.path.endswith("cmcd") else "application/json"
                answer = http.post(poison.path, content=poison.body, headers={"content-type": kind})
                assert answer.status_code in ANSWERS, (poison, answer.text)
            else:
                log.send(BEACONS_TOPIC.name, poison.body, lambda *_: None, b"poison")
            if number % EVERY == EVERY - 1:
                assert http.post("/v1/beacons", json=good(sent, now)).json()["accepted"] == 3
                sent += 1
    assert log.flush(30) == 0
    sql = "select count(*), sum(play_ms), sum(startup_ms) from sessions where session_id like 'good-%%'"
    until(lambda: stack.rows(sql) == [(sent, sent * 9_000, sent * 700)], SOON_S, "every good session arrives")
    until(lambda: check_books(stack.settings).ok, SOON_S, "the books agree")
    assert {child.name: child.restarts for child in stack.children} == restarts
    until(lambda: told_aside(stack) == broken(stack), SOON_S, "health tells of each that broke a batch")
