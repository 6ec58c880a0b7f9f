"""Structured fields: the same language as the kept library's, and no text is too much for them."""

import http_sf
import hypothesis.strategies as st
from hypothesis import example, given, settings

from qoescope.sources.cmcd.structured_fields import Malformed, Record, Value, parse, split

ALPHABET = st.sampled_from([*'abz09-_.*=;,:()"\\?@%+/ \t\n', "Z", "\x00", "\x7f", "\u00e9", "\u20ac", "?1", "a=1,"])
NEAR = st.lists(ALPHABET, max_size=24).map("".join)
MEMBERS = st.sampled_from(
    ("a=1", "b", "c=?0", 'd="x,(y"', "e=tok/en:*", "f=-1.25", "g=(1;v 2;a)", "h=( )", 'i="\\\\\\""', "j=:YWI=:",
     "k;x=1;y", 'l=("a";r="0-1" b;c=?1);z', "m=007", "*n=-0", "a=(1 2)", "o=1.", "p=%22", "q=((1))", "r==1")
)  # fmt: skip
JOINED = st.lists(MEMBERS, min_size=1, max_size=6).map(",".join)


def library(text: str) -> dict[str, Value] | None:
    """What http-sf reads, in our words; None if nothing or if it is not of RFC 8941."""
    try:
        found = http_sf.parse(bytes(min(ord(c), 0xFF) for c in text), tltype="dictionary")
    except ValueError:
        return None
    return {key: ours(value) for key, value in found.items()}  # type: ignore[union-attr]


def outcome(text: str) -> Record | Malformed:
    try:
        return parse(text)
    except Malformed as error:
        return error


def ours(value: object) -> Value:
    bare, params = value if isinstance(value, tuple) else (value, {})
    if isinstance(bare, list):
        plain: Value = [ours(item) for item in bare]
    elif isinstance(bare, bool | int):
        plain = bare
    elif isinstance(bare, bytes):
        plain = http_sf.ser(bare)
    else:
        plain = float(bare) if type(bare).__name__ == "Decimal" else str(bare)
    return {"value": plain, "params": {k: ours(v) for k, v in params.items()}} if params else plain


@settings(max_examples=400, deadline=None)
@given(text=NEAR | JOINED)
@example("a=1;b=2 , c")
@example("a= 1")
@example("a=1\n")
@example("a;b;b=?0")
@example("a=1;  b")
@example("a=(1  2 )")
def test_the_same_texts_are_dictionaries_as_for_the_library(text: str) -> None:
    found, theirs = outcome(text), library(text)
    if isinstance(found, Malformed):
        assert theirs is None or "RFC 8941" in found.reason or ":" in text
    else:
        assert found == theirs or ":" in text  # a byte sequence is kept as text, so that its padding is not judged


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=200) | NEAR)
def test_no_text_is_too_much(text: str) -> None:
    found = outcome(text)
    assert not isinstance(found, Malformed) or 0 <= found.position <= len(text)
    assert "".join(split(text)).count(",") <= text.count(",")


def test_members_are_cut_outside_quotes_and_parentheses() -> None:
    assert split('a="1,2",b=(1 "," 2),c') == ['a="1,2"', 'b=(1 "," 2)', "c"]
    assert split('a="\\",",b') == ['a="\\","', "b"]


def test_what_never_closes_does_not_swallow_the_rest() -> None:
    assert split('a=1,sid="x,br=3200,su') == ["a=1", 'sid="x', "br=3200", "su"]
    assert split("br=(1 2,su") == ["br=(1 2", "su"]
