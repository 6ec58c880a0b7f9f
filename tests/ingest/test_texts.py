"""Texts are mended, not refused: half an emoji, control characters, a byte order mark, JSON that is not quite JSON."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoescope.compile.texts import clean
from qoescope.ingest.context import Arrival
from qoescope.ingest.judge import JudgedBeacon, judge_beacon
from qoescope.ingest.limits import Limits
from qoescope.ingest.texts import repair_json

NOW = 1_762_000_000_000
GOOD = {"seq": 1, "at": NOW, "type": "heartbeat", "state": "playing", "state_ms": 10_000}


def verdict(body: bytes) -> JudgedBeacon:
    return judge_beacon(body, Arrival("shop", NOW, b"k" * 32, {}), Limits())


def told(title: bytes) -> str:
    body = json.dumps({"session": {"session_id": "s", "content_title": "PLACE"}, "events": [GOOD]}).encode()
    found = verdict(body.replace(b"PLACE", title))
    assert found.counts.accepted == 1
    assert found.session is not None
    return str(found.session.content_title)


@pytest.mark.parametrize(
    ("title", "mended_title"),
    [
        (b"Best of \\ud83d", "Best of \ufffd"),
        (b"\\ude00 Best of", "\ufffd Best of"),
        (b"\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
        (b"\\\\ud83d", "\\ud83d"),
        (b"\\ud83d\\ude00", "\U0001f600"),
        ("Best of \U0001f600".encode()[:-1], "Best of \ufffd"),
        (b"caf\xe9", "caf\ufffd"),
        (b"two\\nlines\\tand\\r\\u2028more\\u2029", "two lines and  more "),
        ("two\u2028lines\u2029".encode(), "two lines "),
        (b"raw\nline", "raw line"),
        (b"bell\\u0007 del\x7f", "bell\ufffd del\ufffd"),
        (b"nul\\u0000", "nul"),
        ("next\x85line".encode(), "next line"),
        (b'a \\/ b \\" c', 'a / b " c'),
    ],
)
def test_a_text_is_mended_and_its_events_are_kept(title: bytes, mended_title: str) -> None:
    assert told(title) == mended_title


def test_no_text_of_an_event_holds_a_control_character_either() -> None:
    (event,) = verdict(
        json.dumps(
            {"session": {"session_id": "s"}, "events": [{**GOOD, "error_code": "a\r\nBcc: b", "cdn": "c\u2028d"}]}
        ).encode()
    ).events
    assert (event.error_code, event.cdn) == ("a  Bcc: b", "c d")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be"])
def test_a_byte_order_mark_and_other_unicode_are_read(encoding: str) -> None:
    body = json.dumps({"session": {"session_id": "s"}, "events": [GOOD]}).encode(encoding)
    assert verdict(body).counts.accepted == 1


@pytest.mark.parametrize("before", ["\ufeff\ufeff", "  \ufeff", "\ufeff\r\n "])
@pytest.mark.parametrize("behind", ["", "\0", "\r\n\0\0"])
def test_marks_before_json_and_what_ends_a_string_in_c_say_nothing(before: str, behind: str) -> None:
    body = json.dumps({"session": {"session_id": "s"}, "events": [GOOD]})
    assert verdict(f"{before}{body}{behind}".encode()).counts.accepted == 1


@pytest.mark.parametrize("id_", [b"a\\ud83d", b"a\xff", b"a\\n", b"a\\u2028b"])
def test_an_identity_is_never_mended_for_it_would_be_another_one(id_: bytes) -> None:
    body = json.dumps({"session": {"session_id": "PLACE"}, "events": [GOOD]}).encode().replace(b"PLACE", id_)
    found = verdict(body)
    assert (found.counts.invalid, found.dead) == (1, body)


def test_half_an_emoji_in_one_event_leaves_the_bad_ones_in_the_letter() -> None:
    body = json.dumps(
        {"session": {"session_id": "s"}, "events": [{**GOOD, "cdn": "\ud83d"}, {**GOOD, "seq": 0}]}
    ).encode()
    found = verdict(body)
    assert (found.counts.accepted, found.counts.invalid) == (1, 1)
    assert found.dead is not None
    assert json.loads(found.dead)["events"][0]["seq"] == 0


def test_a_deep_or_endless_text_is_no_json() -> None:
    assert repair_json(b"[" * 100_000) is None
    assert repair_json(b'{"a":' + b"1" * 100_000 + b"}") == b'{"a":"' + b"1" * 100_000 + b'"}'


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None), max_size=40))
def test_whatever_a_text_holds_what_is_kept_can_be_written_and_has_one_line(text: str) -> None:
    again = repair_json(json.dumps({"t": text}).encode())
    assert again is not None
    kept = clean(json.loads(again)["t"])
    assert len(kept.encode().decode().splitlines()) <= 1
    if text.isprintable():
        assert kept == text
