"""A program's client: what it sends arrives whole, is sent again until answered, and each event's fate is told."""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.client.sending import Client, Full
from qoescope.settings import Settings

SESSION = {"session_id": "s1", "device_type": "smart_tv"}
EVENT = {"seq": 1, "at": 1_762_000_000_000, "type": "heartbeat", "state": "playing", "state_ms": 10_000}
GOOD = b'{"received":1,"accepted":1,"duplicate":0,"invalid":0,"filtered":0,"results":[]}'
ANSWER_S = 60.0


class Collector:
    """Answers as it is told, in order, then 200; keeps what it hears."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.heard: list[dict[str, Any]] = []
        self.encodings: list[str | None] = []
        self.asked, self.open = threading.Semaphore(0), threading.Event()
        self.open.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                encoding = self.headers["Content-Encoding"]
                assert (self.path, self.headers["Authorization"]) == ("/v1/beacons", "Bearer qw_x")
                collector.asked.release()
                collector.open.wait()
                status, answer, headers = collector.answers.pop(0) if collector.answers else (200, GOOD, {})
                if status == 0:
                    self.close_connection = True
                    return
                if status == 200:
                    collector.encodings.append(encoding)
                    collector.heard.append(json.loads(gzip.decompress(body) if encoding else body))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if headers.get("Transfer-Encoding") != "chunked":
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.open.set()
    made.server.shutdown()
    made.server.server_close()


def test_each_event_that_was_not_accepted_has_its_verdict(collector: Collector) -> None:
    said = {"received": 2, "accepted": 1, "duplicate": 0, "invalid": 1, "filtered": 0}
    said["results"] = [{"index": 1, "outcome": "invalid", "reason": "not an object", "seq": None}]  # type: ignore[assignment]
    collector.answers = [(200, json.dumps(said).encode(), {})]
    with Client(collector.url, "qw_x") as client:
        told = client.send(SESSION, [EVENT, EVENT]).result(ANSWER_S)
    assert (told.status, told.error, told.attempts) == (200, "", 1)
    assert told.answer is not None
    assert (told.answer.accepted, told.answer.invalid) == (1, 1)
    assert [(v.index, v.outcome, v.reason) for v in told.verdicts] == [(1, "invalid", "not an object")]
    (heard,) = collector.heard
    assert (heard["session"], heard["events"]) == (SESSION, [EVENT, EVENT])
    assert isinstance(heard["sent_at"], int)


def test_what_is_refused_for_the_moment_or_not_answered_is_sent_again(collector: Collector) -> None:
    in_chunks = {"Transfer-Encoding": "chunked"}
    collector.answers = [
        (503, b'{"error":"busy","request_id":"x"}', {"Retry-After": "1"}),
        (0, b"", {}),
        (429, b"", {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}),
        (200, b"10\r\n" + GOOD[:16] + b"\r\n%x\r\n" % len(GOOD[16:]) + GOOD[16:] + b"\r\n0\r\n\r\n", in_chunks),
    ]
    with Client(collector.url, "qw_x", connections=1) as client:
        told = client.send(SESSION, [EVENT]).result(ANSWER_S)
    assert (told.status, told.attempts, told.answer is not None) == (200, 4, True)


def test_what_is_refused_for_good_is_told_and_not_sent_again(collector: Collector) -> None:
    collector.answers = [(403, b'{"error":"this key was revoked","request_id":"x"}', {}), (404, b"<html>", {})]
    with Client(collector.url, "qw_x", connections=1) as client:
        refused, other = (client.send(SESSION, [EVENT]).result(ANSWER_S) for _ in range(2))
    assert (refused.status, refused.error, refused.attempts, refused.verdicts) == (403, "this key was revoked", 1, ())
    assert (other.status, other.error) == (404, "answer 404, which is not the collector's")


def test_a_large_beacon_is_gzipped_and_a_small_one_is_not(collector: Collector) -> None:
    many = [{**EVENT, "seq": n} for n in range(1, 101)]
    with Client(collector.url, "qw_x", connections=1) as client:
        wait([client.send(SESSION, [EVENT]), client.send(SESSION, many)], ANSWER_S)
    assert collector.encodings == [None, "gzip"]
    assert collector.heard[1]["events"] == many


def test_no_more_beacons_wait_than_may(collector: Collector) -> None:
    collector.open.clear()
    client = Client(collector.url, "qw_x", connections=1, most=2)
    waiting = [client.send(SESSION, [EVENT]) for _ in range(2)]
    with pytest.raises(Full):
        client.send(SESSION, [EVENT])
    with pytest.raises(Full):
        client.send(SESSION, [EVENT], wait_s=0.01)
    collector.open.set()
    wait(waiting, ANSWER_S)
    assert client.send(SESSION, [EVENT], wait_s=ANSWER_S).result(ANSWER_S).status == 200
    client.close()


def test_what_has_no_answer_at_the_end_is_told_so(collector: Collector) -> None:
    collector.open.clear()
    client = Client(collector.url, "qw_x", connections=1)
    under_way, waiting = client.send(SESSION, [EVENT]), client.send(SESSION, [EVENT])
    assert collector.asked.acquire(timeout=ANSWER_S)
    client.close(patience_s=0.1)
    assert [f.result(ANSWER_S).status for f in (under_way, waiting)] == [0, 0]
    assert under_way.result().error
    with pytest.raises(Mistake, match="closed"):
        client.send(SESSION, [EVENT])


def test_a_collector_that_is_not_there_yet_is_waited_for(collector: Collector) -> None:
    away = Client("http://127.0.0.1:9", "qw_x")
    told = away.send(SESSION, [EVENT])
    away.close(patience_s=0.2)
    assert (told.result(ANSWER_S).status, told.result().attempts) == (0, 0)
    assert "cannot connect" in told.result().error
    with pytest.raises(Mistake, match="must look like"):
        Client("127.0.0.1:9", "qw_x")


def test_the_page_about_sending_works_as_written(collector: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "sending.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    door = f"http://127.0.0.1:{Settings.model_fields['door_port'].default}"
    assert door in code
    exec(compile(code.replace(door, collector.url).replace("qw_…", "qw_x"), "sending.md", "exec"))  # noqa: S102
    assert capsys.readouterr().out == "1 accepted\n"
    assert len(collector.heard) == 1
