"""Forgotten: no dead letter of who asked for that, whichever key made their name; everybody else's stay."""

from datetime import UTC, datetime

import pytest

from qoescope.catalog.topics import BEACONS_TOPIC, DEAD_LETTERS_TOPIC
from qoescope.compile.pseudonyms import all_pseudonyms, pseudonym
from qoescope.ingest import keys, records
from qoescope.ingest.context import Arrival
from qoescope.ingest.forgotten import Forgotten
from qoescope.ingest.judge import judge_beacon
from qoescope.ingest.limits import Limits
from qoescope.settings import Settings

KEYS = {1: b"a" * 32, 2: b"b" * 32}
NOW = 1_762_000_000_000
LIMITS = Limits(**{name: getattr(Settings(), name) for name in Limits.__slots__})
ARRIVAL = Arrival("shop", NOW, KEYS[2], {}, 2)
GONE = Forgotten(KEYS, frozenset({("shop", name) for name in all_pseudonyms({1: KEYS[1]}, "shop", "ada")}))


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
        assert [one.topic for one in GONE.without_letters(outgoing)] == [topic.name for topic in left]  # type: ignore[attr-defined]


def test_who_was_forgotten_under_an_older_key_is_forgotten_under_the_newer() -> None:
    assert GONE.is_named("shop", beacon("ada"))
    assert not GONE.is_named("shop", beacon("bob"))
    assert not GONE.is_named("news", beacon("ada"))


def test_keys_keep_no_id_of_who_is_forgotten() -> None:
    old = keys.Snapshot((), (keys.Property("shop", datetime(2026, 1, 1, tzinfo=UTC)),), (("shop", "ada"),))
    new = keys.digest_forgotten(old, KEYS)
    assert (keys.is_digested(old), keys.is_digested(new)) == (False, True)
    assert set(new.forgotten) == {("shop", pseudonym(KEYS[version], version, "shop", "ada")) for version in (1, 2)}
    assert keys.digest_forgotten(new, KEYS) == new
    assert b"ada" not in keys.encode(new)
