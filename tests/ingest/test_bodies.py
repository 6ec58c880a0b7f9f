"""Bodies are inflated within bounds."""

import gzip
import json
import zlib
from random import Random

import pytest

from qoescope.ingest.bodies import MOST_MEMBERS, STEP, Refused, plain
from qoescope.ingest.limits import Limits

LIMITS = Limits()
EVENT = {"seq": 1, "at": 1_762_000_000_000, "type": "heartbeat", "state": "playing", "state_ms": 10_000}


def refusal(body: bytes, encoding: str | None, limits: Limits = LIMITS) -> tuple[int, bytes | None]:
    with pytest.raises(Refused) as refused:
        plain(body, encoding, limits)
    return refused.value.status, refused.value.body


@pytest.mark.parametrize("encoding", [None, "", "identity"])
def test_a_plain_body_stays_as_it_is(encoding: str | None) -> None:
    assert plain(b"abc", encoding, LIMITS) == b"abc"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_gzip_is_inflated(encoding: str) -> None:
    assert plain(gzip.compress(b"abc" * 1000), encoding, LIMITS) == b"abc" * 1000


def test_several_gzip_members_are_one_body() -> None:
    assert plain(gzip.compress(b"ab") + gzip.compress(b"c"), "gzip", LIMITS) == b"abc"


def test_members_beyond_what_anybody_writes_are_refused() -> None:
    members = gzip.compress(b"") * MOST_MEMBERS
    assert plain(members, "gzip", LIMITS) == b""
    assert refusal(members + gzip.compress(b""), "gzip") == (413, members + gzip.compress(b""))


def test_a_member_that_ends_within_a_step_leaves_the_next_one_whole() -> None:
    noise = [Random(number).randbytes(STEP * 3 // 2 + number) for number in range(4)]  # noqa: S311
    assert plain(b"".join(map(gzip.compress, noise)), "gzip", LIMITS) == b"".join(noise)


def test_the_largest_honest_beacon_is_within_the_ratio() -> None:
    events = [{**EVENT, "seq": n, "at": EVENT["at"] + 9973 * n, "playhead_ms": 1231 * n} for n in range(2000)]  # type: ignore[operator]
    body = json.dumps({"session": {"session_id": "s"}, "events": events}).encode()
    assert plain(gzip.compress(body), "gzip", LIMITS) == body


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_an_unknown_encoding_is_refused_with_its_bytes(encoding: str) -> None:
    assert refusal(b"abc", encoding) == (415, b"abc")


@pytest.mark.parametrize(
    "body",
    [b"abc", gzip.compress(b"abc")[:-3], gzip.compress(b"abc") + b"junk", gzip.compress(b"abc" * 99)[:20]],
    ids=["no gzip at all", "cut in its checksum", "followed by junk", "cut in its data"],
)
def test_what_is_not_gzip_though_it_says_so_is_refused(body: bytes) -> None:
    assert refusal(body, "gzip") == (400, body)


def test_a_bomb_is_refused_by_its_ratio_before_it_is_inflated() -> None:
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 9)
    assert refusal(bomb, "gzip") == (413, bomb)


def test_what_is_too_large_when_inflated_is_refused() -> None:
    wide = Limits(inflated_ratio=10**9)
    body = gzip.compress(bytes(LIMITS.inflated_bytes + 1))
    assert refusal(body, "gzip", wide) == (413, body)
    assert len(plain(gzip.compress(bytes(LIMITS.inflated_bytes)), "gzip", wide)) == LIMITS.inflated_bytes


def test_a_small_body_may_inflate_as_it_likes() -> None:
    body = zlib.compress(bytes(60_000), 9, 31)
    assert plain(body, "gzip", LIMITS) == bytes(60_000)
