"""Viewer ids in what cannot be read: whoever asked to be forgotten is found in it, as far as bytes can say."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.compile.viewer_ids import find_viewer_ids

ADA = "ada@example.com"
BEACON = json.dumps({"session": {"viewer_id": ADA, "session_id": 7}, "events": [{"seq": -1}]})


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
    ],
    ids=range(18),
)
def test_a_viewer_is_found_in_whatever_is_left_of_a_beacon(body: bytes) -> None:
    assert ADA in find_viewer_ids(body)


@pytest.mark.parametrize(("sent", "name"), [("12345", "12345"), ("true", "true"), ("-1.5e3", "-1.5e3")])
def test_an_id_of_a_wrong_kind_is_found_too(sent: str, name: str) -> None:
    assert name in find_viewer_ids(f'{{"session":{{"viewer_id":{sent},"session_id":"s"}},"events":[]}}'.encode())


@given(viewer=st.text(min_size=1), ascii_only=st.booleans())
def test_any_id_is_found_as_json_says_it(viewer: str, ascii_only: bool) -> None:
    body = json.dumps({"session": {"viewer_id": viewer}}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert viewer in find_viewer_ids(body)


@given(st.binary())
def test_no_bytes_break_it(body: bytes) -> None:
    find_viewer_ids(body)
    find_viewer_ids(gzip.compress(body))


def test_many_names_cost_no_more_than_their_bytes() -> None:
    body = b'"viewer_id":"' * 200_000
    assert len(find_viewer_ids(body)) < 10


def test_what_names_nobody_names_nobody() -> None:
    assert find_viewer_ids(b"") == find_viewer_ids(b"{}") == find_viewer_ids(gzip.compress(b"hello")) == set()
