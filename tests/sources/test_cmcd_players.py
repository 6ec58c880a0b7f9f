"""Known players and their peculiarities, each as it was seen to speak."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from qoescope.catalog.cmcd import RECORDS
from qoescope.compile import arrow
from qoescope.compile.fold import sessions
from qoescope.sources.cmcd.mapping import Mapped, map_records

T = 1_762_000_000_000
Said = tuple[int, str]


def heard(reports: list[Said], requests: list[Said] | None = None) -> Mapped:
    """Event reports and media requests of (ms after T, record); of reports that is also their `ts`."""
    rows = [("event", at, f"{text},ts={T + at},v=2") for at, text in reports]
    rows += [("request", at, text) for at, text in requests or []]
    known = {f.name: arrow.TYPES[f.type] for f in RECORDS.fields}
    columns: dict[str, Any] = {
        "property": ["app"] * len(rows),
        "session_id": ["x"] * len(rows),
        "mode": [mode for mode, _, _ in rows],
        "record": [text for _, _, text in rows],
        "received_at": pa.array([(T + at) * 1000 for _, at, _ in rows], known["received_at"]),
        "kafka_offset": list(range(len(rows))),
    }
    return map_records(pa.table(columns))


def folded(found: Mapped) -> list[dict[str, Any]]:
    return sorted(sessions(found.events).to_pylist(), key=lambda row: str(row["session_id"]))


def test_hls_js_ends_in_silence_waits_inside_seeks_and_has_no_error_codes() -> None:
    found = heard(
        [
            (0, 'e=t,sid="x",sn=0'),
            (10, 'e=ps,sid="x",sn=1,sta=s'),
            (1010, 'br=(3000),e=ps,sid="x",sn=2,sta=p'),
            (6010, 'br=(3000),e=ps,sid="x",sn=3,sta=k'),
            (6110, 'br=(3000),e=ps,sid="x",sn=4,sta=r'),
            (7010, 'br=(3000),e=ps,sid="x",sn=0,sta=p'),
            (8010, 'br=(3000),e=e,sid="x",sn=1'),
            (17010, 'br=(3000),e=t,sid="x",sn=3,sta=p'),
        ]
    )
    (row,) = folded(found)
    wanted = {
        "startup_ms": 1000,
        "stall_count": 0,
        "seek_count": 1,
        "seek_ms": 1000,
        "play_ms": 15_000,
        "error_count": 1,
        "error_code": None,
        "close_reason": "timed_out",
        "bitrate_avg_kbps": 3000,
    }
    assert {name: row[name] for name in wanted} == wanted
    assert found.observed["lost_reports"].to_pylist() == [1]


def test_dash_js_says_w_before_r_and_puts_event_keys_on_media_requests() -> None:
    found = heard(
        [
            (0, 'e=ps,sid="x",sta=s'),
            (800, 'e=ps,msd=780,sid="x",sta=p'),
            (5800, 'e=ps,sid="x",sta=w'),
            (5810, 'e=ps,sid="x",sta=r'),
            (7000, 'bs,e=ps,sid="x",sta=p'),
            (9000, 'e=e,ec=27,sid="x"'),
            (9000, 'e=ps,sid="x",sta=f'),
        ],
        [(6000, f'br=3000,bs,e=ps,ot=v,sid="x",sta=e,ts={T}'), (6001, 'bs,nor="..%252Fa",ot=a,sid="x",v=2')],
    )
    (row,) = folded(found)
    wanted = {
        "startup_ms": 780,
        "starting_ms": 800,
        "stall_count": 1,
        "stall_ms": 1200,
        "play_ms": 7000,
        "error_count": 0,
        "error_code": "27",
        "close_reason": "failed",
        "source": "cmcd_v2",
    }
    assert {name: row[name] for name in wanted} == wanted
    assert found.observed["starvation_count"].to_pylist() == [1]


def test_shaka_keeps_one_sid_over_loads_and_says_s_only_once() -> None:
    rows = folded(
        heard(
            [
                (0, 'e=ps,sf=mss,sid="x",sta=d'),
                (500, 'e=ps,sid="x",sta=s'),
                (1500, 'e=ps,sid="x",sta=p'),
                (3000, 'bg,e=b,sid="x"'),
                (5000, 'e=b,sid="x"'),
                (6000, 'e=ps,sid="x",sta=w'),
                (6000, 'e=ps,sid="x",sta=r'),
                (6500, 'e=ps,sid="x",sta=p'),
                (8000, 'e=ps,sid="x",sta=d'),
                (9000, 'e=ps,sid="x",sta=p'),
                (12000, 'e=ps,sid="x",sta=e'),
            ]
        )
    )
    first, second = rows
    wanted = {
        "startup_ms": 1000,
        "hidden_ms": 2000,
        "stall_count": 1,
        "stall_ms": 500,
        "close_reason": "exited",
        "stream_format": "unknown",
    }
    assert {name: first[name] for name in wanted} == wanted
    wanted = {"session_id": "x~2", "is_play": True, "startup_ms": None, "play_ms": 3000, "close_reason": "finished"}
    assert {name: second[name] for name in wanted} == wanted


def test_media3_tells_one_stall_on_audio_and_on_video() -> None:
    found = heard(
        [],
        [
            (0, 'br=3001,d=4000,ot=v,pr=1.5,sid="x",su'),
            (1, 'br=129,d=4000,ot=a,sid="x",su'),
            (9000, 'br=129,bs,d=4000,ot=a,sid="x",su'),
            (9100, 'br=3001,bs,d=4000,ot=v,sid="x",su'),
        ],
    )
    (row,) = found.observed.to_pylist()
    assert len(found.events) == 0
    assert (row["source"], row["starvation_count"], row["requested_kbps"], row["media_ms"]) == (
        "cmcd_v1",
        1,
        3001,
        8000,
    )


def test_the_common_library_repeats_its_batch_and_its_states() -> None:
    once = [
        (0, 'e=ps,sid="x",sta=s'),
        (900, 'e=ps,sid="x",sta=p'),
        (900, 'e=ps,sid="x",sn=9,sta=p'),
        (4900, 'e=ps,sid="x",sta=q'),
    ]
    (row,) = folded(heard([*once, *once]))
    assert (row["startup_ms"], row["play_ms"], row["is_play"], row["event_count"]) == (900, 4000, True, 4)


def recorded(name: str) -> Mapped:
    """Reports as they were sent, in order."""
    lines = (Path(__file__).parent / name).read_text().splitlines()
    record = {"property": "app", "session_id": "x", "mode": "event", "target": ""}
    sent = pa.Table.from_pylist([record | {"record": line, "kafka_offset": n} for n, line in enumerate(lines)])
    arrived = pa.array([1_795_508_832_000_000] * len(lines), pa.timestamp("us", tz="UTC"))
    return map_records(sent.append_column("received_at", arrived))


def test_what_hls_js_really_sent_agrees_with_the_beacon_beside_it() -> None:
    """Recorded from hls.js 1.7.4 in Chromium: play, seek, pause, twice the speed, another seek, a slow network.

    The beacon on the same element counted 5 ms of startup, 2 seeks of 211 ms, a pause of 1,610 ms and one stall.
    """
    (row,) = folded(recorded("hls_js_1_7_4.cmcd"))
    wanted = {"startup_ms": 5, "seek_count": 2, "seek_ms": 199, "pause_count": 1, "paused_ms": 1607, "stall_count": 1}
    assert {name: row[name] for name in wanted} == wanted
    assert (row["play_ms"], row["media_ms"], row["bitrate_avg_kbps"]) == (17_106, 24_210, 2866)


def test_what_dash_js_really_sent_agrees_with_the_beacon_beside_it() -> None:
    """Recorded from dash.js 5.2.1 in Chromium: play, seek, pause, another seek, the end.

    The beacon counted 14,049 ms of play, 2 seeks of 110 ms and a pause of 1,519 ms. `w` comes inside each seek,
    `a` before `e`; `msd` is not what was waited; the first byte of requests is at times the time of day.
    """
    found = recorded("dash_js_5_2_1.cmcd")
    (row,) = folded(found)
    wanted = {
        "seek_count": 2,
        "seek_ms": 100,
        "paused_ms": 1529,
        "stall_count": 0,
        "play_ms": 14_056,
        "starting_ms": 2572,
        "startup_ms": 4,
        "close_reason": "finished",
        "content_type": "vod",
        "stream_format": "dash",
    }
    assert {name: row[name] for name in wanted} == wanted
    (asked,) = found.requests.to_pylist()
    assert (asked["request_count"], asked["error_count"], asked["host"]) == (38, 0, "cdn.example")
    assert asked["ttfb_ms_sum"] <= asked["ttlb_ms_sum"] == 1813
