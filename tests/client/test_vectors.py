"""Vectors through the Python client: they fold into the same rows, though some beacons are refused at first."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from replayed import row_of, rows_by_session

from qoescope.client.sending import Client

FOLDER = Path(__file__).parents[2] / "sdk/vectors"
VECTORS: list[dict[str, Any]] = [v for file in sorted(FOLDER.glob("*.json")) for v in json.loads(file.read_text())]
REFUSED_EVERY = 7
ANSWER_S = 60.0


class Collector(BaseHTTPRequestHandler):
    """Refuses one request in seven for the moment; keeps each body that it acknowledges."""

    protocol_version = "HTTP/1.1"
    bodies: ClassVar[list[dict[str, Any]]] = []
    requests: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append(self.path)
        refused = len(self.requests) % REFUSED_EVERY == 0
        counts = dict.fromkeys(("duplicate", "invalid", "filtered"), 0)
        answer = counts | {"received": len(body["events"]), "accepted": len(body["events"]), "results": []}
        if not refused:
            self.bodies.append(body)
        self.send_response(503 if refused else 200)
        text = json.dumps({"error": "busy"} if refused else answer).encode()
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


@pytest.fixture
def collector() -> Iterator[str]:
    Collector.bodies.clear()
    Collector.requests.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_what_players_did_folds_into_the_vectors_rows(collector: str) -> None:
    receipts = []
    with Client(collector, "qw_x", packs=False) as client:
        for vector in VECTORS:
            for _, _, _, place, first, last in vector["beacons"]:
                session = vector["sessions"][place]
                context = session["context"] | {"session_id": f"{vector['name']} {place}"}
                receipts.append(client.send(context, session["events"][first - 1 : last], wait_s=ANSWER_S))
        assert {receipt.result(ANSWER_S).status for receipt in receipts} == {200}
    expected = {f"{v['name']} {place}": s["row"] for v in VECTORS for place, s in enumerate(v["sessions"])}
    assert len(Collector.requests) > len(Collector.bodies) > len(expected)
    assert {identity: row_of(row) for identity, row in rows_by_session(Collector.bodies).items()} == expected
