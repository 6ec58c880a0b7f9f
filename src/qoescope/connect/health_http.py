"""Health over HTTP: `/livez`, `/readyz` and `/metrics` of a process without another HTTP server."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from qoescope.catalog.errors import Mistake
from qoescope.connect.health import HealthBoard, LoopHealth, PartHealth
from qoescope.connect.readiness import ReadinessLimits, find_problems, is_ready

ADDRESS = "127.0.0.1"
"""Probes come from the same machine, or the same container."""
LOOP_GAUGES = {
    "failures": "Failures since the last good batch.",
    "restarts": "How often it was started again.",
    "set_aside": "Records that broke their batch and were set aside.",
    "lag_records": "Records of the log that it has not read.",
    "lag_s": "Seconds of arrival that it is behind.",
}
LOOP_AGES = {
    "succeeded_at": ("last_success_age_s", "Seconds since the last good batch."),
    "waiting_since": ("waiting_s", "Seconds for which there has been work and no good batch."),
    "oldest_open_at": ("oldest_open_age_s", "Age of the oldest event that no session holds yet."),
}


@contextmanager
def serve(board: HealthBoard, port: int, limits: ReadinessLimits) -> Iterator[int]:
    """Serves on this port of loopback, or on a free one for 0, while the block runs; yields the port.

    Raises `Mistake` when the port is taken.
    """

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """One of the three paths."""
            status, body = answer(self.path, board.snapshot(), time.time(), limits)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: it is asked every few seconds."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    try:
        opened = Server((ADDRESS, port), Answers)
    except OSError as error:
        raise Mistake(
            f"port {port} of {ADDRESS} is taken: choose another by QOESCOPE_STREAM_PORT or QOESCOPE_MONITOR_PORT"
        ) from error
    with opened as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="health http", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(5)


def answer(path: str, part: PartHealth, now: float, limits: ReadinessLimits) -> tuple[HTTPStatus, bytes]:
    """Status and body for a path."""
    match path.split("?", 1)[0]:
        case "/livez":
            return HTTPStatus.OK, b"alive\n"
        case "/readyz":
            ready = is_ready(part, now, limits)
            lines = [str(problem) for problem in find_problems(part, now, limits)] or [part.state]
            return HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, "".join(f"{x}\n" for x in lines).encode()
        case "/metrics":
            return HTTPStatus.OK, "".join(f"{line}\n" for line in _metrics(part, now, limits)).encode()
        case _:
            return HTTPStatus.NOT_FOUND, b"not found\n"


def _metrics(part: PartHealth, now: float, limits: ReadinessLimits) -> Iterator[str]:
    """The health in Prometheus' text format."""
    wrong = {problem.loop for problem in find_problems(part, now, limits) if problem.blocks}
    yield from _gauge("ready", "Whether the process is ready.", [("", float(is_ready(part, now, limits)))])
    yield from _gauge("ends", "Earlier processes that ended without saying so.", [("", float(len(part.ends)))])
    disks = [(f'{{path="{_escape(place)}"}}', float(free)) for place, free in part.free_bytes.items()]
    yield from _gauge("free_bytes", "Free bytes of a disk.", disks)
    ready = [(_label(loop), float(loop.name not in wrong)) for loop in part.loops]
    yield from _gauge("stream_ready", "Whether the stream is ready.", ready)
    for name, doc in LOOP_GAUGES.items():
        known = [(_label(loop), getattr(loop, name)) for loop in part.loops]
        yield from _gauge(f"stream_{name}", doc, [(label, float(v)) for label, v in known if v is not None])
    for name, (short, doc) in LOOP_AGES.items():
        since = [(_label(loop), getattr(loop, name)) for loop in part.loops]
        yield from _gauge(
            f"stream_{short}", doc, [(label, max(0.0, now - at)) for label, at in since if at is not None]
        )


def _gauge(name: str, doc: str, values: list[tuple[str, float]]) -> Iterator[str]:
    if values:
        yield f"# HELP qoescope_{name} {doc}"
        yield f"# TYPE qoescope_{name} gauge"
    for label, value in values:
        yield f"qoescope_{name}{label} {value:g}"


def _label(loop: LoopHealth) -> str:
    return f'{{stream="{_escape(loop.name)}"}}'


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
