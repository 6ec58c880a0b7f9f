"""CMCD records become the events that our own players would have sent, and the fold measures both alike.

Long because each player's records stand in sight of what must come of them.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from qoescope.catalog.cmcd import RECORDS, Rules
from qoescope.catalog.events import EVENT_TYPES, STATES
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.compile.fold import sessions
from qoescope.sources.cmcd.mapping import events, map_records

T = 1_762_000_000_000
Line = str | tuple[str, dict[str, Any]]


def records(lines: Sequence[Line], mode: str = "event", **more: str | int) -> pa.Table:
    """Records as the door keeps them, 100 ms after `ts`. `T+n` is a time; a line may bring its own columns."""
    rows = [_row(place, *((line, {}) if isinstance(line, str) else line)) for place, line in enumerate(lines)]
    known = {f.name: arrow.TYPES[f.type] for f in RECORDS.fields}
    columns: dict[str, Any] = {
        name: pa.array([({"mode": mode} | more | row).get(name) for row in rows], known[name])
        for name in ("property", "session_id", "mode", "record", *more, "target", "kafka_partition", "kafka_offset")
    }
    columns["received_at"] = pa.array([row["arrived"] * 1000 for row in rows], known["received_at"])
    return pa.table(columns)


def _row(place: int, text: str, own: dict[str, Any]) -> dict[str, Any]:
    when = re.search(r"ts=T\+(\d+)", text)
    at = T + (int(when[1]) if when else 0)
    said = text if when is None else text.replace(when[0], f"ts={at}")
    whole = {"property": "app", "session_id": "x", "record": said, "arrived": at + 100, "kafka_offset": place}
    return {"target": "", "kafka_partition": 0} | whole | own


def told(lines: Sequence[Line]) -> list[tuple[Any, ...]]:
    """(type, state, state_ms) of each event."""
    return [(row["type"], row["state"], row["state_ms"]) for row in events(records(lines)).to_pylist()]


def measured(lines: Sequence[Line]) -> dict[str, Any]:
    """The one session that the records make, folded."""
    (row,) = sessions(events(records(lines))).to_pylist()
    return row


def ps(sta: str, at: int, more: str = "") -> str:
    return f'{more}e=ps,sid="x",sta={sta},ts=T+{at},v=2'


START = [ps("s", 0), ps("p", 1000)]
WORKED = [
    'e=ps,sid="x",sta=s,ts=T+0,v=2',
    'br=(3000;v 128;a),e=ps,msd=1200,sid="x",sta=p,ts=T+1250,v=2',
    'e=ps,pt=10000,sid="x",sta=k,ts=T+11250,v=2',
    'e=ps,sid="x",sta=r,ts=T+11400,v=2',
    'e=ps,sid="x",sta=p,ts=T+13250,v=2',
    'e=ps,sid="x",sta=w,ts=T+23250,v=2',
    'e=ps,sid="x",sta=r,ts=T+23250,v=2',
    'bsd=(2000),e=ps,sid="x",sta=p,ts=T+25250,v=2',
    'e=e,sid="x",ts=T+26250,v=2',
    'e=ps,sid="x",sta=q,ts=T+35250,v=2',
]


def test_the_worked_example_makes_these_intervals() -> None:
    assert told(WORKED) == [
        ("playback_request", "idle", 0),
        ("playback_start", "starting", 1250),
        ("seek_start", "playing", 10_000),
        ("heartbeat", "seeking", 150),
        ("seek_end", "seeking", 1850),
        ("playback_stall", "playing", 10_000),
        ("heartbeat", "stalled", 0),
        ("playback_start", "stalled", 2000),
        ("error", "playing", 1000),
        ("playback_finish", "playing", 9000),
    ]


def test_the_worked_example_measures_so() -> None:
    row = measured(WORKED)
    wanted = {
        "startup_ms": 1200, "starting_ms": 1250, "play_ms": 30_000, "seek_count": 1, "seek_ms": 2000, "stall_count": 1,
        "stall_ms": 2000, "watched_ms": 35_250, "bitrate_avg_kbps": 3000, "error_count": 1, "close_reason": "exited",
        "source": "cmcd_v2", "lost_events": 0, "playhead_max_ms": 10_000,
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted


def test_the_table_is_the_catalogs() -> None:
    made = events(records(WORKED))
    assert made.schema == arrow.schema(EVENTS)
    assert made["seq"].to_pylist() == list(range(1, 11))
    assert made["at"].cast(pa.int64()).to_pylist()[:3] == [T * 1000, (T + 1250) * 1000, (T + 11_250) * 1000]


@settings(max_examples=25, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_nor_a_second_target_change_a_measure(random: Random) -> None:
    once = records(WORKED)
    again = records([(line, {"target": "second", "kafka_partition": 1}) for line in WORKED])
    rows = [*once.to_pylist(), *once.to_pylist(), *again.to_pylist()]
    random.shuffle(rows)
    shuffled = pa.Table.from_pylist(rows, once.schema)
    origin = ["received_at", "kafka_partition", "kafka_offset", "position"]
    assert events(shuffled).drop_columns(origin).equals(events(once).drop_columns(origin))


def test_a_second_target_with_its_own_bytes_changes_no_measure() -> None:
    other = [(line.replace(",v=2", ",sn=7,v=2"), {"target": "b"}) for line in WORKED]
    row, alone = measured([*WORKED, *other]), measured(WORKED)
    different = {name for name in row if row[name] != alone[name]}
    assert different <= {"event_count", "last_seq"}


def test_states_of_one_millisecond_that_two_targets_tell_are_not_told_twice() -> None:
    lines: list[Line] = [ps("s", 0), ps("p", 0), ps("r", 5000), ps("p", 5000), ps("q", 9000)]
    other: list[Line] = [(str(line).replace(",v=2", ",sn=7,v=2"), {"target": "b"}) for line in lines]
    row = measured([*lines, *other])
    assert (row["stall_count"], row["play_ms"], row["session_id"]) == (1, 9000, "x")


def test_a_clock_from_another_world_makes_no_state_longer_than_a_day() -> None:
    lines: list[Line] = [
        ("e=ps,sta=a,ts=5,v=2", {"arrived": T}),
        ("e=t,sta=a,ts=999999999999999,v=2", {"arrived": T + 9}),
    ]
    assert told(lines)[-1] == ("heartbeat", "paused", 86_400_000)


def test_one_sid_for_several_plays_is_several_sessions() -> None:
    lines = [
        *START,
        ps("e", 5000),
        ps("d", 6000),
        ps("s", 6500),
        ps("p", 7000),
        ps("s", 9000),
        ps("p", 9200),
        ps("q", 9900),
    ]
    rows = {row["session_id"]: row for row in sessions(events(records(lines))).to_pylist()}
    assert {sid: (row["close_reason"], row["play_ms"], row["startup_ms"]) for sid, row in rows.items()} == {
        "x": ("finished", 4000, 1000),
        "x~2": ("exited", 2000, 500),
        "x~3": ("exited", 700, 200),
    }


def test_a_request_told_twice_and_ads_open_no_new_play() -> None:
    lines = [ps("s", 0), ps("s", 100), ps("p", 1000), 'e=abs,sid="x",ts=T+5000,v=2', ps("s", 5000), ps("p", 5500)]
    assert {row["session_id"] for row in events(records(lines)).to_pylist()} == {"x"}


def test_startup_without_a_request_is_what_the_player_says() -> None:
    row = measured(["e=ps,msd=900,sta=p,ts=T+5000,v=2", ps("q", 8000)])
    assert (row["startup_ms"], row["starting_ms"], row["play_ms"]) == (900, 900, 3000)
    assert row["started_at"].timestamp() * 1000 == T + 4100


def test_startup_that_nobody_saw_is_unknown() -> None:
    row = measured([ps("p", 5000), ps("q", 8000)])
    assert (row["is_play"], row["startup_ms"], row["content_startup_ms"], row["play_ms"]) == (True, None, None, 3000)


def test_a_seek_before_the_first_frame_is_still_startup() -> None:
    row = measured([ps("s", 0), ps("k", 200), ps("r", 300), ps("p", 1500), ps("q", 2500)])
    assert (row["startup_ms"], row["seek_count"], row["stall_count"]) == (1500, 0, 0)


def test_a_pause_during_startup_is_not_startup() -> None:
    row = measured([ps("s", 0), ps("a", 1000), ps("r", 9000), ps("p", 9500), ps("q", 10_000)])
    assert (row["startup_ms"], row["paused_ms"], row["resume_ms"]) == (1500, 8000, 0)


def test_waiting_after_a_pause_is_no_stall() -> None:
    row = measured([*START, ps("a", 5000), ps("r", 6000), ps("p", 6500), ps("q", 7000)])
    assert (row["stall_count"], row["paused_ms"], row["resume_ms"], row["play_ms"]) == (0, 1000, 500, 4500)


def test_w_then_r_is_one_stall() -> None:
    row = measured([*START, ps("w", 3000), ps("r", 3200), ps("p", 4000), ps("q", 5000)])
    assert (row["stall_count"], row["stall_ms"], row["play_ms"]) == (1, 1000, 3000)


@pytest.mark.parametrize(
    ("lines", "count", "length"),
    [
        (["bsd=(1500),e=t,sid=\"x\",ts=T+11000,v=2"], 1, 1500),
        (["bsd=(1500;v 300;a),e=t,ts=T+11000,v=2"], 1, 1500),
        (["bsd=(300;a),e=t,ts=T+11000,v=2"], 1, 300),
        (["bsd=(500 700),e=t,ts=T+11000,v=2"], 2, 1200),
        (["e=t,ts=T+10500,v=2", "bsd=(1500),e=t,ts=T+11000,v=2"], 1, 1500),
        (["bsd=(1500),e=t,ts=T+11000,v=2", ("bsd=(1500),e=t,sn=3,ts=T+11000,v=2", {"target": "b"})], 1, 1500),
        (["bsa=(2),bsda=(1500),e=t,ts=T+11000,v=2", "bsa=(3),bsda=(1900),e=t,ts=T+21000,v=2"], 3, 1900),
        (["bsda=(1500),e=t,ts=T+11000,v=2", "bsda=(400),e=t,ts=T+21000,v=2"], 2, 1900),
        (["bs,e=t,ts=T+11000,v=2", "bs,e=t,ts=T+12000,v=2", "bs,e=t,ts=T+21000,v=2"], 2, 0),
        (["bs,bsd=(1500),bsa=(9),bsda=(9000),e=t,ts=T+11000,v=2"], 1, 1500),
    ],
)  # fmt: skip
def test_stalls_come_from_the_best_source_alone(lines: list[Line], count: int, length: int) -> None:
    row = measured([*START, *lines, ps("q", 31_000)])
    assert (row["stall_count"], row["stall_ms"], row["watched_ms"]) == (count, length, 31_000)


def test_states_win_over_all_counters() -> None:
    row = measured([*START, ps("r", 3000), ps("p", 4000, "bs,bsa=(7),bsd=(3000),bsda=(9000),"), ps("q", 6000)])
    assert (row["stall_count"], row["stall_ms"]) == (1, 1000)


def test_context_holds_from_its_record_on() -> None:
    lines = [
        ps("s", 0),
        ps("p", 1000, "br=(1000),"),
        'br=(2000),e=bc,sid="x",ts=T+11000,v=2',
        'e=t,pb=(4000),sid="x",ts=T+21000,v=2',
        'e=pr,pr=2.0,sid="x",ts=T+31000,v=2',
        "e=ps,sta=q,ts=T+41000,v=2",
    ]
    row = measured(lines)
    assert (row["bitrate_avg_kbps"], row["switch_up_count"], row["media_ms"]) == (2750, 1, 50_000)


def test_dropped_frames_are_differences_and_a_smaller_total_began_anew() -> None:
    lines = [*START, "dfa=5,e=t,ts=T+5000,v=2", "dfa=9,e=t,ts=T+9000,v=2", "dfa=2,e=t,ts=T+12000,v=2", ps("q", 13_000)]
    assert measured(lines)["dropped_frames"] == 11
    assert measured([ps("p", 0), *lines[2:]])["dropped_frames"] == 6


def test_the_background_is_told_with_or_without_bg_on_leaving() -> None:
    for leaving in ("", "bg=?0,"):
        row = measured(
            [*START, "bg,e=b,ts=T+2000,v=2", "e=t,ts=T+5000,v=2", f"{leaving}e=b,ts=T+8000,v=2", ps("q", 9000)]
        )
        assert row["hidden_ms"] == 6000


def test_a_fatal_error_is_a_failure_and_not_also_an_error() -> None:
    row = measured([*START, 'e=e,ec=("3016"),sid="x",ts=T+4000,v=2', ps("f", 4000)])
    assert (row["close_reason"], row["error_code"], row["error_class"], row["error_count"]) == (
        "failed",
        "3016",
        "technical",
        0,
    )


def test_a_failure_before_the_first_frame_fails_the_start_by_the_propertys_rules() -> None:
    rows = events(records([ps("s", 0), ps("f", 3000, "ec=403,")]), {"app": Rules(business_codes=frozenset({"403"}))})
    (row,) = sessions(rows).to_pylist()
    assert (row["start_outcome"], row["error_code"]) == ("failed_business", "403")


def test_an_error_is_one_however_often_it_is_told() -> None:
    lines: list[Line] = [
        *START,
        'e=e,ec=("7"),sid="x",ts=T+4000,v=2',
        ('e=e,ec=("7"),sid="x",sn=4,ts=T+4000,v=2', {"target": "b"}),
        'e=t,ec=("7"),sid="x",ts=T+6000,v=2',
        'e=t,ec=("8"),sid="x",ts=T+8000,v=2',
        'e=e,ec=("7"),sid="x",ts=T+9000,v=2',
        ps("q", 9500),
    ]
    assert measured(lines)["error_count"] == 3


def test_silence_before_the_first_frame_is_an_exit() -> None:
    row = measured([ps("s", 0), "e=t,ts=T+10000,v=2"])
    assert (row["start_outcome"], row["close_reason"], row["exit_wait_ms"]) == ("exited", "timed_out", 10_000)


def test_a_mid_roll_belongs_to_its_content() -> None:
    row = measured(
        [
            *START,
            "e=abs,ts=T+11000,v=2",
            "e=as,ts=T+11000,v=2",
            "e=ae,ts=T+26000,v=2",
            "e=abe,ts=T+26000,v=2",
            ps("q", 36_000),
        ]
    )
    assert (row["ad_break_count"], row["ad_play_ms"], row["play_ms"], row["resume_ms"]) == (1, 15_000, 20_000, 0)


def test_an_ad_that_says_what_it_does_is_waited_for() -> None:
    lines = [
        *START,
        "e=as,sta=r,ts=T+11000,v=2",
        ps("p", 11_400),
        "e=ae,sta=r,ts=T+20000,v=2",
        ps("p", 20_100),
        ps("q", 21_100),
    ]
    row = measured(lines)
    assert (row["resume_ms"], row["ad_play_ms"], row["stall_count"], row["ad_break_count"]) == (500, 8600, 0, 1)


def test_another_host_is_another_cdn_only_if_the_map_says_so() -> None:
    rules = Rules(hosts={"a.example": "one", "b.example": "one", "c.example": "two"})
    lines = [
        ps("s", 0),
        ps("p", 1000, 'cid="m",'),
        *(f'e=h,h="{h}.example",ts=T+{at},v=2' for h, at in (("a", 2000), ("b", 3000), ("c", 4000))),
    ]
    made = events(records(lines), {"app": rules})
    assert [row["next_cdn"] for row in made.to_pylist() if row["type"] == "cdn_change"] == ["two"]
    assert set(made["cdn"].to_pylist()) == {"one"}


def test_responses_and_second_players_have_no_say_on_states() -> None:
    lines = [*START, 'e=rr,rc=404,sta=r,ts=T+2000,url="https://a/b",v=2', "e=ps,nr,sta=e,ts=T+3000,v=2", ps("q", 5000)]
    assert [row[:2] for row in told(lines)][2:] == [("playback_finish", "playing")]


def test_a_clock_that_was_set_back_costs_one_interval() -> None:
    lines: list[Line] = [
        'e=ps,sid="x",sn=0,sta=s,ts=T+0,v=2',
        'e=ps,sid="x",sn=1,sta=p,ts=T+1000,v=2',
        ('e=t,sid="x",sn=2,ts=T+0,v=2', {"arrived": T + 11_100}),
        ('e=ps,sid="x",sn=3,sta=q,ts=T+9000,v=2', {"arrived": T + 20_100}),
    ]
    assert [row[2] for row in told(lines)] == [0, 1000, 0, 9000]


def test_a_report_number_that_begins_anew_is_no_clock() -> None:
    lines = [
        f'e=ps,sid="x",sn={n},sta={sta},ts=T+{at},v=2'
        for n, sta, at in ((0, "s", 0), (1, "p", 500), (0, "a", 900), (1, "q", 1000))
    ]
    assert [row[1] for row in told(lines)] == ["idle", "starting", "playing", "paused"]


def test_a_long_interval_is_cut_only_if_the_playhead_moved() -> None:
    moved = measured([ps("s", 0), ps("p", 0, "pt=0,"), ps("q", 400_000, "pt=390000,")])
    slept = measured([ps("s", 0), ps("p", 0, "pt=0,"), ps("q", 400_000, "pt=20000,")])
    assert (moved["play_ms"], moved["discarded_ms"]) == (400_000, 0)
    assert (slept["play_ms"], slept["discarded_ms"]) == (0, 400_000)


def test_a_clock_a_day_off_is_not_believed_for_the_calendar() -> None:
    day = 86_400_000
    lines: list[Line] = [(line, {"arrived": T + 2 * day}) for line in WORKED]
    made = events(records(lines))
    assert set(made["clock_adjusted"].to_pylist()) == {True}
    assert sessions(made)["play_ms"].to_pylist() == [30_000]
    assert str(made["session_day"][9].as_py()) == "2025-11-03"


def test_reports_without_e_or_ts_are_time_intervals_at_their_arrival() -> None:
    lines: list[Line] = [ps("s", 0), ps("p", 1000), ('sid="x",v=2', {"arrived": T + 5000}), ps("q", 7000)]
    assert told(lines)[2:] == [("heartbeat", "playing", 4000), ("playback_finish", "playing", 2000)]


def test_live_playheads_are_epochs_and_not_kept() -> None:
    row = measured([ps("s", 0, f"st=l,pt={T},"), ps("p", 1000, f"pt={T},"), ps("q", 5000)])
    assert (row["playhead_max_ms"], row["content_type"]) == (None, "live")


def test_what_a_session_is_comes_from_records_rules_and_the_door() -> None:
    rules = {"app": Rules(custom={"com.example-plan": "variant"})}
    rows = events(
        records([ps("s", 0, 'cid="film",com.example-plan="gold",'), ps("p", 1, "sf=h,st=v,")], country_code="KR"), rules
    )
    row = rows.to_pylist()[1]
    got = tuple(
        row[n] for n in ("content_id", "variant", "stream_format", "content_type", "country_code", "os", "source")
    )
    assert got == ("film", "gold", "hls", "vod", "KR", "unknown", "cmcd_v2")


def test_unknown_versions_and_bad_lines_change_nothing() -> None:
    assert told([*START, "e=ps,sta=q,ts=T+2000,v=3", "%%%", ps("q", 5000)])[-1] == ("playback_finish", "playing", 4000)


def test_no_records_make_empty_tables() -> None:
    made = map_records(records(START).slice(0, 0))
    assert (len(made.events), len(made.observed), len(made.requests)) == (0, 0, 0)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["ps", "t", "e", "bc", "b", "abs", "abe", "as", "ae", "h", "rr", "pr", "xx"]),
            st.sampled_from(["", "s", "p", "k", "r", "w", "a", "e", "f", "q", "d", "zz"]),
            st.integers(-2000, 400_000),
            st.sampled_from(
                ["", "bsd=(900 100;a),", "bs,", "bsda=5,", "dfa=3,", "msd=700,", "ec=1,", "bg,", "pt=90,", "br=7,"]
            ),
        ),
        max_size=14,
    ),
    mode=st.sampled_from(["event", "request"]),
)
def test_any_story_tiles_its_time(steps: list[tuple[str, str, int, str]], mode: str) -> None:
    at = 0
    lines: list[Line] = []
    for e, sta, later, more in steps:
        at += later
        lines.append((f"{more}e={e},{f'sta={sta},' if sta else ''}ts={T + at},v=2", {"arrived": T + at}))
    made = events(records(lines, mode=mode))
    lengths = [row["state_ms"] for row in made.to_pylist()]
    assert all(ms >= 0 for ms in lengths)
    assert not set(made["state"].to_pylist()) - STATES.keys()
    assert not set(made["type"].to_pylist()) - EVENT_TYPES.keys()
    plays = len(set(made["session_id"].to_pylist()))
    if mode == "event" and all(later >= 0 for _, _, later, _ in steps):
        assert sum(lengths) <= sum(later for *_, later, _ in steps[1:]) + 700 * plays
