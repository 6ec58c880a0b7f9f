"""The door's edge: odd requests, with and without a key, leave nothing behind and harm no other client."""

import json
import socket
from collections.abc import Callable, Iterator

import pytest
from doors import CLIENT_S, GOOD, SOON_S, Door, read_all, written
from until import until

from qoescope.catalog.topics import BEACONS_TOPIC

pytestmark = pytest.mark.live
LAST = b"GET /livez HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n"


@pytest.fixture
def clean(door: Door) -> Iterator[Door]:
    """The shared door, which holds no more afterwards than before, and has met nothing unforeseen."""
    assert door.send(GOOD, session_id="first").status_code == 200
    before = door.held()
    yield door
    until(
        lambda: all(now <= before[name] for name, now in door.held().items()), SOON_S, f"no more is held than {before}"
    )
    assert door.answers("/livez") == 200


def statuses(heard: bytes) -> list[int]:
    return [int(part[:3]) for part in heard.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/demo/media/%00", 404),
        (b"/demo/media/" + b"a" * 4_200, 404),
        (b"/demo/media/../../secrets/viewers.v1.key", 404),
        (b"/demo/media/%2e%2e/secrets/viewers.v1.key", 404),
        (b"//", 404),
        (b"*", 404),
        (b"/" + b"a" * 20_000, 414),
    ],
    ids=["NUL", "a name too long", "dots", "encoded dots", "slashes", "star", "an address too long"],
)
def test_odd_paths_are_answered_and_leave_no_descriptor(clean: Door, path: bytes, status: int) -> None:
    for _ in range(60):
        assert statuses(clean.raw(b"GET %b HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n" % path)) == [status]


def test_more_odd_paths_than_connections_leave_room(opened: Callable[..., Door]) -> None:
    door = opened(door_connections=8).ready()
    for _ in range(20):
        assert statuses(door.raw(b"GET /demo/media/%00 HTTP/1.1\r\nhost: door\r\n\r\n")) == [404]
    assert door.send(GOOD).status_code == 200


def test_a_key_in_a_trailer_is_no_key(clean: Door) -> None:
    body = json.dumps({"session": {"session_id": "trailer"}, "events": [GOOD]}).encode()
    chunked = (
        b"POST /v1/beacons HTTP/1.1\r\nhost: door\r\ntransfer-encoding: chunked\r\n\r\n"
        b"%x\r\n%b\r\n0\r\nauthorization: Bearer %b\r\norigin: https://other.example\r\n\r\n"
    ) % (len(body), body, clean.key.encode())
    without = b"POST /v1/beacons HTTP/1.1\r\nhost: door\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
    healthy = b"POST /livez HTTP/1.1\r\nhost: door\r\ntransfer-encoding: chunked\r\n\r\n"
    assert 200 not in statuses(clean.raw(chunked + without % (len(body), body)))
    keyed = healthy + b"0\r\nauthorization: Bearer %b\r\n\r\n" % clean.key.encode()
    heard = clean.raw(keyed + without % (len(body), body))
    assert (statuses(heard)[-1], b"other.example" in heard) == (401, False)
    assert [
        record["session"]["session_id"] for record in written(clean.settings, BEACONS_TOPIC.name, clean.property_id)
    ] == ["first"]


def test_trailers_without_end_are_refused(clean: Door) -> None:
    for head in (clean.post_head("transfer-encoding: chunked"), clean.post_head("transfer-encoding: chunked", "x: y")):
        assert statuses(clean.raw(head + b"2\r\n{}\r\n0\r\n" + b"a:b\r\n" * 150_000)) == [431]


@pytest.mark.parametrize("method", ["GET /livez", "POST /v1/beacons"])
@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0"])
def test_an_upgrade_is_ignored_and_the_request_answered(clean: Door, method: str, protocol: str) -> None:
    body = json.dumps({"session": {"session_id": protocol}, "events": [GOOD]}).encode()
    body = body if method.startswith("POST") else b""
    head = (
        f"{method} HTTP/1.1\r\nhost: door\r\nauthorization: Bearer {clean.key}\r\ncontent-length: {len(body)}\r\n"
        f"connection: Upgrade, HTTP2-Settings\r\nupgrade: {protocol}\r\nhttp2-settings: AAMAAABkAAR\r\n\r\n"
    )
    assert statuses(clean.raw(head.encode() + body)) == [200]


def test_pipelined_requests_that_are_read_late_do_not_stay(hasty: Door) -> None:
    with hasty.socket() as raw:
        raw.sendall(b"GET /v1/openapi.json HTTP/1.1\r\nhost: door\r\n\r\n" * 400)
        assert read_all(raw).count(b"HTTP/1.1 200 OK") == 400


def test_a_body_that_stops_behind_requests_in_progress_is_refused_in_time(hasty: Door) -> None:
    with hasty.socket() as raw:
        raw.sendall(b"GET /livez HTTP/1.1\r\nhost: door\r\n\r\n" * 3 + hasty.post_head("content-length: 99") + b"{")
        assert statuses(read_all(raw)) == [200, 200, 200, 408]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        (b"GET /livez HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /livez\r\n\r\n", 505),
        (b"CONNECT kafka:9092 HTTP/1.1\r\nhost: kafka:9092\r\n\r\n", 400),
        (b"POST /livez HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ],
    ids=["no host", "two hosts", "2.0", "preface of 2", "0.9", "tunnel", "coding"],
)
def test_unfit_heads_are_refused_by_name(clean: Door, sent: bytes, status: int) -> None:
    assert statuses(clean.raw(sent)) == [status]


def test_an_address_that_names_its_host_is_answered(clean: Door) -> None:
    assert statuses(clean.raw(b"GET http://door/livez HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n")) == [200]


def test_a_good_request_before_a_bad_one_is_answered_and_written(clean: Door) -> None:
    body = json.dumps({"session": {"session_id": "before"}, "events": [GOOD]}).encode()
    assert statuses(clean.raw(clean.post_head(f"content-length: {len(body)}") + body + b"nonsense\r\n\r\n")) == [
        200,
        400,
    ]
    assert len(written(clean.settings, BEACONS_TOPIC.name, clean.property_id)) == 2


def test_a_sender_that_never_reads_its_answers_does_not_stay(hasty: Door) -> None:
    before = hasty.held()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(CLIENT_S)
        raw.connect(("127.0.0.1", hasty.settings.door_port))
        raw.sendall(b"GET /v1/openapi.json HTTP/1.1\r\nhost: door\r\n\r\n" * 500)
        until(lambda: hasty.held()["connections"] <= before["connections"], SOON_S, "it is closed")


def test_a_request_in_progress_is_told_by_the_books(clean: Door) -> None:
    with clean.socket() as raw:
        raw.sendall(clean.post_head("content-length: 99") + b"{")
        until(lambda: clean.held()["requests_in_flight"] == 1, SOON_S, "a request whose body is to come")
        held = clean.held()
        assert held["connections"] >= 2
        assert held["tasks"] >= 2
