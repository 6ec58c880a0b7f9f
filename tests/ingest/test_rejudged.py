"""A dead letter is judged as if it came now: what is repaired is accepted, what is not stays the letter that it is."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from qoescope.compile.pseudonyms import pseudonym
from qoescope.ingest import rejudging
from qoescope.ingest.keys import Keyring, Property, Snapshot
from qoescope.ingest.limits import Limits

NOW = 1_762_000_000_000
KEY = b"k" * 32
LONG = {"seq": 1, "at": NOW, "type": "heartbeat", "state": "playing", "state_ms": 10_000, "note": "x" * 5_000}
REPAIRED = replace(Limits(), text_bytes=8_192)


def shop(**more: object) -> Keyring:
    """Keys of a door whose one property is as these say; `forgotten` are viewers."""
    forgotten = tuple(("shop", str(viewer)) for viewer in more.pop("forgotten", ()))  # type: ignore[attr-defined]
    return Keyring(Snapshot((), (Property("shop", datetime(2026, 1, 1, tzinfo=UTC), **more),), forgotten))  # type: ignore[arg-type]


def letter(*events: object, body: bytes | None = None, reason: str = "a text of more than 4096 bytes",
           known: Keyring | None = None, limits: Limits = REPAIRED) -> rejudging.Rejudged:  # fmt: skip
    told = json.dumps({"session": {"session_id": "s1", "viewer_id": "ada"}, "events": events}).encode()
    kept = {"property": "shop", "reason": reason, "body": told if body is None else body}
    return rejudging.rejudge_letter(kept, known or shop(), NOW, (1, KEY), limits)


def test_what_is_repaired_goes_to_the_log_as_if_it_came_now() -> None:
    again = letter(LONG)
    (record,) = again.outgoing
    told = msgspec.json.decode(record.value)
    assert (again.events, again.why, record.topic, record.key) == (1, "", "beacons", b"s1")
    assert (told["property"], told["received_at"], told["events"][0]["seq"]) == ("shop", NOW, 1)
    assert (told["counts"]["received"], told["counts"]["accepted"]) == (1, 1)


def test_what_is_not_repaired_gives_no_record_and_no_second_letter() -> None:
    again = letter(LONG, limits=Limits())
    assert (again.outgoing, again.events) == ([], 0)
    assert "more than 4096 bytes" in again.why


def test_a_letter_that_is_repaired_in_part_leaves_a_letter_of_the_rest() -> None:
    again = letter(LONG, {**LONG, "seq": 0})
    assert ([record.topic for record in again.outgoing], again.events) == (["beacons", "dead_letters"], 1)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (shop(enabled=False), "filtered: switched_off"),
        (shop(forgotten=[pseudonym(KEY, 1, "shop", "ada")]), "filtered: forgotten_viewer"),
    ],
)
def test_what_the_door_would_filter_now_is_not_replayed(known: Keyring, why: str) -> None:
    assert letter(LONG, known=known) == rejudging.Rejudged(why=why)


def test_a_viewer_who_may_have_asked_not_to_be_followed_is_not_named() -> None:
    for known, viewer in ((shop(), None), (shop(honours_dnt=False), pseudonym(KEY, 1, "shop", "ada"))):
        (record,) = letter(LONG, known=known).outgoing
        assert msgspec.json.decode(record.value)["session"].get("viewer_id") == viewer


def test_bytes_are_kept_as_sent_so_gzip_is_opened() -> None:
    body = gzip.compress(json.dumps({"session": {"session_id": "s1"}, "events": [LONG] * 1}).encode())
    assert letter(body=body, reason="gzip ends too early").events == 1
    assert letter(body=body[:-9], reason="gzip ends too early").why == "gzip ends too early"


def test_cmcd_goes_through_the_door_for_cmcd() -> None:
    again = letter(body=b'sid="a",ts=1762000000000,e=ps', reason="no CMCD record could be read")
    assert (again.events, again.outgoing[0].key) == (1, b"a")


def test_any_bytes_at_all_are_answered_with_why() -> None:
    assert letter(body=b"\xff{", reason="not JSON").why.startswith("not")
    assert letter(body=b"", reason="not JSON").why.startswith("not JSON")


def test_what_became_of_letters_is_counted() -> None:
    told = rejudging.Replayed()
    told.count([letter(LONG), letter(LONG), letter(body=b"{", reason="not JSON")])
    assert (told.letters, told.replayed, told.events, sum(told.left.values())) == (3, 2, 2, 1)
    assert str(told).startswith("3 letters: 2 replayed with 2 events accepted; 1 left: not JSON")
