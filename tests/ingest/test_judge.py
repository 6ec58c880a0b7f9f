"""Each event is judged on its own; whatever bytes come, a verdict comes back."""

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qoescope.catalog.doors import LONGEST_TEXT
from qoescope.compile import wire
from qoescope.ingest.bodies import Refused
from qoescope.ingest.context import Arrival
from qoescope.ingest.judge import JudgedBeacon, judge_beacon, withdraw
from qoescope.ingest.limits import Limits

NOW = 1_762_000_000_000
LIMITS = Limits()
ARRIVAL = Arrival("shop", NOW, b"k" * 32, {})
GOOD = {"seq": 1, "at": NOW, "type": "heartbeat", "state": "playing", "state_ms": 10_000}
Event = dict[str, object]


def beacon(*events: object, session: object = None, **more: object) -> bytes:
    return json.dumps({"session": session or {"session_id": "s1"}, "events": events, **more}).encode()


def raw(*events: bytes) -> bytes:
    return b'{"session":{"session_id":"s1"},"events":[' + b",".join(events) + b"]}"


def verdict(body: bytes) -> JudgedBeacon:
    return judge_beacon(body, ARRIVAL, LIMITS)


def outcomes(found: JudgedBeacon) -> tuple[int, int, int, int, int]:
    c = found.counts
    return c.received, c.accepted, c.duplicate, c.invalid, c.filtered


def test_a_beacon_as_declared_is_accepted_whole() -> None:
    found = verdict(beacon(GOOD, {**GOOD, "seq": 2, "bitrate_kbps": 4500}, sent_at=NOW - 5))
    assert outcomes(found) == (2, 2, 0, 0, 0)
    assert [event.seq for event in found.events] == [1, 2]
    assert (found.sent_at, found.verdicts, found.dead) == (NOW - 5, [], None)


def test_a_bad_event_never_sinks_its_neighbours() -> None:
    found = verdict(beacon(GOOD, {**GOOD, "seq": 0}, 5, {**GOOD, "seq": 3}))
    assert outcomes(found) == (4, 2, 0, 2, 0)
    assert [(v.index, v.outcome, v.seq) for v in found.verdicts] == [(1, "invalid", 0), (2, "invalid", None)]


def test_the_dead_letter_is_a_beacon_of_the_bad_events_bytes() -> None:
    bad = b'{ "seq" : -7, "note":"as sent" }'
    found = verdict(raw(json.dumps(GOOD).encode(), bad))
    assert found.dead == raw(bad)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"seq": None}, "missing required field `seq`"),
        ({"seq": 1.5}, "Expected `int`"),
        ({"seq": "1"}, "Expected `int`"),
        ({"seq": True}, "Expected `int`"),
        ({"seq": 2**53 + 1}, "<= 10000000"),
        ({"seq": float(2**60)}, "<= 10000000"),
        ({"state_ms": -1}, ">= 0"),
        ({"state_ms": 86_400_001}, "<= 86400000"),
        ({"state_ms": "long"}, "Expected `int`"),
        ({"type": "play"}, "Invalid enum value"),
        ({"type": "heartbeat\0"}, "Invalid enum value"),
        ({"note": "x" * 4097}, "a text of more than 4096 bytes"),
        ({"note": "é" * 2049}, "a text of more than 4096 bytes"),
        ({"note": {str(i): i for i in range(65)}}, "more than 64 keys"),
        ({"note": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}, "nested deeper than 32"),
        ({"note": list(range(9000))}, "larger than 32768 bytes"),
    ],
)
def test_wrong_values_are_invalid_with_a_reason(wrong: Event, reason: str) -> None:
    found = verdict(beacon({**GOOD, **wrong}, {**GOOD, "seq": 2}))
    assert outcomes(found) == (2, 1, 0, 1, 0)
    assert reason in found.verdicts[0].reason


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            b'{"seq":1,"at":1,"type":"heartbeat","state":"playing","state_ms":1e999}',
            "`state_ms` is infinite, or",
        ),
        (
            b'{"seq":1,"at":1,"type":"heartbeat","state":"playing","state_ms":-1E400}',
            "`state_ms` is infinite, or",
        ),
        (b'{"seq":1,"at":1,"type":"heartbeat","state":"playing","state_ms":NaN}', "`state_ms` is NaN: send a number"),
        (b'{"seq":NaN,"at":1,"type":"heartbeat","state":"playing","state_ms":1}', "`seq` is NaN: send a number"),
        (
            b'{"seq":1,"at":1,"type":"heartbeat","state":"playing","state_ms":%s}' % (b"8" * 5000),
            "`state_ms` is a number of 5,000 digits",
        ),
        (b'"text"', "not an object"),
        (b"null", "not an object"),
        (b"[]", "not an object"),
    ],
)
def test_bytes_that_parse_only_in_part_are_invalid(bad: bytes, reason: str) -> None:
    found = verdict(raw(bad, json.dumps({**GOOD, "seq": 2}).encode()))
    assert outcomes(found) == (2, 1, 0, 1, 0)
    assert reason in found.verdicts[0].reason


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nope", 400),
        (b"[1]", 400),
        (b"{}", 400),
        (b'{"events":[]}', 400),
        (b'{"session":{"session_id":"s"},"events":{}}', 400),
        (beacon(GOOD) + b"x", 400),
        (b"[" * 10_000 + b"]" * 10_000, 400),
        (raw(b"[" * 10_000 + b"]" * 10_000), 400),
        (beacon(*[{**GOOD, "seq": n} for n in range(1, 2002)]), 413),
    ],
)
def test_a_body_that_is_no_beacon_is_refused_whole_with_its_bytes(body: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        verdict(body)
    assert (refused.value.status, refused.value.body) == (status, body)


@pytest.mark.parametrize(
    "session",
    [{}, {"session_id": ""}, {"session_id": 7}, {"session_id": "a\0b"}, {"session_id": "x" * 201},
     {"session_id": "a\u2028b"}, {"session_id": "cut \ud83d"}, "s", {str(i): i for i in range(70)}],
)  # fmt: skip
def test_a_bad_context_makes_each_event_invalid_and_keeps_the_body(session: object) -> None:
    body = json.dumps({"session": session, "events": [GOOD, {**GOOD, "seq": 2}]}).encode()
    found = verdict(body)
    assert outcomes(found) == (2, 0, 0, 2, 0)
    assert all(v.reason.startswith("session: ") for v in found.verdicts)
    assert (found.session, found.dead) == (None, body)


def test_what_a_newer_player_adds_is_ignored() -> None:
    found = verdict(beacon({**GOOD, "mood": "good"}, session={"session_id": "s", "weather": {"sun": 1}}, schema=2))
    assert outcomes(found) == (1, 1, 0, 0, 0)


def test_null_is_absent() -> None:
    found = verdict(beacon({**GOOD, "ad": None, "rate": None, "cdn": None}, session={"session_id": "s", "os": None}))
    assert (found.events[0].ad, found.events[0].rate, found.events[0].cdn) == (False, 1.0, None)


def test_the_last_of_repeated_keys_wins() -> None:
    found = verdict(raw(b'{"seq":1,"seq":2,"at":5,"type":"heartbeat","state":"playing","state_ms":1}'))
    assert [event.seq for event in found.events] == [2]


def test_a_negative_zero_is_zero() -> None:
    found = verdict(raw(b'{"seq":1,"at":5,"type":"heartbeat","state":"playing","state_ms":-0,"rate":-0.0}'))
    assert (found.events[0].state_ms, found.events[0].rate) == (0, 0)


def test_long_texts_are_cut_nul_is_taken_out_and_urls_lose_their_query() -> None:
    sent = {"error_code": "E" * 600, "cdn": "c\0dn", "next_cdn": "https://cdn.example/a?user=bob#x"}
    (event,) = verdict(beacon({**GOOD, **sent})).events
    assert (event.error_code, event.cdn, event.next_cdn) == ("E" * LONGEST_TEXT, "cdn", "https://cdn.example/a")


def test_a_url_with_escaped_slashes_loses_its_query_too() -> None:
    body = beacon({**GOOD, "error_code": "https://a/b?token=1"}).replace(b"/", b"\\/")
    assert verdict(body).events[0].error_code == "https://a/b"


def test_exact_repeats_in_a_beacon_are_duplicates_and_other_bodies_go_on_to_the_lake() -> None:
    found = verdict(beacon(GOOD, GOOD, {**GOOD, "state_ms": 5}))
    assert outcomes(found) == (3, 2, 1, 0, 0)
    assert [event.state_ms for event in found.events] == [10_000, 5]


def test_a_clock_that_is_ahead_is_set_to_the_collectors_and_marked() -> None:
    edge, beyond = NOW + LIMITS.ahead_ms, NOW + LIMITS.ahead_ms + 1
    found = verdict(beacon({**GOOD, "at": edge}, {**GOOD, "seq": 2, "at": beyond}))
    assert [event.at for event in found.events] == [edge, NOW]
    assert [msgspec.to_builtins(event).get("clock_adjusted") for event in found.events] == [None, True]


def test_events_beyond_a_sessions_cap_are_filtered() -> None:
    found = verdict(beacon({**GOOD, "seq": 20_000}, {**GOOD, "seq": 20_001}))
    assert outcomes(found) == (2, 1, 0, 0, 1)
    assert found.verdicts[0].reason == "session_too_long"


def test_a_beacon_of_two_thousand_events_is_taken() -> None:
    assert outcomes(verdict(beacon(*[{**GOOD, "seq": n} for n in range(1, 2001)]))) == (2000, 2000, 0, 0, 0)


def test_an_event_padded_beyond_its_size_is_invalid() -> None:
    padded = json.dumps(GOOD).encode().replace(b"}", b" " * 33_000 + b"}")
    assert outcomes(verdict(raw(padded))) == (1, 0, 0, 1, 0)


def test_withdrawn_events_keep_the_sum() -> None:
    found = withdraw(verdict(beacon(GOOD, 5, {**GOOD, "seq": 2})), "filtered", "switched_off")
    assert outcomes(found) == (3, 0, 0, 1, 2)
    assert [(v.index, v.outcome) for v in found.verdicts] == [(0, "filtered"), (1, "invalid"), (2, "filtered")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from([*GOOD, "rate", "cdn", "startup_ms", "error_code", "ad"])
EVENTS = st.lists(st.dictionaries(NAMES, JSON).map(lambda wrong: {**GOOD, **wrong}) | JSON, max_size=6)


def tried(body: bytes) -> JudgedBeacon | Refused:
    try:
        return verdict(body)
    except Refused as refused:
        return refused


def sums_up(found: JudgedBeacon) -> bool:
    c = found.counts
    return c.received == c.accepted + c.duplicate + c.invalid + c.filtered and c.accepted == len(found.events)


@settings(max_examples=150, deadline=None)
@given(events=EVENTS, session=st.just({"session_id": "s"}) | JSON)
def test_whatever_json_comes_each_event_has_one_outcome_and_what_is_accepted_is_valid(
    events: list[object], session: object
) -> None:
    body = json.dumps({"session": session, "events": events}).encode()
    found = tried(body)
    if isinstance(found, Refused):
        return  # NaN and Infinity, which Python writes
    assert found.counts.received == len(events)
    assert sums_up(found)
    assert len({v.index for v in found.verdicts}) == len(found.verdicts) == len(events) - found.counts.accepted
    for event in found.events:
        again = msgspec.json.encode(event)
        assert b"\\u0000" not in again
        assert msgspec.json.decode(again)["seq"] == event.seq


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=200))
@example(b'{"session":\xff,"events":[]}')
def test_whatever_bytes_come_the_answer_is_a_verdict_or_a_refusal(body: bytes) -> None:
    found = tried(body)
    assert found.status in (400, 413) if isinstance(found, Refused) else sums_up(found)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_beacon_with_one_byte_changed_is_a_verdict_or_a_refusal(data: st.DataObject) -> None:
    body = bytearray(beacon(GOOD, {**GOOD, "seq": 2}))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    found = tried(bytes(body))
    assert found.status == 400 if isinstance(found, Refused) else sums_up(found)


@pytest.mark.parametrize("patient", [False, True])
def test_both_ways_of_judging_keep_the_same(patient: bool) -> None:
    sent = {**GOOD, "rate": 1.25, "cdn": "cdn_a", "startup_ms": 900, "error_class": "business", "hidden": True}
    more: dict[str, object] = {"unknown_to_us": 1} if patient else {}
    (event,) = verdict(beacon({**sent, **more})).events
    assert msgspec.to_builtins(event) == sent


def test_a_record_of_accepted_events_reads_back_as_the_wires_type() -> None:
    found = verdict(beacon(GOOD))
    record = wire.Record("shop", NOW, None, found.counts, found.session, found.events)
    assert msgspec.json.decode(msgspec.json.encode(record), type=wire.Record) == record
