"""How CMCD travels: what is sent strictly is found again, and what is sent otherwise is found too."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from qoescope.catalog.cmcd import LONGEST_BODY, LONGEST_RECORD, MOST_RECORDS
from qoescope.sources.cmcd.codec import decode_line, encode_line
from qoescope.sources.cmcd.transport import (
    SentRecord,
    TooLarge,
    in_body,
    in_headers,
    in_query,
    in_request,
    to_body,
    to_headers,
    to_query,
)

RECORD: dict[str, Any] = {
    "br": [3200],
    "bl": [2100],
    "bs": True,
    "cid": "a, b & c",
    "sid": "x",
    "su": True,
    "ot": "v",
    "com.example-plan": "gold",
    "v": 2,
}


def test_a_record_in_headers_lies_where_its_keys_belong() -> None:
    sent = to_headers(RECORD | {"e": "ps", "ts": 1}, 2)
    assert sent == {
        "CMCD-Object": "br=(3200),ot=v",
        "CMCD-Request": 'bl=(2100),com.example-plan="gold",su',
        "CMCD-Session": 'cid="a, b & c",sid="x",v=2',
        "CMCD-Status": "bs",
    }
    found = in_headers((name.lower(), value) for name, value in sent.items())
    assert found is not None
    assert (decode_line(found.text, 2), found.notes) == (RECORD, ())
    assert to_headers({"pr": 2}, 1) == {"CMCD-Session": "pr=2.0"}


def test_a_record_in_a_query_is_percent_encoded_once() -> None:
    sent = to_query({"bs": True, "sid": "a b"}, 1)
    assert sent == "CMCD=bs%2Csid%3D%22a%20b%22"
    assert in_query(f"?token=1&{sent}&x=2") == SentRecord('bs,sid="a b"')
    assert in_query("cmcd=bs&x=1") is None


def test_a_plus_is_a_space() -> None:
    assert in_query("CMCD=sid%3D%22a+b%22") == SentRecord('sid="a b"')


def test_what_was_encoded_twice_is_decoded_twice_and_noted() -> None:
    assert in_query("CMCD=br%253D3200%252Cbs") == SentRecord("br=3200,bs", ("cmcd_encoded_twice",))
    assert in_query("CMCD=nor%3D%22..%252Ftrack.m4v%22") == SentRecord('nor="..%2Ftrack.m4v"')


def test_headers_silence_the_query() -> None:
    assert in_request([("CMCD-Status", "bs")], "CMCD=su") == SentRecord("bs")
    assert in_request([("cmcd-status", "")], "CMCD=su") == SentRecord("")
    assert in_request([("Accept", "*/*")], "CMCD=su") == SentRecord("su")


def test_a_key_in_the_wrong_header_counts_and_is_noted() -> None:
    assert in_headers([("CMCD-Session", "br=3200")]) == SentRecord("br=3200", ("cmcd_wrong_header",))


def test_one_bad_header_does_not_swallow_the_next() -> None:
    found = in_headers([("CMCD-Object", 'br=3200,ot="v'), ("CMCD-Session", 'sid="x"')])
    assert found == SentRecord('br=3200,sid="x"', ("cmcd_repaired",), ("ot",))


@pytest.mark.parametrize("feed", ["\n", "\r\n", "\n\n \n"])
def test_a_body_holds_a_record_a_line(feed: str) -> None:
    assert in_body(f"bs{feed}su{feed}".encode()) == [SentRecord("bs"), SentRecord("su")]


def test_bodies_end_without_a_line_feed() -> None:
    records: list[dict[str, Any]] = [{"e": "ps", "sta": "p", "ts": 1}, {"e": "t", "ts": 2}]
    assert to_body(records) == b"e=ps,sta=p,ts=1,v=2\ne=t,ts=2,v=2"


def test_json_bodies_are_records_too() -> None:
    body = b'{"br": 3200, "bs": true, "su": false, "sid": "x", "ec": ["403"], "cid": null, "bad key": 1}'
    (found,) = in_body(body, "application/json; charset=utf-8")
    assert found == SentRecord('br=3200,bs,ec=("403"),sid="x",su=?0', ("cmcd_repaired",))
    assert len(in_body(b"[" + body + b"," + body + b",7]", "application/json")) == 2
    assert in_body(b"[" * 100_000, "application/json") == []
    assert in_body(b'{"d": NaN}', "application/json") == [SentRecord("", ("cmcd_repaired",), ("d",))]


@pytest.mark.parametrize(
    "body",
    [b"x" * (LONGEST_BODY + 1), b"su\n" * (MOST_RECORDS + 1), b'cid="' + b"x" * LONGEST_RECORD + b'"'],
)
def test_beyond_a_limit_is_too_large(body: bytes) -> None:
    with pytest.raises(TooLarge):
        in_body(body)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/cmcd", "text/plain", "application/json"]))
def test_any_body_is_survived(body: bytes, kind: str) -> None:
    assert all(isinstance(sent.text, str) for sent in in_body(body, kind))


@settings(max_examples=100, deadline=None)
@given(sid=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=64), kbps=st.integers(0, 10**6))
def test_all_ways_carry_the_same_record(sid: str, kbps: int) -> None:
    record: dict[str, Any] = {"sid": sid, "br": [kbps], "su": True}
    text = encode_line(record, 2)
    by_header = in_headers(to_headers(record, 2).items())
    assert by_header is not None
    assert decode_line(by_header.text, 2) == decode_line(text, 2)
    assert in_query(to_query(record, 2)) == SentRecord(text)
    assert in_body(to_body([record])) == [SentRecord(text)]
