"""The experience score's laws: what is better for a viewer never lowers it, and what it is made of is what it says."""

from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import opinions
from laws.test_fold import START_MS, folded

from qoescope.catalog import picture
from qoescope.catalog.population import LADDER
from qoescope.compile.fold import with_opinions

Play = dict[str, Any]
RUNG = st.sampled_from([(kbps, width, height) for kbps, width, height in LADDER])
SCREEN = st.sampled_from([(640, 360), (1280, 720), (1920, 1080), (3840, 2160)])
PLAY = st.fixed_dictionaries(
    {
        "device": st.sampled_from(["smart_tv", "mobile", "web"]),
        "codec": st.sampled_from(["avc", "hevc", "vp9", "av1", "unknown"]),
        "screen": SCREEN,
        "start_ms": st.integers(0, 60_000),
        "shown": st.lists(st.tuples(st.integers(1, 300_000), RUNG), min_size=1, max_size=6),
        "stalls": st.lists(st.integers(0, 60_000), max_size=6),
    }
)
LAW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
MANY = st.lists(st.tuples(PLAY, st.integers(0, 5), st.integers(1, 50_000)), min_size=4, max_size=8)


def events(play: Play, name: str) -> list[dict[str, Any]]:
    """What a player would send of it: each stall comes after a part that was shown, the last ones after the last."""
    told = [
        {"type": "playback_request", "state": "idle", "state_ms": 0},
        {"type": "playback_start", "state": "starting", "state_ms": play["start_ms"]},
    ]
    for i in range(max(len(play["shown"]), len(play["stalls"]))):
        if i < len(play["shown"]):
            ms, (kbps, width, height) = play["shown"][i]
            said = dict(zip(("player_width", "player_height"), play["screen"], strict=True))
            told.append(
                {
                    "type": "heartbeat",
                    "state": "playing",
                    "state_ms": ms,
                    "bitrate_kbps": kbps,
                    "width": width,
                    "height": height,
                    **said,
                }
            )
        if i < len(play["stalls"]):
            told.append({"type": "playback_stall", "state": "playing", "state_ms": 0})
            told.append({"type": "playback_start", "state": "stalled", "state_ms": play["stalls"][i]})
    told.append({"type": "playback_finish", "state": "playing", "state_ms": 0, "reason": "finished"})
    whose = {"property": "app", "session_id": name, "device_type": play["device"], "video_codec": play["codec"]}
    return [whose | {"seq": n + 1, "at": START_MS + n} | event for n, event in enumerate(told)]


def scores(plays: list[Play]) -> list[dict[str, float]]:
    rows = folded([event for i, play in enumerate(plays) for event in events(play, f"{i:06}")]).to_pylist()
    return [
        {name: float(value) for name, value in row.items() if name.endswith("_score") and value is not None}
        for row in rows
    ]


def never_lower(worse: list[Play], better: list[Play]) -> None:
    for before, after, play in zip(scores(worse), scores(better), worse, strict=True):
        for name in ("experience_score", "picture_score", "stalling_score", "start_score"):
            assert after[name] >= before[name], (name, play)


def changed(play: Play, n: int, rung: Any) -> Play:
    """The play with another rendition in one of its parts."""
    n %= len(play["shown"])
    shown = [(ms, rung(old) if i == n else old) for i, (ms, old) in enumerate(play["shown"])]
    return play | {"shown": shown}


@LAW
@given(MANY)
def test_more_bits_of_the_same_size_never_lower_it(drawn: list[tuple[Play, int, int]]) -> None:
    better = [changed(play, n, lambda old, more=more: (old[0] + more, *old[1:])) for play, n, more in drawn]
    never_lower([play for play, _, _ in drawn], better)


@LAW
@given(MANY)
def test_more_pixels_of_as_many_bits_each_never_lower_it(drawn: list[tuple[Play, int, int]]) -> None:
    better = [changed(play, n, lambda old: (4 * old[0], 2 * old[1], 2 * old[2])) for play, n, _ in drawn]
    never_lower([play for play, _, _ in drawn], better)


@LAW
@given(MANY, SCREEN)
def test_a_smaller_screen_never_lowers_it(drawn: list[tuple[Play, int, int]], screen: tuple[int, int]) -> None:
    plays = [play for play, _, _ in drawn]
    never_lower(plays, [play | {"screen": min(play["screen"], screen)} for play in plays])


@LAW
@given(MANY)
def test_fewer_and_shorter_stalls_never_lower_it(drawn: list[tuple[Play, int, int]]) -> None:
    stalled = [(play, n, less) for play, n, less in drawn if play["stalls"]]
    worse = [play for play, _, _ in stalled]
    fewer = [play | {"stalls": play["stalls"][:-1]} for play in worse]
    shorter = [
        play
        | {"stalls": [max(ms - less, 0) if i == n % len(play["stalls"]) else ms for i, ms in enumerate(play["stalls"])]}
        for play, n, less in stalled
    ]
    if worse:
        never_lower(worse, fewer)
        never_lower(worse, shorter)


@LAW
@given(MANY)
def test_an_earlier_start_never_lowers_it_and_costs_less_than_a_stall(drawn: list[tuple[Play, int, int]]) -> None:
    plays = [play for play, _, _ in drawn]
    never_lower(plays, [play | {"start_ms": max(play["start_ms"] - less, 0)} for play, _, less in drawn])
    calm = [
        play | {"shown": times * play["shown"], "stalls": [], "start_ms": 0}
        for play, times in zip(plays, (1, 3, 40) * 10, strict=False)
    ]
    late = scores([play | {"start_ms": wait} for play, (_, _, wait) in zip(calm, drawn, strict=True)])
    stalled = scores([play | {"stalls": [wait]} for play, (_, _, wait) in zip(calm, drawn, strict=True)])
    for begun_late, interrupted in zip(late, stalled, strict=True):
        assert begun_late["experience_score"] >= interrupted["experience_score"]


@LAW
@given(MANY)
def test_it_lies_between_nothing_and_all(drawn: list[tuple[Play, int, int]]) -> None:
    for found in scores([play for play, _, _ in drawn]):
        assert all(0 <= value <= 100 for value in found.values())


def test_an_opinion_through_the_rating_is_the_cubic_of_the_recommendation() -> None:
    """Every bitrate and enlargement, in closed form, as halving finds it."""
    asked = [
        {"bitrate_kbps": kbps, "width": w, "height": h, "player_width": pw, "player_height": ph, "video_codec": codec}
        for kbps in (1, 2, 20, 100, 235, 500, 1000, 2500, 6000, 20_000, 1_000_000)
        for w, h in ((1, 1), (160, 90), (320, 180), (640, 360), (1280, 720), (1918, 1080), (3840, 2160))
        for pw, ph in ((0, 0), (1, 1), (320, 180), (1280, 720), (1920, 1080), (3840, 2160), (65_535, 65_535))
        for codec in ("avc", "av1")
    ]
    found = duckdb.from_arrow(pa.Table.from_pylist(asked)).query(
        "asked", f"select opinion from {with_opinions('asked')}"
    )
    closed = [opinion for (opinion,) in found.fetchall()]
    assert closed == pytest.approx([opinions.opinion(e) for e in asked], abs=1e-9)
    assert min(closed) >= picture.WORST
    assert max(closed) <= picture.BEST


def test_a_picture_of_unknown_rendition_has_no_opinion_and_of_unknown_screen_fills_it() -> None:
    known = {
        "bitrate_kbps": 1000,
        "width": 640,
        "height": 360,
        "player_width": 1920,
        "player_height": 1080,
        "video_codec": "avc",
    }
    asked = [known | {name: value} for name in ("bitrate_kbps", "width", "height") for value in (None, 0)]
    asked += [known | {"player_width": None}, known | {"player_width": 640, "player_height": 360}]
    found = duckdb.from_arrow(pa.Table.from_pylist(asked)).query(
        "asked", f"select opinion from {with_opinions('asked')}"
    )
    *nothing, unknown, filled = [opinion for (opinion,) in found.fetchall()]
    assert (set(nothing), unknown) == ({None}, filled)
