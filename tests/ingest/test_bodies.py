"""Bodies are inflated within bounds."""

import gzip
import json
import zlib
from collections.abc import Callable
from random import Random

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from qoescope.compile.encodings import STEP
from qoescope.ingest.bodies import MOST_MEMBERS, Refused, decode_body
from qoescope.ingest.limits import Limits

LIMITS = Limits()
EVENT = {"seq": 1, "at": 1_762_000_000_000, "type": "heartbeat", "state": "playing", "state_ms": 10_000}


def refusal(body: bytes, encoding: str | None, limits: Limits = LIMITS) -> tuple[int, bytes | None]:
    with pytest.raises(Refused) as refused:
        decode_body(body, encoding, limits)
    return refused.value.status, refused.value.body


@pytest.mark.parametrize("encoding", [None, "", "identity"])
def test_a_plain_body_stays_as_it_is(encoding: str | None) -> None:
    assert decode_body(b"abc", encoding, LIMITS) == b"abc"


def test_several_gzip_members_are_one_body() -> None:
    assert decode_body(gzip.compress(b"ab") + gzip.compress(b"c"), "gzip", LIMITS) == b"abc"


@pytest.mark.parametrize("padding", [1, 512, 100_000])
def test_zeros_behind_gzip_fill_a_block_and_say_nothing(padding: int) -> None:
    assert decode_body(gzip.compress(b"{}") + bytes(padding), "gzip", LIMITS) == b"{}"
    with pytest.raises(Refused):
        decode_body(gzip.compress(b"{}") + bytes(padding) + b"x", "gzip", LIMITS)
    with pytest.raises(Refused):
        decode_body(bytes(padding), "gzip", LIMITS)


def test_members_beyond_what_anybody_writes_are_refused() -> None:
    members = gzip.compress(b"") * MOST_MEMBERS
    assert decode_body(members, "gzip", LIMITS) == b""
    assert refusal(members + gzip.compress(b""), "gzip") == (413, members + gzip.compress(b""))


def test_a_member_that_ends_within_a_step_leaves_the_next_one_whole() -> None:
    noise = [Random(number).randbytes(STEP * 3 // 2 + number) for number in range(4)]  # noqa: S311  they need not be secret
    assert decode_body(b"".join(map(gzip.compress, noise)), "gzip", LIMITS) == b"".join(noise)


def test_the_largest_honest_beacon_is_within_the_ratio() -> None:
    events = [{**EVENT, "seq": n, "at": EVENT["at"] + 9973 * n, "playhead_ms": 1231 * n} for n in range(2000)]  # type: ignore[operator]
    body = json.dumps({"session": {"session_id": "s"}, "events": events}).encode()
    assert decode_body(gzip.compress(body), "gzip", LIMITS) == body


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACK = {
    "gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress,
    "zstd": zstd.compress,
}  # fmt: skip
TEXT = json.dumps([EVENT] * 500).encode()


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("spelled", ["{}", " {} ", "identity, {}", "{},", "{},identity"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_an_encoding_is_taken_however_it_is_spelled(name: str, spelled: str, case: Callable[[str], str]) -> None:
    assert decode_body(PACK[name](TEXT), case(spelled.format(name)), LIMITS) == TEXT


def test_deflate_is_taken_without_its_wrapping_too() -> None:
    assert decode_body(raw_deflate(TEXT), "deflate", LIMITS) == TEXT


@pytest.mark.parametrize("encoding", ["compress", "gzip, gzip", "br, gzip", "zip", "gzip;q=1", "aes128gcm"])
def test_an_unknown_encoding_is_refused_with_its_bytes(encoding: str) -> None:
    assert refusal(b"abc", encoding) == (415, b"abc")


@pytest.mark.parametrize("name", PACK)
def test_each_encoding_is_bounded_by_ratio_size_and_end(name: str) -> None:
    bomb = PACK[name](bytes(50 * 1024 * 1024))
    assert refusal(bomb, name) == (413, bomb)
    wide = Limits(inflated_ratio=10**9)
    large = PACK[name](bytes(LIMITS.inflated_bytes + 1))
    assert refusal(large, name, wide) == (413, large)
    assert len(decode_body(PACK[name](bytes(LIMITS.inflated_bytes)), name, wide)) == LIMITS.inflated_bytes
    noise = Random(7).randbytes(5_000)  # noqa: S311  it need not be secret
    for broken in (noise, PACK[name](noise)[:-9], PACK[name](noise)[:40], b"\xff" * 9):
        assert refusal(broken, name) == (400, broken)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_members_are_counted_in_each_encoding(name: str) -> None:
    assert decode_body(PACK[name](b"a") * 100, name, LIMITS) == b"a" * 100
    many = PACK[name](b"a") * 101
    assert refusal(many, name) == (413, many)


@pytest.mark.parametrize("name", PACK)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_whatever_is_said_to_be_packed_is_unpacked_or_refused(name: str, data: bytes, cut: int) -> None:
    assert decode_body(PACK[name](data), name, LIMITS) == data
    for body in (data, PACK[name](data)[:cut] + data):
        try:
            decode_body(body, name, LIMITS)
        except Refused as refused:
            assert refused.status in (400, 413)  # noqa: PT017  both ways are right


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
    assert len(decode_body(gzip.compress(bytes(LIMITS.inflated_bytes)), "gzip", wide)) == LIMITS.inflated_bytes


def test_a_small_body_may_inflate_as_it_likes() -> None:
    body = zlib.compress(bytes(60_000), 9, 31)
    assert decode_body(body, "gzip", LIMITS) == bytes(60_000)
