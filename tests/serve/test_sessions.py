"""Sessions: one viewer's events as stretches, moments and gaps."""

from typing import Any

import pytest

from qoescope.catalog.sessions import SESSION_FIELDS
from qoescope.serve.analysis import sessions
from qoescope.serve.analysis.sessions import Moment, Stretch


def event(seq: int, kind: str, state: str, ms: int, **more: Any) -> dict[str, Any]:
    return {"seq": seq, "type": kind, "state": state, "state_ms": ms, "ad": False, "hidden": False, **more}


PLAY = [
    event(1, "playback_request", "idle", 0),
    event(2, "playback_start", "starting", 1200),
    event(3, "heartbeat", "playing", 10_000, bitrate_kbps=4500),
    event(4, "playback_stall", "playing", 2_000, bitrate_kbps=4500),
    event(5, "playback_start", "stalled", 3_000),
    event(6, "cdn_change", "playing", 1_000, bitrate_kbps=800, event_cdn="aurora", next_cdn="borealis"),
    event(8, "playback_finish", "playing", 500, ad=True),
]


def test_states_tile_the_session_and_like_ones_that_follow_become_one() -> None:
    found = sessions.stretches(PLAY)
    assert [(s.state, s.start_ms, s.length_ms) for s in found] == [
        ("starting", 0, 1200), ("playing", 1200, 12_000), ("stalled", 13_200, 3000), ("playing", 16_200, 1000),
        ("ad", 17_200, 500),
    ]  # fmt: skip
    assert found[1] == Stretch("playing", 1200, 12_000, 4500, "", False)


def test_the_order_of_events_does_not_matter() -> None:
    assert sessions.stretches(PLAY[::-1]) == sessions.stretches(PLAY)
    assert sessions.moments(PLAY[::-1]) == sessions.moments(PLAY)


def test_moments_say_what_happened_and_when() -> None:
    assert sessions.moments(PLAY) == [
        Moment(13_200, "playback_stall", "the player ran out of data"),
        Moment(17_200, "cdn_change", "CDN aurora → borealis"),
    ]


@pytest.mark.parametrize(
    ("seqs", "missing"), [([1, 2, 3], []), ([1, 3], [(2, 2)]), ([4, 5, 9], [(1, 3), (6, 8)]), ([2, 2], [(1, 1)])]
)
def test_gaps_are_the_events_that_never_came(seqs: list[int], missing: list[tuple[int, int]]) -> None:
    assert sessions.gaps([{"seq": seq} for seq in seqs]) == missing


def test_losses_say_what_would_raise_the_score_most() -> None:
    row = {"success_score": 100, "picture_score": 80, "stalling_score": 50, "start_score": None}
    played, failed = ({"start_outcome": "played", **row, **more} for more in ({}, {"success_score": 0}))
    assert [(name, part, round(gain, 9)) for name, part, gain in sessions.losses(played)] == [
        ("stalling_score", 50, 40),
        ("picture_score", 80, 10),
        ("success_score", 100, 0),
    ]
    assert [name for name, _, gain in sessions.losses(failed) if gain] == ["success_score"]
    assert sessions.losses(played | {"start_outcome": "exited"}) == []


def test_every_formula_belongs_to_a_column_and_has_a_meaning() -> None:
    columns = {f.name for f in SESSION_FIELDS} | {"media_ms_percent"}
    formulas, meanings = sessions.formulas(), sessions.meanings()
    assert set(formulas) <= columns
    assert set(formulas) <= set(meanings)
    assert formulas["stall_ms"] == "sum of t where state = 'stalled'"
