"""Vectors: the served client sends in each script what the vector says, and it folds into the vector's row."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from replayed import WALL_MS, beacons_of, row_of, rows_of, sessions_of

from qoescope.catalog.events import STATES, TRANSITIONS
from qoescope.ingest import app

pytestmark = pytest.mark.sdk
FOLDER = Path(__file__).parents[2] / "sdk/vectors"
SERVED = Path(app.__file__).parent / "static/qoescope.js"
FILES = sorted(FOLDER.glob("*.json"))
VECTORS: dict[str, dict[str, Any]] = {v["name"]: v for file in FILES for v in json.loads(file.read_text())}
SIGNALS = (
    "play", "frames", "starve", "seek", "pause", "end", "rate", "hide", "rendition", "cdn", "player_size", "video_size",
    "error", "fatal", "ad_start", "ad_end", "source", "end_session",
)  # fmt: skip
CLOSING = ("playback_finish", "playback_fail")


@cache
def replayed() -> dict[str, dict[str, Any]]:
    """What the served client sends in each script."""
    node = shutil.which("node")
    assert node is not None, "node is not installed: bin/setup test"
    command: list[str | Path] = [node, FOLDER / "web.cjs", SERVED, *FILES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {result["name"]: result for result in json.loads(done.stdout)}


@cache
def rows() -> dict[tuple[str, int], dict[str, Any]]:
    """The row of each session of all of them."""
    return rows_of(replayed().values())


@pytest.mark.parametrize("name", VECTORS)
def test_the_web_client_sends_what_the_vector_says(name: str) -> None:
    vector, result = VECTORS[name], replayed()[name]
    expected = [{part: session[part] for part in ("context", "events")} for session in vector["sessions"]]
    assert sessions_of(result["sent"]) == expected
    assert beacons_of(result["sent"]) == vector["beacons"]
    assert result["stored"] == vector.get("stored", 0)


@pytest.mark.parametrize("name", VECTORS)
def test_its_beacons_fold_into_the_vectors_rows(name: str) -> None:
    for place, session in enumerate(VECTORS[name]["sessions"]):
        assert row_of(rows()[name, place]) == session["row"]


def test_every_state_meets_every_signal() -> None:
    wanted = {f"{state}_{signal}" for state in (*STATES, "closed") for signal in SIGNALS}
    assert wanted - set(VECTORS) == set()


@pytest.mark.parametrize("name", VECTORS)
def test_intervals_tile_each_session_and_its_states_follow_the_catalog(name: str) -> None:
    """A session that goes on after it was closed (a page that was left and shown again) was paused meanwhile."""
    clocks = sum(
        value for _, signal, value, *_ in ([*step, None] for step in VECTORS[name]["script"]) if signal == "clock"
    )
    for session in VECTORS[name]["sessions"]:
        events = session["events"]
        state, started = "idle", False
        for event in events:
            assert event["state"] == state
            started = started or (event["type"], state) == ("playback_start", "starting")
            again = (event["type"], state) == ("playback_request", "paused") and not started
            state = "starting" if again else TRANSITIONS.get((state, event["type"]), state)
            left = event["type"] in CLOSING and not (event.get("ad") and event.get("reason") == "finished")
            state = "paused" if left else state
        length = events[-1]["at"] - (events[0]["at"] - events[0]["state_ms"])
        assert sum(event["state_ms"] for event in events) == length - clocks
        assert events[0]["at"] >= WALL_MS


def test_nothing_is_listed_twice_and_each_says_why() -> None:
    names = [v["name"] for file in FILES for v in json.loads(file.read_text())]
    assert len(names) == len(set(names)) >= 120
    assert [name for name, vector in VECTORS.items() if not vector["why"]] == []
