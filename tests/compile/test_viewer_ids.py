"""Viewer ids in what cannot be read: whoever asked to be forgotten is found in it, as far as bytes can say."""

import gzip
import json
import re
import tracemalloc
import zlib
from random import Random

import brotli
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from qoescope.compile import contents
from qoescope.compile.contents import MOST_BYTES, MOST_VALUES, Budget
from qoescope.compile.viewer_ids import find_viewer_ids

ADA = "ada@example.com"
BEACON = json.dumps({"session": {"viewer_id": ADA, "session_id": 7}, "events": [{"seq": -1}]})


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    "body",
    [
        BEACON.encode(),
        BEACON[: BEACON.index(ADA) + len(ADA)].encode(),  # cut off right behind it
        BEACON.encode() + b"trailing {",
        b"\xff\xfe\x00 no UTF-8 " + BEACON.encode(),
        BEACON.encode("utf-16"),
        BEACON.encode("utf-16-be"),
        BEACON.encode("utf-32"),
        BEACON.replace("ada", "\\u0061da").encode(),
        BEACON.replace("viewer_id", "viewer\\u005fid").encode(),
        BEACON.replace('"', "'").encode(),
        BEACON.replace('": "', '":\n\t"').encode(),
        json.dumps({"beacon": BEACON}).encode(),
        b"viewer_id=ada@example.com&session_id=7",
        b"{viewer_id: ada@example.com, session_id: 7}",
        gzip.compress(BEACON.encode()),
        gzip.compress(BEACON.encode())[:-9],
        gzip.compress(b"") + gzip.compress(BEACON.encode()),
        b"[" * 10_000 + BEACON.encode(),
        zlib.compress(BEACON.encode()),
        raw_deflate(BEACON.encode()),
        raw_deflate(BEACON.encode())[:-3],
        zstd.compress(BEACON.encode()),
        brotli.compress(BEACON.encode()),
        gzip.compress(brotli.compress(BEACON.encode())),
        zstd.compress(gzip.compress(BEACON.encode())),
        BEACON.replace("7", "7" * 99).replace(f'"{ADA}"', f'["x", {{"id": "{ADA}"}}]').encode(),
        BEACON.replace(f'"{ADA}"', f'["{ADA}"]').encode(),
        BEACON.replace(f'"{ADA}"', f"[{{id:{ADA}}}]").encode(),
        BEACON[: BEACON.index(ADA) - 1].encode() + f'{{"id": "{ADA}'.encode(),
    ],
    ids=range(29),
)
def test_a_viewer_is_found_in_whatever_is_left_of_a_beacon(body: bytes) -> None:
    found = find_viewer_ids(body)
    assert ADA in found.ids
    assert found.complete


@pytest.mark.parametrize(("sent", "name"), [("12345", "12345"), ("true", "true"), ("-1.5e3", "-1.5e3")])
def test_an_id_of_a_wrong_kind_is_found_too(sent: str, name: str) -> None:
    assert name in find_viewer_ids(f'{{"session":{{"viewer_id":{sent},"session_id":"s"}},"events":[]}}'.encode()).ids


@given(viewer=st.text(min_size=1), ascii_only=st.booleans())
def test_any_id_is_found_as_json_says_it(viewer: str, ascii_only: bool) -> None:
    body = json.dumps({"session": {"viewer_id": viewer}}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert viewer in find_viewer_ids(body).ids


@given(st.binary())
def test_no_bytes_break_it(body: bytes) -> None:
    find_viewer_ids(body)
    find_viewer_ids(gzip.compress(body))


def test_many_names_cost_no_more_than_their_bytes() -> None:
    body = b'"viewer_id":"' * 200_000
    assert len(find_viewer_ids(body).ids) < 10
    many = b"".join(b"viewer_id=%d," % number for number in range(300_000))
    found = find_viewer_ids(many)
    assert len(found.ids) <= MOST_VALUES
    assert not found.complete
    assert not find_viewer_ids(b'{"viewer_id":[' + b'"x",' * 300_000).complete


def test_the_parts_of_an_unquoted_value_are_counted_and_none_is_passed_over() -> None:
    found = find_viewer_ids(b'{"viewer_id":[' + b":".join(b"p%d" % number for number in range(600_000)) + b"]}")
    assert len(found.ids) <= 2 * MOST_VALUES
    assert not found.complete
    assert "p700" in find_viewer_ids(b"{viewer_id:[" + b":".join(b"p%d" % number for number in range(900))).ids


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" * (MOST_BYTES - 4),
        b"\xff\xfe" + b"\0\xd8" * (MOST_BYTES // 2 - 4),
        b"\xff\xfe\0\0" + b"\xff" * (MOST_BYTES - 8),
        b"\xff\xfe" + (b"\0\xd8" + "abcdefghijklm".encode("utf-16-le")) * (MOST_BYTES // 28 - 4),
    ],
    ids=["no UTF-8", "no UTF-16", "no UTF-32", "a tenth no UTF-16"],
)
def test_packed_noise_is_judged_without_an_object_for_each_character(body: bytes) -> None:
    packed = gzip.compress(body)
    tracemalloc.start()
    complete = find_viewer_ids(packed).complete
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not complete
    assert most < 12 * MOST_BYTES


def test_one_budget_bounds_all_that_is_made_of_a_body() -> None:
    escapes = gzip.compress(b'{"viewer_id": "' + b"\\u0061" * 600_000 + b'"}')
    one_long = gzip.compress(b'viewer_id:"' + b"\\a" * 2_000_000)
    for body in (escapes, one_long):
        assert not find_viewer_ids(body).complete
    both = Budget(work=5_000, values=3)
    assert find_viewer_ids(BEACON.encode(), both).ids == {ADA}
    assert not find_viewer_ids(BEACON.encode() * 9, both).complete
    assert both.is_spent


@given(st.text(st.sampled_from("a\t\n\0\x07\x1f\x7f\x85\x9f\xa0\ufffdé日")))
def test_characters_that_are_none_are_counted(text: str) -> None:
    assert contents.count_bad(text) == len(re.findall("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]", text))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_an_id_of_any_letters_is_found_in_any_unicode(encoding: str) -> None:
    assert "Zoë Šerá 日本" in find_viewer_ids(BEACON.replace(ADA, "Zoë Šerá 日本").encode(encoding)).ids


NOISE = Random(11).randbytes(5_000)  # noqa: S311  it need not be secret


@pytest.mark.parametrize(
    "body",
    [
        NOISE,
        gzip.compress(NOISE),
        zstd.compress(BEACON.encode()) + b"junk",
        zstd.compress(NOISE + BEACON.encode())[:-3],
        brotli.compress(BEACON.encode()) + b"junk",
        brotli.compress(BEACON.encode())[:-3],
        gzip.compress(BEACON.encode())[:-8] + b"wrongsum",
        b"\x28\xb5\x2f\xfd" + BEACON.encode()[:4],
        *(
            pack(bytes(contents.MOST_BYTES) + BEACON.encode())
            for pack in (gzip.compress, brotli.compress, zstd.compress)
        ),
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(BEACON.encode())))),
    ],
    ids=range(12),
)
def test_what_cannot_be_read_to_its_end_is_said_to_be_unread(body: bytes) -> None:
    found = find_viewer_ids(body)
    assert ADA in found.ids or not found.complete
    assert not find_viewer_ids(body.replace(BEACON.encode(), b"")).complete


@pytest.mark.parametrize(
    "body", [b"", b"{}", gzip.compress(b"hello"), gzip.compress(b""), "hello to Zoë".encode("latin-1")]
)
def test_what_names_nobody_names_nobody(body: bytes) -> None:
    found = find_viewer_ids(body)
    assert (found.ids, found.complete) == (frozenset(), True)
