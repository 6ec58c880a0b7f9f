"""What is damaged in a record, or encoded once too often, costs itself and never the record."""

import re
from collections.abc import Callable
from time import process_time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.catalog.cmcd import LONGEST_RECORD
from qoescope.sources.cmcd.reading import RecordReading, read
from qoescope.sources.cmcd.salvage import _without_odd_strings, decoded, salvage
from qoescope.sources.cmcd.transport import SentRecord, TooLarge, in_body, in_headers, in_query

PLAIN = {
    "CMCD-Request": "bl=2000,sta=p,su",
    "CMCD-Session": 'cid="film",sid="x",v=2',
    "CMCD-Object": "br=(3000;v),ot=v",
}
KEPT = ({"sta": "p", "cid": "film", "sid": "x", "ot": "v"}, {"v": 2}, {"su": True})


WAYS: dict[str, Callable[[str], SentRecord | None]] = {
    "header": lambda record: in_headers([("CMCD-Session", record)]),
    "encoded header": lambda record: in_headers([("CMCD-Session", quote(record))]),
    "query": lambda record: in_query("CMCD=" + quote(record)),
    "query encoded twice": lambda record: in_query("CMCD=" + quote(quote(record))),
    "body": lambda record: in_body(record.encode())[0],
    "encoded body": lambda record: in_body(quote(record).encode())[0],
}


def of_headers(headers: dict[str, str]) -> RecordReading:
    sent = in_headers(headers.items())
    assert sent is not None
    return read(sent.text, "request")


@pytest.mark.parametrize("safe", ["", "=", "=,", '=,"', "=()"])
@pytest.mark.parametrize("times", [1, 2])
def test_headers_that_a_log_has_encoded_are_read_as_they_were(safe: str, times: int) -> None:
    headers = PLAIN
    for _ in range(times):
        headers = {name: quote(value, safe=safe) for name, value in headers.items()}
    reading = of_headers(headers)
    assert (reading.texts, reading.numbers, reading.flags) == KEPT
    assert reading.lists == {"bl": [(2000, "")], "br": [(3000, "v")]}


def test_only_some_of_the_headers_may_be_encoded() -> None:
    reading = of_headers(PLAIN | {"CMCD-Session": quote(PLAIN["CMCD-Session"])})
    assert (reading.texts, reading.numbers, reading.flags) == KEPT


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("written", ["7c1e09d2-0f35-4f0e-9d0a-1b2c3d4e5f60", "'7c1e09d2-0f35-4f0e-9d0a-1b2c3d4e5f60'"])
def test_a_text_without_its_quotes_is_read(way: Callable[[str], SentRecord | None], written: str) -> None:
    sent = way(f"br=3000,cid=42/7.mpd,sf=h,sid={written}")
    assert sent is not None
    reading = read(sent.text, "request")
    assert reading.texts == {"cid": "42/7.mpd", "sf": "h", "sid": "7c1e09d2-0f35-4f0e-9d0a-1b2c3d4e5f60"}
    assert (reading.one("br"), [*sent.dropped, *reading.dropped]) == (3000, [])


def test_an_escape_that_is_meant_stays() -> None:
    headers = {"CMCD-Request": 'nor="..%2Fnext%2F1.m4s",su', "CMCD-Session": 'cid="100%25",sid="x"'}
    reading = of_headers(headers)
    assert (reading.names["nor"], reading.texts["cid"]) == (["..%2Fnext%2F1.m4s"], "100%25")


def test_a_token_that_an_escape_hides_members_in_is_read_as_members() -> None:
    assert decoded("sta=p%2Csu") == "sta=p,su"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "title", ["café", "日本語", "naïve, or not", 'a \\"quote\\" – dash', "tab\there", "\U0001f600"]
)
def test_a_string_that_is_not_ascii_loses_itself_only(way: str, title: str) -> None:
    record = f'br=(3000),cid="{title}",sid="x",st=v'
    sent = WAYS[way](record)
    assert sent is not None
    reading = read(sent.text, "request")
    assert reading.texts == {"sid": "x", "st": "v"}
    assert reading.lists == {"br": [(3000, "")]}
    assert [*sent.dropped, *reading.dropped] == ["cid"]


def test_of_a_list_only_the_strings_are_lost_that_no_record_may_hold() -> None:
    reading = read('e=e,ec=("é" "E 7" "ü"),sid="x",ts=1,v=2', "event")
    assert (reading.names["ec"], reading.dropped) == (["E 7"], ["ec"])
    alone = read('e=e,ec=("é"),sid="x",ts=1,v=2', "event")
    assert (alone.names, alone.texts["sid"]) == ({}, "x")


def test_a_member_that_cannot_be_parsed_is_named_and_the_others_stay() -> None:
    found = salvage('br=3000,d=,sid="x",cid="never closed')
    assert (found.record, found.lost) == ({"br": 3000, "sid": "x"}, ["d", "cid"])


def test_text_that_gains_nothing_by_decoding_stays() -> None:
    assert [decoded(text) for text in ("%%%", "%41%42 =", "plain", "")] == ["%%%", "%41%42 =", "plain", ""]


def seconds_to_salvage(text: str) -> float:
    """Processor time of the quickest of three runs."""
    times = []
    for _ in range(3):
        began = process_time()
        salvage(text)
        times.append(process_time() - began)
    return min(times)


@pytest.mark.parametrize("unit", ['\\"', '("', '\\"é', '" ', 'a=("é'])
def test_what_never_closes_is_salvaged_in_time_that_grows_with_its_length(unit: str) -> None:
    short, long = (f'sid="s",nor=("{(unit * size)[:size]}' for size in (8_000, 64_000))
    assert seconds_to_salvage(long) < 24 * max(seconds_to_salvage(short), 0.0005)
    assert salvage(long).record["sid"] == "s"


@given(st.text(alphabet='"\\aé\n ', max_size=24))
def test_a_list_is_salvaged_as_by_a_search_from_every_quote(inside: str) -> None:
    def printable(met: re.Match[str]) -> str:
        return met[0] if re.fullmatch(r"[\x20-\x7e]*", met[0]) else ""

    kept = re.sub(r'"(?:[^"\\]|\\.)*"', printable, f"({inside})")
    kept = re.sub(r" {2,}", " ", kept).replace("( ", "(").replace(" )", ")")
    assert _without_odd_strings(f"nor=({inside})") == (f"nor={kept}" if kept != "()" else "")


def test_headers_are_refused_by_length_before_they_are_read() -> None:
    half = 'nor=("' + '\\"' * (LONGEST_RECORD // 4)
    with pytest.raises(TooLarge):
        in_headers([("CMCD-Request", half), ("CMCD-Session", half)])
    assert in_headers([("CMCD-Request", half), ("CMCD-Session", 'sid="s"')]) is not None
