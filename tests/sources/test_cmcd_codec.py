"""CMCD records: what is sent comes back, and what is sent is canonical."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from qoescope.catalog.cmcd import KEYS, LONGEST_RECORD, Key
from qoescope.catalog.errors import Mistake
from qoescope.sources.cmcd.codec import decode_line, decoded, encode_line, encoded, relative
from qoescope.sources.cmcd.structured_fields import Malformed, Unsayable

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
INTEGERS = st.integers(0, 9_999_999_999_999)
TYPES = st.sampled_from(("v", "a", "av"))


def values(key: Key, version: int) -> st.SearchStrategy[Any]:
    """Whatever the key may hold, as JSON."""
    numbers = INTEGERS.map(lambda n: n * key.step)
    plain: dict[str, st.SearchStrategy[Any]] = {
        "int": numbers,
        "decimal": st.integers(0, 3999).filter(lambda n: n != 1000).map(lambda n: n / 1000),
        "bool": st.just(True),
        "string": PRINTABLE,
        "token": st.sampled_from(key.tokens or ("x",)),
        "ints": numbers,
        "strings": PRINTABLE.filter(lambda path: "://" not in path),
    }
    one = plain[key.kind]
    if version == 1 or key.kind not in ("ints", "strings"):
        return one
    params = TYPES.map(lambda t: {t: True}) if key.kind == "ints" else st.just({"r": "0-99"})
    return st.lists(
        one | st.builds(lambda value, params: {"value": value, "params": params}, one, params),
        max_size=3,
    )


def records(version: int) -> st.SearchStrategy[dict[str, Any]]:
    known = {n: values(k, version) for n, k in KEYS.items() if version in k.versions and n != "v"}
    needed = {} if version == 1 else {"v": st.just(2)}
    return st.fixed_dictionaries(needed, optional=known | {"com.example-plan": PRINTABLE})


@settings(max_examples=150, deadline=None)
@given(record=records(1))
def test_every_key_of_version_1_comes_back(record: dict[str, Any]) -> None:
    assert decode_line(encode_line(record, 1), 1) == record


@settings(max_examples=150, deadline=None)
@given(record=records(2))
def test_every_key_of_version_2_comes_back(record: dict[str, Any]) -> None:
    assert decode_line(encode_line(record, 2), 2) == record


@settings(max_examples=100, deadline=None)
@given(record=records(2))
def test_canonical_text_stays_as_it_is(record: dict[str, Any]) -> None:
    text = encode_line(record, 2)
    assert encode_line(decode_line(text, 2), 2) == text


@pytest.mark.parametrize(
    ("record", "version", "text"),
    [
        ({"sid": "x", "br": [3200]}, 2, 'br=(3200),sid="x",v=2'),
        ({"sid": "x", "br": 3200}, 2, 'br=(3200),sid="x",v=2'),
        ({"sid": "x", "br": [3200], "v": 1}, 1, 'br=3200,sid="x"'),
        (
            {
                "br": [
                    {"value": 128, "params": {"a": True}},
                    {"value": 3000, "params": {"v": True}},
                ]
            },
            1,
            "br=3000",
        ),
        (
            {"br": [3000, {"value": 128, "params": {"a": True}}]},
            2,
            "br=(3000 128;a),v=2",
        ),
        ({"br": [{"value": 5000, "params": {"ot": "v"}}]}, 2, "br=(5000;ot=v),v=2"),
        (
            {"bl": 1249, "mtp": 1250, "dl": 1250.5, "rtp": 49},
            1,
            "bl=1200,dl=1300,mtp=1300,rtp=0",
        ),
        ({"bl": [21350], "tbl": [49.9]}, 2, "bl=(21400),tbl=(0),v=2"),
        ({"d": 4004.5, "br": [3199.5]}, 2, "br=(3200),d=4005,v=2"),
        ({"bs": True, "su": False, "bg": False}, 2, "bs,v=2"),
        ({"e": "b", "bg": False}, 2, "bg=?0,e=b,v=2"),
        ({"e": "t", "bg": False}, 2, "e=t,v=2"),
        ({"pr": 1}, 1, ""),
        ({"pr": 1, "e": "pr"}, 2, "e=pr,pr=1.0,v=2"),
        ({"pr": 1, "e": "ps"}, 2, "e=ps,v=2"),
        ({"pr": 1.0855}, 1, "pr=1.086"),
        ({"pr": 0}, 2, "pr=0.0,v=2"),
        ({"ot": "v", "sf": "h", "st": "l", "cid": "v"}, 1, 'cid="v",ot=v,sf=h,st=l'),
        ({"nor": "../300kbps/track.m4v"}, 1, 'nor="..%2F300kbps%2Ftrack.m4v"'),
        ({"nor": ["../a b.m4v"]}, 1, 'nor="..%2Fa%20b.m4v"'),
        (
            {"nor": [{"value": "../300kbps/track.m4v", "params": {"r": "0-99"}}]},
            2,
            'nor=("../300kbps/track.m4v";r="0-99"),v=2',
        ),
        ({"ec": [403, "x"]}, 2, 'ec=("403" "x"),v=2'),
        ({"sta": "p", "nrr": "0-"}, 1, 'nrr="0-"'),
        ({"sta": "p", "nrr": "0-"}, 2, "sta=p,v=2"),
        (
            {"cid": None, "unheard": 1, "com.example-plan": "gold"},
            1,
            'com.example-plan="gold"',
        ),
        ({"sid": 'say "x" \\ y'}, 1, 'sid="say \\"x\\" \\\\ y"'),
        ({}, 2, "v=2"),
        ({}, 1, ""),
    ],
)
def test_what_is_sent_is_canonical(record: dict[str, Any], version: int, text: str) -> None:
    assert encode_line(record, version) == text


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"br": "fast"}, "br: must be a number"),
        ({"br": True}, "br: must be a number"),
        ({"sid": "x" * 65}, "sid: holds at most 64 characters, not 65"),
        ({"cid": "caf\u00e9"}, "cid: a string holds printable ASCII only"),
        ({"su": 1}, "su: must be true or false"),
        ({"ot": "a b"}, "ot: 'a b' cannot be a token"),
        ({"d": 10**15}, "d: 1000000000000000 has more than 15 digits"),
        ({"d": float("nan")}, "d: nan is no number"),
        ({"nor": ["https://cdn.example/a"]}, "nor: must be relative"),
        ({"Com.Example-plan": "x"}, "'Com.Example-plan' cannot be a key"),
        ([1], "a record is an object"),
    ],
)
def test_what_cannot_be_sent_says_which_key_and_why(record: object, reason: str) -> None:
    with pytest.raises(Unsayable, match=reason.replace("(", r"\(")):
        encode_line(record, 2)


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (
            'br=3200,bs,sid="a\\"b",pr=1.08',
            {"br": 3200, "bs": True, "sid": 'a"b', "pr": 1.08},
        ),
        (
            "br=(3000;v 128;a)",
            {
                "br": [
                    {"value": 3000, "params": {"v": True}},
                    {"value": 128, "params": {"a": True}},
                ]
            },
        ),
        ("br=(5000;ot=v)", {"br": [{"value": 5000, "params": {"ot": "v"}}]}),
        ("a=(1 2);x", {"a": {"value": [1, 2], "params": {"x": True}}}),
        ("su;x=1", {"su": {"value": True, "params": {"x": 1}}}),
        ("a=1,b=2 ,\t a=3", {"a": 3, "b": 2}),
        ("bg=?0", {"bg": False}),
        ("a=()", {"a": []}),
        ("CMCD=br%3D3200%2Csid%3D%22a+b%22", {"br": 3200, "sid": "a b"}),
        (
            "https://cdn.example/v.m4s?token=1&CMCD=bs%2Csu&x=1",
            {"bs": True, "su": True},
        ),
        ("CMCD=br%253D3200%252Csid%253D%2522x%2522", {"br": 3200, "sid": "x"}),
        ("", {}),
    ],
)
def test_a_record_is_decoded_as_sent(line: str, record: dict[str, Any]) -> None:
    assert decode_line(line, 2) == record


def test_next_objects_are_percent_decoded_in_version_1_only() -> None:
    assert decode_line('nor="..%2Ftrack.m4v"', 1) == {"nor": "../track.m4v"}
    assert decode_line('nor=("..%2Ftrack.m4v")', 2) == {"nor": ["..%2Ftrack.m4v"]}


@pytest.mark.parametrize(
    ("line", "position"),
    [
        ("br=", 3),
        ("br=3200,", 8),
        ("br=3200,,sid", 8),
        ("Br=1", 0),
        ('sid="open', 9),
        ('sid="a\x07"', 6),
        ("br=1000000000000000", 18),
        ("pr=1.2345", 8),
        ("bs=?2", 4),
        ("br=(1 2", 7),
        ("br=(1,2)", 5),
        ("sid=@1", 0),
        ("CMCD=br%3D", 3),
        ("a" * (LONGEST_RECORD + 1), LONGEST_RECORD),
    ],
)
def test_a_bad_record_says_where(line: str, position: int) -> None:
    with pytest.raises(Malformed) as error:
        decode_line(line, 2)
    assert error.value.position == position


def test_lines_become_lines() -> None:
    assert decoded("br=3200,su\n", 1) == ('{"br": 3200, "su": true}', True)
    assert decoded("br=?", 1) == ('{"error": "No Boolean value found", "at": 4}', False)
    assert encoded('{"br": [3200]}\n', 2) == ("br=(3200),v=2", True)
    assert encoded("{", 2)[1] is False
    assert encoded("[" * 100_000, 2)[1] is False
    assert encoded('{"su": 1}', 2) == ('{"error": "su: must be true or false"}', False)


def test_another_version_is_a_mistake() -> None:
    with pytest.raises(Mistake, match="use 1 or 2"):
        encode_line({}, 3)


def test_next_objects_are_relative_to_the_request() -> None:
    request = "https://cdn.example/movie/1000/seg1.m4s?x=1"
    assert relative("https://cdn.example/movie/1000/seg2.m4s", request) == "seg2.m4s"
    assert relative("https://cdn.example/movie/300/seg2.m4s?y=2", request) == "../300/seg2.m4s?y=2"
    assert relative("https://other.example/seg2.m4s", request) == "https://other.example/seg2.m4s"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from(["value", "params", "v", "ot"]), parts),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "said", [[[]], [[1], 2], [{"value": [1]}], {"value": {"value": 1}}, {"value": 1, "params": {"a": [1]}}], ids=str
)
def test_a_list_in_a_list_is_refused(said: object) -> None:
    text, is_said = encoded(json.dumps({"x-y": said}), 2)
    assert not is_said
    assert json.loads(text)["error"].startswith("x-y: a ")


@settings(max_examples=300, deadline=None)
@given(
    record=st.dictionaries(st.sampled_from([*KEYS, "x-y", "-", "X-y", "zz"]), ANYTHING, max_size=5) | ANYTHING,
    version=st.sampled_from((1, 2)),
)
def test_whatever_is_asked_is_said_canonically_or_refused(record: object, version: int) -> None:
    text, said = encoded(json.dumps(record), version)
    if said:
        assert encode_line(decode_line(text, version), version) == text
    else:
        assert json.loads(text)["error"]
