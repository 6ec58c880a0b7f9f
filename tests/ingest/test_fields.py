"""One bad field is not a bad event: what cannot be meant is unknown, and counted by field."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoescope.catalog.bounds import LONGEST_CONTENT_MS
from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.events import EVENT_FIELDS
from qoescope.ingest import records
from qoescope.ingest.context import Arrival
from qoescope.ingest.judge import JudgedBeacon, judge_beacon
from qoescope.ingest.limits import Limits

NOW = 1_762_000_000_000
GOOD = {"seq": 1, "at": NOW, "type": "heartbeat", "state": "playing", "state_ms": 10_000}
NEEDED = {f.name for f in (*EVENT_FIELDS, *CONTEXT_FIELDS) if not f.nullable} - {"at"}
NUMBERS = [f.name for f in EVENT_FIELDS if f.type in ("int", "float") and f.nullable]
SENTINELS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "1e308",
    "-1e308",
    "0.5e-300",
    "true",
    "false",
    '"7"',
    "[]",
    "{}",
    "2147483647.5",
    "4294967295000",
    "9007199254740991",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1" + "0" * 400,
)
"""What players, languages and databases write for a number that they do not know."""


def verdict(body: str | bytes) -> JudgedBeacon:
    return judge_beacon(body.encode() if isinstance(body, str) else body, Arrival("shop", NOW, b"k" * 32, {}), Limits())


def with_event(name: str, text: str) -> JudgedBeacon:
    body = json.dumps({"session": {"session_id": "s"}, "events": [{**GOOD, name: "PLACE"}]})
    return verdict(body.replace('"PLACE"', text))


def with_session(name: str, text: str) -> JudgedBeacon:
    body = json.dumps({"session": {"session_id": "s", name: "PLACE"}, "events": [GOOD]})
    return verdict(body.replace('"PLACE"', text))


@pytest.mark.parametrize("text", SENTINELS)
@pytest.mark.parametrize("name", [n for n in NUMBERS if n != "rate"])
def test_a_sentinel_in_an_optional_number_is_unknown_and_its_event_stays(name: str, text: str) -> None:
    found = with_event(name, text)
    assert (found.counts.received, found.counts.accepted) == (1, 1)
    default = next(f.default for f in EVENT_FIELDS if f.name == name)
    assert (getattr(found.events[0], name), found.unknown) == (default, {name: 1})


@pytest.mark.parametrize("text", [text for text in SENTINELS if text != "0.5e-300"])
def test_a_rate_that_nothing_plays_at_is_one(text: str) -> None:
    found = with_event("rate", text)
    assert (found.events[0].rate, found.unknown) == (1.0, {"rate": 1})


@pytest.mark.parametrize("text", SENTINELS)
def test_a_sentinel_in_the_contents_length_leaves_it_unknown(text: str) -> None:
    found = with_session("content_duration_ms", text)
    assert found.session is not None
    assert (found.counts.accepted, found.session.content_duration_ms) == (1, None)
    assert found.unknown == {"content_duration_ms": 1}


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740991",
        "4294967296000",
        "1e308",
        "Infinity",
        f"{LONGEST_CONTENT_MS + 1}",
        "2147483647",
        "4294967295",
        "18446744073709551616",
        "1e400",
        "9" * 25 + ',"title":NaN',
    ],
)
@pytest.mark.parametrize("more", [{}, {"content_type": "vod"}])
def test_content_without_an_end_is_live(text: str, more: dict[str, str]) -> None:
    body = json.dumps({"session": {"session_id": "s", "content_duration_ms": "PLACE", **more}, "events": [GOOD]})
    session = verdict(body.replace('"PLACE"', text)).session
    assert session is not None
    assert (session.content_type, session.content_duration_ms) == ("live", None)


@pytest.mark.parametrize("text", ["-9223372036854775807", "-1", "0", "NaN", '"PT2H"', "12.5"])
def test_a_length_that_is_only_not_known_says_nothing_of_live(text: str) -> None:
    session = with_session("content_duration_ms", text).session
    assert session is not None
    assert (session.content_type, session.content_duration_ms) == (None, None)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("state_ms", "10000.0", 10_000),
        ("seq", "3.0", 3),
        ("bitrate_kbps", "4500.00", 4500),
        ("startup_ms", "1.2e3", 1200),
        ("at", f"{NOW}.0", NOW),
        ("playhead_ms", "-0.0", 0),
    ],
)
def test_a_number_without_a_fraction_is_whole_however_it_is_written(name: str, text: str, value: int) -> None:
    found = with_event(name, text)
    assert (getattr(found.events[0], name), type(getattr(found.events[0], name)), found.unknown) == (value, int, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ad", '"yes"'),
        ("ad", "1"),
        ("hidden", "[]"),
        ("error_class", '"fatal"'),
        ("reason", '"crashed"'),
        ("error_code", "false"),
        ("cdn", "{}"),
        ("next_cdn", "1.5"),
    ],
)
def test_an_optional_flag_word_or_text_of_a_wrong_kind_is_unknown(name: str, text: str) -> None:
    found = with_event(name, text)
    default = next(f.default for f in EVENT_FIELDS if f.name == name)
    assert (found.counts.accepted, getattr(found.events[0], name), found.unknown) == (1, default, {name: 1})


def test_a_whole_number_where_text_belongs_is_its_text() -> None:
    session = with_session("content_id", "42").session
    assert session is not None
    assert session.content_id == "42"


@pytest.mark.parametrize("text", ["NaN", "-1", '"now"', "true", "1e300", "null", "9007199254740993"])
def test_an_event_that_tells_no_time_is_placed_at_its_arrival_and_marked(text: str) -> None:
    (event,) = with_event("at", text).events
    assert msgspec.to_builtins(event)["clock_adjusted"]
    assert event.at == NOW


@pytest.mark.parametrize("text", ["NaN", '"now"', "1e300", "null"])
def test_a_time_that_is_none_counts_once(text: str) -> None:
    assert with_event("at", text).unknown == {"at": 1}


@pytest.mark.parametrize("text", ["NaN", '"2026-01-02T10:00:00Z"', "1e300", "true"])
def test_a_time_of_sending_that_is_none_is_counted_and_says_nothing(text: str) -> None:
    body = json.dumps({"session": {"session_id": "s"}, "events": [GOOD], "sent_at": "PLACE"})
    found = verdict(body.replace('"PLACE"', text))
    assert (found.counts.accepted, found.sent_at, found.unknown) == (1, None, {"sent_at": 1})


@pytest.mark.parametrize("name", sorted(NEEDED - {"session_id"}))
@pytest.mark.parametrize("text", ["NaN", "-1", "1e308", "true", "[]", '"?"'])
def test_only_what_makes_an_event_meaningless_refuses_it(name: str, text: str) -> None:
    found = with_event(name, text)
    assert (found.counts.accepted, found.counts.invalid) == (0, 1)


def test_a_sequence_number_beyond_all_sessions_is_filtered_not_invalid() -> None:
    found = with_event("seq", "4294967295")
    assert [(v.outcome, v.reason, v.seq) for v in found.verdicts] == [("filtered", "session_too_long", 4294967295)]


def test_members_that_nobody_knows_may_hold_any_number() -> None:
    assert with_event("memory_bytes", "18446744073709551615").counts.accepted == 1


def test_a_long_text_is_cut_however_long_it_is() -> None:
    found = with_event("error_code", json.dumps("at frame\n" * 2_000))
    assert (found.counts.accepted, len(found.events[0].error_code)) == (1, 512)


def test_an_empty_beacon_without_a_session_is_answered() -> None:
    found = verdict('{"session":{},"events":[]}')
    assert (found.counts.received, found.dead) == (0, None)
    assert len(records.beacon_records(found, Arrival("shop", NOW, b"k" * 32, {}))) == 1


def test_the_counts_of_what_is_unknown_travel_with_the_events() -> None:
    found = verdict(
        json.dumps(
            {
                "session": {"session_id": "s", "content_duration_ms": -1},
                "events": [
                    {**GOOD, "width": -1, "height": -1},
                    {**GOOD, "seq": 2, "width": 1e9},
                    {**GOOD, "seq": 0, "width": -1},
                ],
            }
        )
    )
    (record, _letter) = records.beacon_records(found, Arrival("shop", NOW, b"k" * 32, {}))
    assert json.loads(record.value)["unknown"] == {"content_duration_ms": 1, "width": 2, "height": 1}


ODD = st.sampled_from(SENTINELS) | st.integers(-(2**70), 2**70).map(str) | st.floats().map(json.dumps)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(NUMBERS), ODD, min_size=1),
    st.dictionaries(st.sampled_from([f.name for f in CONTEXT_FIELDS if f.name != "session_id"]), ODD),
)
def test_whatever_numbers_players_write_the_event_is_kept_and_its_record_is_json(
    event: dict[str, str], session: dict[str, str]
) -> None:
    told, said = ("".join(f',"{name}":{text}' for name, text in some.items()) for some in (session, event))
    found = verdict('{"session":{"session_id":"s"' + told + '},"events":[' + json.dumps(GOOD)[:-1] + said + "}]}")
    assert (found.counts.received, found.counts.accepted) == (1, 1)
    for one in (found.events[0], found.session):
        again = msgspec.json.decode(msgspec.json.encode(one))
        assert set(again) <= {f.name for f in (*EVENT_FIELDS, *CONTEXT_FIELDS)}
