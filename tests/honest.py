"""An honest client in a process of its own: beacons on new connections, and how long each answer took."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EVERY_S, LONGEST_S = 0.02, 20.0
EVENT = {"seq": 1, "at": 1_762_000_000_000, "type": "heartbeat", "state": "playing", "state_ms": 10_000}


@dataclass
class Served:
    """What it met."""

    took_ms: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        """All but one answer of a hundred came sooner."""
        return sorted(self.took_ms)[len(self.took_ms) * 99 // 100]


@contextmanager
def client(port: int, key: str, least: int = 0) -> Iterator[Served]:
    """Asks until the block ends, `least` times in any case; what it met is filled in then."""
    served = Served()
    command = [sys.executable, __file__, str(port), key, str(least)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield served
        out, _ = process.communicate(timeout=least * EVERY_S + 5 * LONGEST_S)
    for line in out.splitlines():
        took_ms, answer = json.loads(line)
        served.took_ms.append(took_ms)
        if " 200 " not in answer.split("\r\n")[0] or '"accepted":1' not in answer:
            served.refused.append(answer[:500])


def asked(port: int, request: bytes) -> tuple[float, str]:
    """How long it took in ms, and the answer."""
    began, heard = time.perf_counter(), b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=LONGEST_S) as connection:
            connection.sendall(request)
            while piece := connection.recv(65_536):
                heard += piece
    except OSError as error:
        heard += repr(error).encode()
    return 1000 * (time.perf_counter() - began), heard.decode("latin-1")


def main(port: int, key: str, least: int) -> None:
    """Asks at even times, whatever the door takes, until nobody listens and `least` times; then says it all."""
    over, pause = threading.Event(), threading.Event()

    def listen() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    head = f"POST /v1/beacons HTTP/1.1\r\nhost: door\r\nconnection: close\r\nauthorization: Bearer {key}\r\n"
    met: list[tuple[float, str]] = []
    named, due = time.time_ns(), time.monotonic()
    while not over.is_set() or len(met) < least:
        pause.wait(max(0.0, due - time.monotonic()))
        due = max(due + EVERY_S, time.monotonic())
        body = json.dumps({"session": {"session_id": f"honest-{named}-{len(met)}"}, "events": [EVENT]})
        met.append(asked(port, f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()))
    print("\n".join(map(json.dumps, met)))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
