"""What CMCD sessions tell of delivery, and what they cannot tell."""

from typing import Any

import pyarrow as pa

from qoescope.catalog.cmcd import OBSERVED, RECORDS, REQUESTS, Rules
from qoescope.compile import arrow
from qoescope.compile.fold import sessions
from qoescope.sources.cmcd.mapping import Mapped, map_records

T = 1_762_000_000_000
Row = tuple[int, str] | tuple[int, str, dict[str, Any]]


def made(rows: list[Row], mode: str = "request", rules: Rules | None = None) -> Mapped:
    """Of (arrival in ms, record, other columns), one session."""
    known = {f.name: arrow.TYPES[f.type] for f in RECORDS.fields}
    lines = [
        {"property": "app", "session_id": "x", "mode": mode, "record": row[1], "kafka_offset": place} | dict(*row[2:])
        for place, row in enumerate(rows)
    ]
    columns: dict[str, Any] = {
        name: pa.array([line.get(name) for line in lines], known[name]) for name in {n for line in lines for n in line}
    }
    columns["received_at"] = pa.array([(T + row[0]) * 1000 for row in rows], known["received_at"])
    return map_records(pa.table(columns), {} if rules is None else {"app": rules})


V1: list[Row] = [
    (0, "br=1000,d=4000,mtp=2500,ot=v,sid=\"x\",su", {"host": "a.example"}),
    (100, "br=128,d=4000,ot=a,sid=\"x\",bs", {"host": "a.example"}),
    (4000, "bl=1200,br=3000,bs,d=4000,mtp=3500,ot=v,sid=\"x\",tb=6000", {"host": "b.example", "status": 404}),
    (5000, "br=3000,bs,d=2000,ot=i,sid=\"x\"", {"host": "b.example", "status": 200}),
    (9000, "br=3000,bs,d=2000,ot=v,sid=\"x\",sf=d,st=v,cid=\"film\"", {"host": "b.example"}),
]  # fmt: skip


def test_a_version_1_session_is_observed_and_never_an_attempt() -> None:
    found = made(V1)
    assert len(found.events) == 0
    (row,) = found.observed.to_pylist()
    wanted = {
        "source": "cmcd_v1", "tells_states": False, "request_count": 5, "request_errors": 1, "media_ms": 10_000,
        "requested_kbps_ms": 22_000_000, "requested_ms": 10_000, "requested_kbps": 2200, "top_kbps": 6000,
        "throughput_kbps_sum": 6000, "throughput_count": 2, "buffer_ms_sum": 1200, "starvation_count": 2,
        "live_latency_ms_sum": None, "lost_reports": None, "content_id": "film", "stream_format": "dash",
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted


def test_version_1_in_reports_of_its_own_is_as_if_on_requests() -> None:
    rows: list[Row] = [(0, 'br=1000,bs,d=4000,ot=v,sid="x"'), (4000, 'br=1000,bs,d=4000,ot=v,sid="x"')]
    (row,) = made(rows, "event").observed.to_pylist()
    assert (row["source"], row["starvation_count"], row["media_ms"]) == ("cmcd_v1", 2, 8000)


def test_what_cannot_be_told_is_null_and_never_zero() -> None:
    (row,) = made([(0, 'ot=m,sid="x"')]).observed.to_pylist()
    cannot = {f.name for f in OBSERVED.fields if f.nullable} - {
        "content_id",
        "content_type",
        "stream_format",
        "cdn",
        "notes",
    }
    assert {name for name in cannot if row[name] is not None} == {"request_count"}


def test_audio_counts_starvations_only_where_nothing_else_was_asked_for() -> None:
    (row,) = made([(0, "bs,ot=a"), (1000, "bs,ot=a"), (9000, "bs,ot=a")]).observed.to_pylist()
    assert row["starvation_count"] == 2


def test_requests_are_counted_by_host() -> None:
    found = made(V1, rules=Rules(hosts={"b.example": "two"}))
    assert found.requests.schema == arrow.schema(REQUESTS)
    rows = {(row["host"], row["cdn"]): row for row in found.requests.to_pylist()}
    assert {who: (row["request_count"], row["status_count"], row["error_count"]) for who, row in rows.items()} == {
        ("a.example", "unknown"): (2, 0, 0),
        ("b.example", "two"): (3, 2, 1),
    }


def test_response_reports_are_preferred_over_the_requests_that_they_repeat() -> None:
    rows: list[Row] = [
        (0, 'd=4000,br=(1000),e=rr,rc=200,ts=1762000000000,ttfb=40,ttlb=90,url="https://a.example/1",v=2'),
        (1, 'e=rr,rc=0,ts=1762000000001,url="https://a.example/2",v=2'),
        (2, "br=1000,d=4000", {"mode": "request", "host": "a.example"}),
    ]
    (row,) = made(rows, "event").requests.to_pylist()
    assert (row["request_count"], row["error_count"], row["ttfb_ms_sum"], row["requested_ms"]) == (2, 1, 40, 4000)


def test_lost_reports_are_gaps_by_target_and_run() -> None:
    numbers = [(0, 0, "a"), (1, 2, "a"), (2, 3, "a"), (3, 0, "a"), (4, 2, "a"), (5, 5, "b")]
    rows: list[Row] = [(at, f"e=t,sn={n},ts={T + at},v=2", {"target": to}) for at, n, to in numbers]
    (row,) = made(rows, "event").observed.to_pylist()
    assert (row["lost_reports"], row["source"]) == (2, "cmcd_v2")


def request(at: int, text: str) -> Row:
    return at, f"{text},v=2"


def test_requests_of_version_2_tell_a_play_only_once_it_was_seen() -> None:
    assert not made([request(0, "sta=s"), request(500, "sta=s")]).observed["tells_states"][0].as_py()
    found = made(
        [
            request(0, "sta=s"),
            request(900, "msd=700,sta=p"),
            request(11_000, "bl=(500),sta=p"),
            request(12_000, "sta=r"),
        ]
    )
    rows = [(row["type"], row["state"], row["state_ms"], row["startup_ms"]) for row in found.events.to_pylist()]
    assert rows == [
        ("playback_request", "idle", 0, None),
        ("playback_start", "starting", 700, 700),
        ("heartbeat", "playing", 10_100, None),
        ("playback_stall", "playing", 1000, None),
    ]


def test_requests_without_msd_leave_startup_unknown() -> None:
    found = made([request(0, "sta=s"), request(900, "sta=p"), request(11_000, "sta=p")])
    assert [(row["type"], row["state"]) for row in found.events.to_pylist()] == [("heartbeat", "playing")] * 2


def test_requests_have_no_say_beside_reports() -> None:
    rows: list[Row] = [
        (0, f"e=ps,sta=s,ts={T},v=2"),
        (900, f"e=ps,sta=p,ts={T + 900},v=2"),
        (2000, "sta=r,v=2", {"mode": "request"}),
        (3000, "br=3000,bs", {"mode": "request"}),
        (5000, f"e=ps,sta=q,ts={T + 5000},v=2"),
    ]
    found = made(rows, "event")
    assert [(row["type"], row["state_ms"]) for row in found.events.to_pylist()] == [
        ("playback_request", 0),
        ("playback_start", 900),
        ("playback_finish", 4100),
    ]
    assert len(found.observed) == 1


def test_requests_tell_stalls_by_their_counters_and_never_by_flags_or_waits() -> None:
    counted = made(
        [request(0, "msd=700,sta=p"), request(5000, "sta=r"), request(9000, "bsd=(1500),sta=p"), request(9500, "sta=q")]
    )
    (row,) = sessions(counted.events).to_pylist()
    assert (row["stall_count"], row["stall_ms"], row["play_ms"]) == (1, 1500, 8000)
    waited = made(
        [request(0, "msd=700,sta=p"), request(5000, "sta=w"), request(9000, "bs,sta=p"), request(9500, "sta=q")]
    )
    (row,) = sessions(waited.events).to_pylist()
    assert (row["stall_count"], row["stall_ms"], row["play_ms"]) == (0, 0, 9500)


def test_requests_that_change_nothing_make_no_event() -> None:
    found = made(
        [request(0, "msd=700,sta=p"), *(request(at, "br=(3000),ot=v,sta=p") for at in range(1000, 31_000, 1000))]
    )
    assert [row["state_ms"] for row in found.events.to_pylist() if row["state"] == "playing"] == [1000, 10_000, 10_000]


def test_a_player_that_tells_no_states_may_still_say_how_long_it_took_to_start() -> None:
    """Shaka 5.2 does so; it is no attempt, and only what it said is kept."""
    found = made([(0, 'e=t,sid="x",ts=1,v=2'), (2000, 'e=t,msd=2334,sid="x",ts=2001,v=2')], "event")
    (row,) = found.observed.to_pylist()
    assert (row["startup_ms"], row["tells_states"], len(found.events)) == (2334, False, 0)


def test_hosts_that_differ_in_characters_that_are_not_stored_are_one_row() -> None:
    hosts = ["xy", "x\0y", "\0", None, "x\x01y", "x\ufffdy"]
    rows = made([(place, 'br=1000,sid="x"', {"host": host}) for place, host in enumerate(hosts)]).requests.to_pylist()
    assert {row["host"]: row["request_count"] for row in rows} == {"xy": 2, "unknown": 2, "x\ufffdy": 2}
    assert len(rows) == 3
