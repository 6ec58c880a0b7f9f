"""What lies in the log, taken apart: nothing in a record can make it fail, and every record is accounted for."""

import json
from datetime import UTC, date, datetime
from hashlib import md5
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoescope.catalog.events import EVENT_FIELDS
from qoescope.compile.buckets import bucket_of, bucket_sql
from qoescope.compile.records.parsing import RECORDS, Parsed, parse_records
from qoescope.lake.deduplication import count_kept

RECEIVED_MS = 1_762_000_001_123
MINUTE = datetime(2025, 11, 1, 12, 26)  # noqa: DTZ001 - DuckDB's own, in UTC
EVENT = {"seq": 1, "at": RECEIVED_MS - 1000, "type": "heartbeat", "state": "playing", "state_ms": 900}
COUNTS = {"received": 1, "accepted": 1, "duplicate": 0, "invalid": 0, "filtered": 0}


def record(**changes: Any) -> bytes:
    told = {"property": "app", "received_at": RECEIVED_MS, "sent_at": RECEIVED_MS - 5, "counts": COUNTS,
            "session": {"session_id": "s1", "started_at": RECEIVED_MS - 60_000, "asn": 4766},
            "events": [EVENT]}  # fmt: skip
    return json.dumps(told | changes).encode()


def table(*values: bytes | None) -> pa.Table:
    rows = [{"key": b"s1", "value": v, "kafka_partition": 0, "kafka_offset": i} for i, v in enumerate(values)]
    return pa.Table.from_pylist(rows, RECORDS)


def parsed(*values: bytes | None) -> Parsed:
    return parse_records(table(*values), 8)


def test_an_event_carries_its_session_and_where_it_came_from() -> None:
    (row,) = parsed(record()).events.to_pylist()
    assert (row["property"], row["session_id"], row["seq"], row["state_ms"], row["asn"]) == (
        "app",
        "s1",
        1,
        900,
        "4766",
    )
    assert (row["device_type"], row["rate"], row["bitrate_kbps"], row["ad"]) == ("unknown", 1.0, None, False)
    assert row["received_at"] == datetime(2025, 11, 1, 12, 26, 41, 123_000, UTC)
    assert (row["kafka_partition"], row["kafka_offset"], row["position"]) == (0, 0, 0)
    assert (row["session_day"], row["bucket"]) == (date(2025, 11, 1), md5(b"s1").digest()[0] % 8)  # noqa: S324


@given(st.text(min_size=1, max_size=40), st.sampled_from((1, 8, 13, 256)))
def test_a_session_lies_in_the_bucket_where_it_is_looked_for(session_id: str, buckets: int) -> None:
    found = duckdb.execute(f"select {bucket_sql('$1', buckets)}", [session_id]).fetchall()
    assert found == [(bucket_of(session_id, buckets),)]


def test_a_session_lies_in_the_day_of_its_start() -> None:
    yesterday = {"session_id": "s1", "started_at": RECEIVED_MS - 86_400_000}
    assert parsed(record(session=yesterday)).events["session_day"].to_pylist() == [date(2025, 10, 31)]


def test_a_start_that_no_clock_can_mean_is_not_believed() -> None:
    odd = {"session_id": "s1", "started_at": 2**53}
    (row,) = parsed(record(session=odd)).events.to_pylist()
    assert (row["session_day"], row["session_started_at"]) == (date(2025, 11, 1), None)


def test_the_doors_counts_add_up_by_minute() -> None:
    found = parsed(record(), record(counts=COUNTS | {"received": 3, "invalid": 2})).counts.to_pylist()
    assert [(r["minute_at"], r["received"], r["accepted"], r["invalid"]) for r in found] == [(MINUTE, 4, 2, 2)]


def test_a_tick_tells_what_was_refused_and_holds_no_event() -> None:
    tick = {"tick": True, "property": "_door", "received_at": RECEIVED_MS, "rate_limited": [["app", RECEIVED_MS, 7]]}
    found = parsed(json.dumps(tick).encode())
    assert (len(found.events), len(found.unreadable)) == (0, 0)
    (row,) = found.counts.to_pylist()
    assert (row["property"], row["minute_at"], row["received"], row["rate_limited"]) == ("app", MINUTE, 7, 7)


@pytest.mark.parametrize(
    "poison",
    [b"no json", b"\xff\xfe", b"{}", b"[]", b"null", b"", None, b'{"property":5,"received_at":1e300}',
     b'{"property":"app","received_at":"soon"}', record(property="P").replace(b'"P"', b'"\\ud800"'),
     record(property="P").replace(b'"P"', b'"\xed\xa0\x80"')],
)  # fmt: skip
def test_a_poison_record_is_kept_and_its_neighbours_are_read(poison: bytes | None) -> None:
    found = parsed(record(), poison, record())
    assert (len(found.events), found.unreadable["reason_kept"].to_pylist()) == (2, ["unreadable"])


def test_nul_is_left_out_since_postgres_would_refuse_it() -> None:
    said = {"session_id": "a\0b", "content_id": "\0\0x", "cdn": "back\\u0000slash"}
    (row,) = parsed(record(property="p\0q", session=said)).events.to_pylist()
    assert [row[name] for name in ("property", *said)] == ["pq", "ab", "x", "back\\u0000slash"]


def test_an_event_that_lacks_what_it_needs_is_kept_aside_alone() -> None:
    found = parsed(record(events=[EVENT, {"seq": 2**70, "type": 3}], counts=COUNTS | {"received": 2, "accepted": 2}))
    assert (len(found.events), found.unreadable["reason_kept"].to_pylist()) == (1, ["malformed"])


def test_each_malformed_event_is_kept_by_itself_not_with_all_the_others_of_its_record() -> None:
    broken = [{"seq": number, "type": "heartbeat", "at": None} for number in range(2000)]
    found = parsed(record(), record(events=[EVENT, *broken], counts=COUNTS | {"received": 2001, "accepted": 2001}))
    assert len(found.events) == 2
    assert [json.loads(text) for text in found.unreadable["record"].to_pylist()] == broken


def test_cmcd_is_kept_report_by_report() -> None:
    counts = COUNTS | {"received": 2, "accepted": 2}
    body = {"property": "app", "received_at": RECEIVED_MS, "counts": counts, "cmcd": ["sta=p", "sta=w"], "target": "t"}
    found = parsed(json.dumps(body).encode()).reports.to_pylist()
    assert [(r["session_id"], r["position"], r["record"]) for r in found] == [("s1", 0, "sta=p"), ("s1", 1, "sta=w")]


def test_offsets_tell_what_was_read() -> None:
    assert parsed(record(), record()).offsets.to_pylist() == [
        {"kafka_partition": 0, "first_offset": 0, "next_offset": 2, "records": 2,
         "complete_until": datetime(2025, 11, 1, 12, 26, 41, 123_000)}  # noqa: DTZ001
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [("state_ms", -(2**62)), ("seq", 2**60), ("state_ms", 2**63), ("type", None)])
def test_what_makes_an_event_meaningless_keeps_it_aside(wrong: tuple[str, object]) -> None:
    found = parsed(record(events=[EVENT | dict([wrong])]), record())
    assert (len(found.events), found.unreadable["reason_kept"].to_pylist()) == (1, ["malformed"])


BEYOND = (-1, 2**31, 2**32 - 1, 2**53 - 1, 2**63 - 1, 2**64 - 1, -(2**63), 1e308)


@pytest.mark.parametrize("value", BEYOND)
def test_optional_numbers_beyond_all_meaning_are_unknown_and_their_event_stays(value: float) -> None:
    numbers = [f for f in EVENT_FIELDS if f.nullable and f.bounds and not f.bounds[0] <= value <= f.bounds[1]]
    (row,) = parsed(record(events=[EVENT | {f.name: value for f in numbers}])).events.to_pylist()
    assert {f.name: row[f.name] for f in numbers} == {f.name: f.default for f in numbers}
    assert numbers


@pytest.mark.parametrize("value", [*BEYOND, 0, 1000])
def test_a_time_that_no_clock_can_mean_places_its_event_at_arrival(value: float) -> None:
    found = parsed(record(events=[EVENT | {"at": value}], sent_at=value)).events
    assert [(r["at"], r["clock_adjusted"]) for r in found.to_pylist()] == [(found["received_at"][0].as_py(), True)]


def test_a_length_that_no_content_has_is_live_without_one() -> None:
    said = {"session_id": "s1", "content_duration_ms": 2**53 - 1, "content_type": "vod"}
    (row,) = parsed(record(session=said)).events.to_pylist()
    assert (row["content_type"], row["content_duration_ms"]) == ("live", None)


def test_a_ticks_numbers_beyond_all_counts_are_none() -> None:
    refused = [["a", 2**62, 2**62], ["a", RECEIVED_MS, 2**62]]
    tick = {"property": "_door", "received_at": RECEIVED_MS, "tick": True, "rate_limited": refused}
    assert [(r["property"], r["rate_limited"]) for r in parsed(json.dumps(tick).encode()).counts.to_pylist()] == [
        ("a", 0)
    ]


SHAPES: dict[str, dict[str, Any]] = {
    "events are an object": {"events": {"0": EVENT}},
    "events are a text": {"events": json.dumps([EVENT])},
    "events are a number": {"events": 1},
    "events are missing": {"events": None},
    "fewer events than accepted": {"events": [], "counts": COUNTS},
    "more events than accepted": {"events": [EVENT, EVENT | {"seq": 2}]},
    "the session is a list": {"session": [{"session_id": "s1"}]},
    "the session is missing": {"session": None},
    "the session has no id": {"session": {"started_at": RECEIVED_MS}},
    "neither counts nor events": {"counts": None, "events": None},
    "counts are a list": {"counts": [1, 1, 0, 0, 0]},
    "counts are negative": {"counts": COUNTS | {"received": 0, "invalid": -1}},
    "counts do not add up": {"counts": COUNTS | {"received": 7}},
    "counts are beyond all counts": {"counts": COUNTS | {"received": 2**62 + 1, "invalid": 2**62}},
    "counts add up beyond 64 bits": {"counts": COUNTS | {"invalid": 2**63 - 1}},
    "reports are no list": {"events": [], "cmcd": {"0": "sta=p"}},
    "another version": {"version": 2},
    "a version by name": {"version": "v2"},
    "it came when no door was": {"received_at": 5},
    "it came after all doors": {"received_at": 2**53},
}


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_a_record_of_another_shape_is_kept_with_its_bytes_and_booked(changes: dict[str, Any]) -> None:
    odd = record(**changes)
    found = parsed(record(), odd, record())
    assert len(found.events) == 2
    assert [json.loads(text) for text in found.unreadable["record"].to_pylist()] == [json.loads(odd)]
    assert sum(found.counts["accepted"].to_pylist()) == 3
    kept = count_kept(found.unreadable, found.reports)
    assert sum(kept["quarantined"].to_pylist()) == 1


def test_a_record_without_books_is_booked_by_what_it_holds() -> None:
    found = parsed(record(counts=None, events=[EVENT, EVENT | {"seq": 2}]))
    assert len(found.events) == 2
    assert [(row["received"], row["accepted"]) for row in found.counts.to_pylist()] == [(2, 2)]


def test_a_record_that_says_when_it_came_is_booked_in_that_minute() -> None:
    (row,) = parsed(record(events=5)).counts.to_pylist()
    assert (row["property"], row["minute_at"], row["received"], row["accepted"]) == ("app", MINUTE, 1, 1)


def test_what_the_door_could_not_take_for_meant_is_counted_by_field_and_minute() -> None:
    later = record(unknown={"width": 5}, received_at=RECEIVED_MS + 60_000)
    found = parsed(record(unknown={"width": 2, "height": 1}), record(unknown={"width": 1}), later, record()).unknown
    assert sorted((r["field"], r["minute_at"].minute, r["count"]) for r in found.to_pylist()) == [
        ("height", 26, 1), ("width", 26, 3), ("width", 27, 5),
    ]  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["property", "received_at", "session", "session_id", "events", "seq", "at", "type", "state", "state_ms",
         "counts", "tick", "rate_limited", "cmcd", "started_at"]), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(values=st.lists(JSON.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=40), min_size=1, max_size=5))
def test_nothing_in_a_record_makes_it_fail(values: list[bytes]) -> None:
    found = parsed(*values)
    assert sum(found.offsets["records"].to_pylist()) == len(values)
