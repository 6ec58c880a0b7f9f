"""The door over real sockets and a real broker: what is answered is in the log, and bad senders hold up nobody.

Long because one broker serves every case of the door.
"""

import gzip
import itertools
import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import brotli
import httpx
import hypothesis
import psutil
import pytest
import schemathesis
from backports import zstd
from doors import CLIENT_S, GOOD, SOON_S, UP_S, Door, read_all, started_broker, written
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from until import until

from qoescope.catalog.errors import Mistake
from qoescope.catalog.topics import BEACONS_TOPIC, DEAD_LETTERS_TOPIC
from qoescope.connect import kafka
from qoescope.ingest.jobs import manage_keys
from qoescope.settings import Settings
from qoescope.stack import processes

pytestmark = pytest.mark.live
UNSAYABLE = [ignored_auth, positive_data_acceptance]
"""The key is ours, not the tool's; and what a CMCD report looks like, no JSON schema can say."""


def test_what_is_answered_is_in_the_log_with_its_books(door: Door) -> None:
    answer = door.send(GOOD, {"seq": 0}, {**GOOD, "seq": 2}, session_id="books")
    assert answer.json() == {
        "received": 3, "accepted": 2, "duplicate": 0, "invalid": 1, "filtered": 0,
        "results": [{"index": 1, "outcome": "invalid", "reason": answer.json()["results"][0]["reason"], "seq": 0}],
    }  # fmt: skip
    (record,) = written(door.settings, BEACONS_TOPIC.name, door.property_id)
    assert record["counts"] == {"received": 3, "accepted": 2, "duplicate": 0, "invalid": 1, "filtered": 0}
    assert [event["seq"] for event in record["events"]] == [1, 2]
    (letter,) = written(door.settings, DEAD_LETTERS_TOPIC.name, door.property_id)
    assert (letter["stage"], letter["count"]) == ("door", 1)


def test_a_beacon_sent_again_is_a_duplicate_and_booked_as_one(door: Door) -> None:
    assert door.send(GOOD, session_id="twice").json()["accepted"] == 1
    assert door.send(GOOD, session_id="twice").json()["duplicate"] == 1
    counts = [record["counts"] for record in written(door.settings, BEACONS_TOPIC.name, door.property_id)]
    assert [(c["accepted"], c["duplicate"]) for c in counts] == [(1, 0), (0, 1)]


def test_without_a_key_nobody_reads_or_writes(door: Door) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Bearer qw_wrong"}, {"authorization": "Basic x"}):
        assert door.http.post("/v1/beacons", headers=headers, content=b"{}").status_code == 401
        assert door.http.get("/v1/beacons", headers=headers).status_code == 401
    assert door.http.get("/v1/beacons").status_code == 405
    unknown = httpx.post(f"{door.url}/v1/beacons?key=qw_x", content=b"{}", timeout=CLIENT_S)
    assert (unknown.status_code, unknown.headers["www-authenticate"]) == (401, "Bearer")
    assert written(door.settings, BEACONS_TOPIC.name, door.property_id) == []


def test_a_revoked_key_is_refused_and_a_new_one_taken_without_a_restart(door: Door) -> None:
    second = manage_keys.create_key(door.settings, door.property_id)
    assert httpx.post(f"{door.url}/v1/beacons?key={second}", content=b"x", timeout=CLIENT_S).status_code == 400
    manage_keys.revoke_key(door.settings, door.key[:11])
    until(lambda: door.send(GOOD).status_code == 403, SOON_S, "the revoked key is refused")
    before = written(door.settings, BEACONS_TOPIC.name, door.property_id)
    assert door.send(GOOD, session_id="no more").status_code == 403
    assert written(door.settings, BEACONS_TOPIC.name, door.property_id) == before


def test_the_key_decides_the_property_whatever_the_body_says(door: Door) -> None:
    body = {"property": "other", "session": {"session_id": "s", "property": "other"}, "events": [GOOD]}
    assert door.http.post("/v1/beacons", content=json.dumps(body)).json()["accepted"] == 1
    assert len(written(door.settings, BEACONS_TOPIC.name, door.property_id)) == 1
    assert written(door.settings, BEACONS_TOPIC.name, "other") == []


def test_a_page_may_write_by_beacon_without_preflight_and_by_fetch_with_one(door: Door) -> None:
    headers = {"origin": "https://app.example", "content-type": "text/plain;charset=UTF-8"}
    body = json.dumps({"session": {"session_id": "page"}, "events": [GOOD]})
    sent = httpx.post(f"{door.url}/v1/beacons?key={door.key}", headers=headers, content=body, timeout=CLIENT_S)
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, "https://app.example")
    asked = httpx.options(f"{door.url}/v1/beacons", headers={"origin": "https://app.example"}, timeout=CLIENT_S)
    assert asked.status_code == 204
    assert "Authorization" in asked.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"nope", {}, 400),
        (b"", {}, 400),
        (b"[" * 10_000, {}, 400),
        (b'{"session":{"session_id":"s"},"events":[' + b"[" * 10_000 + b"]" * 10_000 + b"]}", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b'{"session":{"session_id":"s","os":"' + b"x" * 10_000_000 + b'"},"events":[]}', {}, 413),
        (b"x" * (1024 * 1024 + 1), {}, 413),
        (gzip.compress(bytes(100 * 1024 * 1024)), {"content-encoding": "gzip"}, 413),
        (b"abc", {"content-encoding": "gzip"}, 400),
        (b"abc", {"content-encoding": "br"}, 400),
        (b"abc", {"content-encoding": "compress"}, 415),
    ],
)
def test_a_body_refused_whole_is_one_invalid_and_kept(
    door: Door, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert door.http.post("/v1/beacons", content=body, headers=headers).status_code == status
    (record,) = written(door.settings, BEACONS_TOPIC.name, door.property_id)
    assert record["counts"] == {"received": 1, "accepted": 0, "duplicate": 0, "invalid": 1, "filtered": 0}
    assert record["events"] == []
    (letter,) = written(door.settings, DEAD_LETTERS_TOPIC.name, door.property_id)
    assert letter["count"] == 1


@pytest.mark.parametrize(("encoding", "pack"), [("ZSTD", zstd.compress), ("Br", brotli.compress)])
def test_several_packed_beacons_are_judged_each_and_booked_once(
    door: Door, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    sessions = [json.dumps({"session": {"session_id": f"{encoding}-{n}"}, "events": [GOOD]}) for n in range(3)]
    body = pack("\n".join([*sessions, "{broken", sessions[0]]).encode())
    answer = door.http.post("/v1/beacons", content=body, headers={"content-encoding": encoding})
    told = answer.json()
    assert (answer.status_code, told["received"], told["accepted"]) == (200, 5, 3)
    assert [(v["beacon"], v["outcome"]) for v in told["results"]] == [(3, "invalid"), (4, "duplicate")]
    records = written(door.settings, BEACONS_TOPIC.name, door.property_id)
    assert sum(record["counts"]["received"] for record in records) == 5
    kept = [record["session"]["session_id"] for record in records if record["events"]]
    assert sorted(kept) == [f"{encoding}-{n}" for n in range(3)]
    (letter,) = written(door.settings, DEAD_LETTERS_TOPIC.name, door.property_id)
    assert letter["count"] == 1


def test_large_values_are_judged_in_bounded_memory(door: Door) -> None:
    process = psutil.Process(door.process.inner.pid)
    before = process.memory_info().rss
    keys = {str(n): n for n in range(100_000)}
    for event in ({**GOOD, "note": "x" * 900_000}, {**GOOD, "note": [keys] and {str(n): 0 for n in range(60_000)}}):
        assert door.send(event, {**GOOD, "seq": 2}, session_id=str(len(str(event)))).json()["invalid"] == 1
    packed = gzip.compress(json.dumps({"session": {"session_id": "k", **keys}, "events": [GOOD]}).encode())
    answer = door.http.post("/v1/beacons", content=packed, headers={"content-encoding": "gzip"})
    assert answer.json()["invalid"] == 1
    assert process.memory_info().rss - before < 200 * 1024 * 1024


def drip(raw: socket.socket, pieces: Iterator[bytes]) -> None:
    """Sends a piece every 0.2 s until the other side has had enough."""
    stop = threading.Event()
    try:
        for piece in pieces:
            raw.sendall(piece)
            if stop.wait(0.2):
                return
    except OSError:
        return


def forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def test_slow_senders_are_closed_in_time_while_another_is_served(hasty: Door) -> None:
    door = hasty
    starts = [
        b"POST /v1/beacons HTTP/1.1\r\nhost: door\r\nx-slow: ",  # headers that never end
        door.post_head("content-length: 1000"),  # a body that never ends
        door.post_head("transfer-encoding: chunked"),  # chunks that never end
    ]
    trickles = [b"x", b" ", b"1\r\nx\r\n"]
    answers: dict[int, bytes] = {}

    def one(number: int) -> None:
        with door.socket() as raw:
            raw.sendall(starts[number])
            sender = threading.Thread(target=drip, args=(raw, forever(trickles[number])), daemon=True)
            sender.start()
            answers[number] = read_all(raw)
            raw.close()
            sender.join(5)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for n in range(20):
        assert door.send({**GOOD, "seq": n + 1}, session_id="meanwhile").status_code == 200
    for thread in threads:
        thread.join(SOON_S)
        assert not thread.is_alive()
    for number in range(3):
        assert answers[number].startswith(b"HTTP/1.1 408 "), answers[number][:80]


def bombs() -> list[bytes]:
    """Gzip of 16 MiB, which its ratio betrays at once; and of 5 MiB, whose ratio passes for a beacon's."""
    noise = Random(1).randbytes(64 * 1024)  # noqa: S311
    return [gzip.compress(bytes(16 * 1024 * 1024)), gzip.compress(noise + bytes(5 * 1024 * 1024))]


def bombed(door: Door, heard: Counter[bytes], enough: threading.Event) -> None:
    """Sends bombs one after the other; whatever it hears, it goes on."""
    packed = [door.post_head("content-encoding: gzip", f"content-length: {len(one)}") + one for one in bombs()]
    with door.socket() as raw:
        for bomb in itertools.cycle(packed):
            if enough.is_set():
                return
            raw.sendall(bomb)
            said = raw.recv(65_536)
            heard[said.split(b" ")[1] if said else b"nothing"] += 1


def booked(door: Door) -> Counter[str]:
    """The door's books of the property, as the log has them."""
    told: Counter[str] = Counter()
    for record in written(door.settings, BEACONS_TOPIC.name, door.property_id):
        told.update(record["counts"])
    for tick in written(door.settings, BEACONS_TOPIC.name, "_door"):
        told["rate_limited"] += sum(n for name, _, n in tick["rate_limited"] if name == door.property_id)
    return +told


def test_bombs_and_senders_that_never_finish_harm_no_other_client(opened: Callable[..., Door]) -> None:
    """What is held up behind a slow body waits for longer than any client does."""
    attacked = opened(door_requests=16, door_connections=64, budget_bytes=1e9, header_timeout_s=600, body_timeout_s=600)
    attacker = Door(attacked.settings, f"{attacked.property_id}-foe", attacked.process)
    attacked.ready()
    enough, heard = threading.Event(), Counter[bytes]()
    senders = [threading.Thread(target=bombed, args=(attacker, heard, enough), daemon=True) for _ in range(2)]
    with ExitStack() as open_sockets:
        half = [open_sockets.enter_context(attacker.socket()) for _ in range(40)]
        for number, raw in enumerate(half):  # a body, headers, or nothing, that never comes to its end
            raw.sendall((attacker.post_head("content-length: 1000") + b"{", b"POST /v1/beacons HT", b"")[number % 3])
        for sender in senders:
            sender.start()
        until(lambda: heard[b"413"] >= 2, SOON_S, "bombs are refused")
        for n in range(100):
            assert attacked.send({**GOOD, "seq": n + 1}, session_id="honest").status_code == 200
        enough.set()
        for sender in senders:
            sender.join(SOON_S)
        for _ in range(100):  # beyond what the door holds open
            open_sockets.enter_context(attacker.socket())
        assert attacked.answers("/livez") == 200
    attacker.http.close()
    assert set(heard) <= {b"413", b"429"}
    assert booked(attacked) == {"received": 100, "accepted": 100}
    bombs_refused = {"received": heard[b"413"], "invalid": heard[b"413"], "rate_limited": heard[b"429"]}
    until(lambda: booked(attacker) == +Counter(bombs_refused), SOON_S, "each bomb is booked")
    assert len(written(attacked.settings, DEAD_LETTERS_TOPIC.name, attacker.property_id)) == heard[b"413"]


def test_a_silent_connection_is_closed_without_a_word(hasty: Door) -> None:
    with hasty.socket() as raw:
        assert read_all(raw) == b""


def test_chunks_without_end_stop_at_the_limit(door: Door) -> None:
    with door.socket() as raw:
        raw.sendall(door.post_head("transfer-encoding: chunked"))
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        sent = 0
        try:
            while sent < 64:
                raw.sendall(chunk)
                sent += 1
        except OSError:
            pass
        said = read_all(raw)
    assert said.startswith(b"HTTP/1.1 413 ") or (said == b"" and sent < 64)
    until(lambda: len(written(door.settings, DEAD_LETTERS_TOPIC.name, door.property_id)) == 1, SOON_S)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nhost door\r\n\r\n",
        b"POST /v1/beacons HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/beacons HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 400_000,
        b"GET /" + b"y" * 400_000,
        b"\x00" * 1000,
    ],
)
def test_what_is_no_http_is_refused_and_closed(door: Door, sent: bytes) -> None:
    with door.socket() as raw:
        raw.sendall(sent)
        said = read_all(raw)
    assert said == b"" or said.split(b" ")[1] in (b"400", b"401", b"414", b"431"), said[:80]
    assert door.answers("/livez") == 200


def test_requests_sent_at_once_are_answered_in_their_order(door: Door) -> None:
    def post(seq: int) -> bytes:
        body = json.dumps({"session": {"session_id": "pipe"}, "events": [{**GOOD, "seq": seq}] * seq}).encode()
        return door.post_head(f"content-length: {len(body)}") + body

    with door.socket() as raw:
        raw.sendall(post(1) + post(2) + post(3) + b"GET /livez HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n")
        said = read_all(raw)
    assert [said.count(b"HTTP/1.1 200 OK"), said.count(b'"live":true')] == [4, 1]
    places = [said.index(b'"received":%d' % n) for n in (1, 2, 3)]
    assert places == sorted(places)


def test_a_sender_that_asks_without_reading_is_closed_in_time(hasty: Door) -> None:
    request = b"GET /v1/openapi.json HTTP/1.1\r\nhost: door\r\n\r\n" * 500
    with hasty.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises((ConnectionError, TimeoutError)):
            raw.sendall(request * 1000)
    assert hasty.answers("/livez") == 200


def test_a_sender_that_leaves_in_the_middle_is_no_event_and_no_error(door: Door) -> None:
    with door.socket() as raw:
        raw.sendall(door.post_head("content-length: 100") + b"{")
        until(lambda: door.metric("qoescope_door_requests_in_flight") == 1, SOON_S)
    until(lambda: door.metric("qoescope_door_requests_in_flight") == 0, SOON_S)
    assert written(door.settings, BEACONS_TOPIC.name, door.property_id) == []


def test_a_sender_that_waits_for_continue_is_told_to(door: Door) -> None:
    body = json.dumps({"session": {"session_id": "c"}, "events": [GOOD]}).encode()
    with door.socket() as raw:
        raw.sendall(door.post_head(f"content-length: {len(body)}", "expect: 100-continue", "connection: close"))
        assert raw.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(body)
        assert read_all(raw).startswith(b"HTTP/1.1 200 ")


def test_over_its_budget_a_key_hears_429_and_its_outcomes_add_up_while_another_hears_none(
    opened: Callable[..., Door],
) -> None:
    door = opened(budget_events=1.0, budget_burst_s=100.0).ready()
    quiet = manage_keys.create_key(door.settings, "quiet")
    heard: Counter[int] = Counter()
    sent = 0
    for n in range(200):  # 1,000 events at once against a burst of 100 and one a second
        answer = door.send(*[{**GOOD, "seq": i} for i in range(1, 6)], session_id=f"loud-{n}")
        heard[answer.status_code] += 1
        sent += 5
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
        if n % 20 == 0:
            body = json.dumps({"session": {"session_id": f"quiet-{n}"}, "events": [GOOD]})
            assert httpx.post(f"{door.url}/v1/beacons?key={quiet}", content=body, timeout=CLIENT_S).status_code == 200
    assert set(heard) == {200, 429}
    accepted = 5 * heard[200]
    assert 100 <= accepted < 500

    def booked() -> tuple[int, int]:
        ticks = [r for r in written(door.settings, BEACONS_TOPIC.name, "_door") if r["rate_limited"]]
        refused = sum(n for tick in ticks for name, _, n in tick["rate_limited"] if name == door.property_id)
        taken = sum(r["counts"]["received"] for r in written(door.settings, BEACONS_TOPIC.name, door.property_id))
        return taken, refused

    until(lambda: booked() == (accepted, sent - accepted), SOON_S, f"{accepted} accepted of {sent}")


def crowd() -> bytes:
    """A body of many small events: each costs much more to read than its bytes."""
    events = [[number] for number in Random(1).randbytes(100_000)]  # noqa: S311
    return json.dumps({"session": {"session_id": "s"}, "events": events}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("body", "headers"), [(crowd(), {}), (gzip.compress(crowd()), {"content-encoding": "gzip"})], ids=["plain", "gzip"]
)
def test_what_costs_more_to_read_than_its_key_has_is_paid_before_the_next_is_read(
    opened: Callable[..., Door], body: bytes, headers: dict[str, str]
) -> None:
    door = opened(budget_events=1.0, budget_burst_s=1_500.0).ready()
    assert door.http.post("/v1/beacons", content=body, headers=headers).status_code == 413
    assert door.http.post("/v1/beacons", content=body, headers=headers).status_code == 429


def test_ticks_come_to_each_partition(door: Door) -> None:
    ends = kafka.offsets(door.settings, BEACONS_TOPIC.name)
    until(
        lambda: all(end > ends[p][1] for p, (_, end) in kafka.offsets(door.settings, BEACONS_TOPIC.name).items()),
        SOON_S,
        "each partition grows in silence",
    )


def test_cmcd_reports_are_answered_without_a_body_and_kept_as_text(door: Door) -> None:
    report = 'e=ps,sid="x",sta=s,ts=1762000000000,v=2'
    sent = door.http.post("/v1/cmcd", content=report, headers={"content-type": "application/cmcd"})
    assert (sent.status_code, sent.content) == (204, b"")
    assert httpx.get(f"{door.url}/v1/cmcd/{door.key}", params={"CMCD": report}, timeout=CLIENT_S).status_code == 204
    assert [r["cmcd"] for r in written(door.settings, BEACONS_TOPIC.name, door.property_id)] == [[report], [report]]
    assert door.http.post("/v1/cmcd", content="((").status_code == 400
    assert httpx.post(f"{door.url}/v1/cmcd?key=qw_no", content=report, timeout=CLIENT_S).status_code == 403
    manage_keys.revoke_key(door.settings, door.key[:11])
    until(lambda: door.http.post("/v1/cmcd", content=report).status_code == 410, SOON_S)


def test_a_stop_answers_what_is_in_flight_and_exits_clean(opened: Callable[..., Door]) -> None:
    door = opened().ready()
    body = json.dumps({"session": {"session_id": "last"}, "events": [GOOD]}).encode()
    with door.socket() as raw:
        raw.sendall(door.post_head(f"content-length: {len(body)}") + body[:10])
        until(lambda: door.metric("qoescope_door_requests_in_flight") == 1, SOON_S)
        door.process.inner.send_signal(signal.SIGTERM)
        until(lambda: door.answers("/livez") == 0, SOON_S, "it listens no more")
        raw.sendall(body[10:])
        said = read_all(raw)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in said
    assert door.process.inner.wait(SOON_S) == 0
    assert len(written(door.settings, BEACONS_TOPIC.name, door.property_id)) == 1


def test_a_crash_after_the_acknowledgement_is_a_duplicate_for_the_lake_and_no_loss(
    opened: Callable[..., Door],
) -> None:
    door = opened(crash_at="door.after_ack").ready()
    with pytest.raises(httpx.TransportError):
        door.send(GOOD, session_id="crash")
    assert door.process.inner.wait(SOON_S) == -signal.SIGKILL
    again = Door(door.settings, door.property_id).ready()
    try:
        assert again.send(GOOD, session_id="crash").json()["accepted"] == 1
    finally:
        again.stop()
    assert len(written(door.settings, BEACONS_TOPIC.name, door.property_id)) == 2


def test_the_door_is_as_its_openapi_document_says(door: Door) -> None:
    schema = schemathesis.openapi.from_url(f"{door.url}/v1/openapi.json")
    for path, method in (("/v1/beacons", "POST"), ("/v1/cmcd", "POST"), ("/v1/cmcd", "GET"), ("/readyz", "GET")):

        @hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.given(case=schema[path][method].as_strategy())
        def holds(case: Any) -> None:
            answer = case.call(headers={"authorization": f"Bearer {door.key}"})
            case.validate_response(answer, excluded_checks=UNSAYABLE)

        holds()


def test_several_processes_share_a_door_and_end_together(opened: Callable[..., Door]) -> None:
    door = opened(door_workers=2).ready()
    first = psutil.Process(door.process.inner.pid)
    workers = until(lambda: [p for p in first.children() if "spawn_main" in " ".join(p.cmdline())], SOON_S)
    until(lambda: {door.http.get("/metrics").text.count('worker="1"') > 0 for _ in range(8)} == {True, False}, SOON_S)
    for n in range(20):
        body = json.dumps({"session": {"session_id": f"w-{n}"}, "events": [GOOD]})
        sent = door.http.post("/v1/beacons", content=body)
        assert sent.status_code in (200, 503)
        if sent.status_code == 503:  # the second one has just begun
            until(lambda: door.answers("/readyz") == 200, SOON_S)
    door.process.inner.send_signal(signal.SIGKILL)
    until(lambda: not any(map(processes.is_running, workers)), SOON_S, "no worker outlives the first process")


def test_the_page_of_the_demo_and_its_client_are_served_without_a_key(door: Door) -> None:
    page, client = (
        httpx.get(f"{door.url}/demo", timeout=CLIENT_S),
        httpx.get(f"{door.url}/v1/qoescope.js", timeout=CLIENT_S),
    )
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert (client.status_code, client.headers["access-control-allow-origin"]) == (200, "*")
    assert httpx.get(f"{door.url}/demo/media/../../secrets/viewers.v1.key", timeout=CLIENT_S).status_code == 404
    assert httpx.get(f"{door.url}/demo/media/%2e%2e/secrets/viewers.v1.key", timeout=CLIENT_S).status_code == 404


def test_media_come_as_slowly_as_asked(door: Door) -> None:
    media = door.settings.var / "media"
    media.mkdir(exist_ok=True)
    (media / "a.m4s").write_bytes(bytes(100_000))
    fast, began = door.http.get("/demo/media/a.m4s"), time.monotonic()
    slow = door.http.get("/demo/media/a.m4s?kbps=800")
    assert time.monotonic() - began > 0.8  # for what lies beyond the first piece of 16 KiB
    assert (fast.content, slow.content, slow.headers["content-type"]) == (bytes(100_000),) * 2 + ("video/iso.segment",)


@pytest.fixture
def ports() -> Iterator[list[int]]:
    """Of a broker and a door that are started again and again."""
    with processes.reserve_ports(0, 0) as found:
        yield found


def test_without_a_broker_the_door_lives_refuses_and_recovers_by_itself(tmp_path: Path, ports: list[int]) -> None:
    broker_port, door_port = ports
    settings = Settings(
        var=tmp_path, broker_port=broker_port, brokers=f"127.0.0.1:{broker_port}", door_port=door_port,
        kafka_delivery_ms=4000, door_refresh_s=0.5,
    )  # fmt: skip
    with pytest.raises(Mistake, match="is the broker up"):
        kafka.ensure_topics(settings, timeout_s=1)
    door = Door(settings, "alone")
    process = None
    try:
        until(lambda: door.answers("/livez") == 200, UP_S)
        assert door.answers("/readyz") == 503
        refused = door.send(GOOD)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        process = started_broker(settings)
        door.ready()
        assert door.send(GOOD).json()["accepted"] == 1
        process.end(signal.SIGKILL)
        assert until(lambda: door.send(GOOD, session_id="away").status_code == 503, SOON_S)
        assert door.answers("/readyz") == 503
        process = started_broker(settings)
        door.ready()
        assert door.send(GOOD, session_id="back").json()["accepted"] == 1
        assert door.process.inner.poll() is None
    finally:
        door.stop()
        if process is not None:
            process.end(signal.SIGKILL)
