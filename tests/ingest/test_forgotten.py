"""Forgotten: no dead letter of who asked for that, whichever key made their name; everybody else's stay."""

import base64
import gzip
import json
from datetime import UTC, datetime

import brotli
import pytest
from backports import zstd

from qoescope.catalog.topics import BEACONS_TOPIC, DEAD_LETTERS_TOPIC
from qoescope.compile.forgotten import ForgottenViewers
from qoescope.compile.pseudonyms import all_pseudonyms, pseudonym
from qoescope.ingest import keys, records
from qoescope.ingest.context import Arrival
from qoescope.ingest.forgotten import without_forgotten
from qoescope.ingest.judge import judge_beacon
from qoescope.ingest.limits import Limits
from qoescope.ingest.write_routes import WriteRoutes
from qoescope.settings import Settings

KEYS = {1: b"a" * 32, 2: b"b" * 32}
NOW = 1_762_000_000_000
LIMITS = Limits(**{name: getattr(Settings(), name) for name in Limits.__slots__})
ARRIVAL = Arrival("shop", NOW, KEYS[2], {}, 2)
GONE = ForgottenViewers(KEYS, frozenset({("shop", name) for name in all_pseudonyms({1: KEYS[1]}, "shop", "ada")}))


def beacon(viewer: str) -> bytes:
    """A beacon of which one event is good and one is not."""
    good = f'{{"seq":1,"at":{NOW},"type":"playback_request","state":"idle","state_ms":0}}'
    return f'{{"session":{{"session_id":"s","viewer_id":"{viewer}"}},"events":[{good},{{"seq":-1}}]}}'.encode()


@pytest.mark.parametrize(("viewer", "left"), [("ada", [BEACONS_TOPIC]), ("bob", [BEACONS_TOPIC, DEAD_LETTERS_TOPIC])])
def test_only_the_books_are_left_of_a_forgotten_viewers_bad_beacon(viewer: str, left: list[object]) -> None:
    body = beacon(viewer)
    for outgoing in (
        records.beacon_records(judge_beacon(body, ARRIVAL, LIMITS), ARRIVAL),
        records.refusal_records(body[:-20], "not JSON", ARRIVAL),
    ):
        assert [one.topic for one in without_forgotten(outgoing, GONE)] == [topic.name for topic in left]  # type: ignore[attr-defined]


def test_who_was_forgotten_under_an_older_key_is_forgotten_under_the_newer() -> None:
    fates = [GONE.judge(*one) for one in (("shop", beacon("ada")), ("shop", beacon("bob")), ("news", beacon("ada")))]
    assert fates == ["drop", "keep", "keep"]


@pytest.mark.parametrize("viewer", ["ada", "bob"])
def test_a_beacon_with_more_values_than_are_looked_at_brings_nobody_back_under_the_newer_key(viewer: str) -> None:
    routes = WriteRoutes(Settings(), (2, KEYS[2]))
    routes.viewer_keys = KEYS
    routes.keyring = keys.Keyring(
        keys.Snapshot((), (), tuple(("shop", n) for n in all_pseudonyms({1: KEYS[1]}, "shop", "ada")))
    )
    key = keys.WriteKey("shop", "qw_x", "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))
    few = beacon(viewer)
    many = few[:1] + b'"x":{"viewer_id":[' + b"1," * 30_000 + b"1]}," + few[1:]
    kept = [
        len(routes.withdraw_forgotten(judge_beacon(body, ARRIVAL, LIMITS), body, key).events) for body in (few, many)
    ]
    assert kept == [viewer == "bob", 0]


@pytest.mark.parametrize("viewer", ["ada\\u0000", "a\\u0000da", "ada\0"])
def test_an_id_that_the_door_mends_leaves_no_letter_either(viewer: str) -> None:
    judged = judge_beacon(beacon(viewer), Arrival("shop", NOW, KEYS[1], {}, 1), LIMITS)
    assert judged.session is not None
    assert judged.session.viewer_id == pseudonym(KEYS[1], 1, "shop", "ada")
    assert GONE.judge("shop", beacon(viewer)) == "drop"


def test_a_viewer_beyond_the_longest_text_leaves_no_letter() -> None:
    gone = ForgottenViewers(KEYS, frozenset({("shop", pseudonym(KEYS[2], 2, "shop", "x" * 512))}))
    assert gone.judge("shop", beacon("x" * 700)) == "drop"
    assert gone.judge("shop", beacon("x" * 511)) == "keep"


@pytest.mark.parametrize(
    "body",
    [
        zstd.compress(beacon("ada")) + b"~",
        brotli.compress(beacon("ada"))[:-2],
        gzip.compress(beacon("ada"))[:-8] + bytes(8),
    ],
    ids=["zstd with junk", "brotli cut off", "gzip with a wrong sum"],
)
def test_bytes_that_cannot_be_read_are_not_kept_while_somebody_is_forgotten(body: bytes) -> None:
    for property_id, kept in (("news", [body]), ("shop", [b""])):
        outgoing = records.refusal_records(body, "not zstd", Arrival(property_id, NOW, KEYS[2], {}, 2))
        letters = [
            json.loads(one.value) for one in without_forgotten(outgoing, GONE) if one.topic == DEAD_LETTERS_TOPIC.name
        ]
        assert [base64.b64decode(one["body_base64"]) for one in letters] in ([], kept)
        assert all(one["reason"] == "not zstd" and (kept == [body]) == (one["detail"] == "") for one in letters)
    assert GONE.judge("shop", body) in ("withhold", "drop")


def test_without_a_key_nobody_who_is_named_is_kept() -> None:
    gone = ForgottenViewers({}, frozenset({("shop", "v1:" + "0" * 32)}))
    assert [gone.judge("shop", body) for body in (beacon("bob"), b"{}")] == ["withhold", "keep"]


def test_a_letter_of_no_known_property_may_be_anybodys() -> None:
    assert GONE.judge("unknown", beacon("ada")) == "drop"


def test_keys_keep_no_id_of_who_is_forgotten() -> None:
    old = keys.Snapshot((), (keys.Property("shop", datetime(2026, 1, 1, tzinfo=UTC)),), (("shop", "ada"),))
    new = keys.digest_forgotten(old, KEYS)
    assert (keys.is_digested(old), keys.is_digested(new)) == (False, True)
    assert set(new.forgotten) == {("shop", pseudonym(KEYS[version], version, "shop", "ada")) for version in (1, 2)}
    assert keys.digest_forgotten(new, KEYS) == new
    assert b"ada" not in keys.encode(new)
