"""Load for the door's bench: keep-alive connections that send the next beacon when the last one was answered."""

import asyncio
import json
import time
from collections import deque
from typing import Any

import uvloop

WARM_S, RUN_S = 2.0, 6.0
SESSION = {
    "viewer_id": "viewer-0123456789abcdef",
    "started_at": 1_762_000_000_000,
    "content_duration_ms": 5_400_000,
    "device_type": "smart_tv",
    "os": "tizen",
    "os_version": "7.0",
    "app_version": "v16.2.1",
    "player_name": "shaka",
    "network_type": "wifi",
    "country_code": "KR",
    "isp": "kt",
    "asn": 4766,
    "cdn": "cdn_a",
    "content_id": "c-000123",
    "content_type": "vod",
    "source": "sdk",
}
EVENT = {
    "type": "heartbeat",
    "state": "playing",
    "bitrate_kbps": 4500,
    "width": 1920,
    "height": 1080,
    "player_width": 1920,
    "player_height": 1080,
    "cdn": "cdn_a",
    "dropped_frames": 2,
}
PLACE = "session-000000000000"


def beacon(events: int) -> bytes:
    """A beacon of so many heartbeats, whose session id is to be replaced."""
    said = [
        {"seq": n, "at": 1_762_000_000_000 + 10_000 * n, **EVENT, "state_ms": 10_000, "playhead_ms": 10_000 * n}
        for n in range(1, events + 1)
    ]
    whole = {"session": {"session_id": PLACE, **SESSION}, "events": said, "sent_at": 1_762_000_999_000}
    return json.dumps(whole, separators=(",", ":")).encode()


class Player(asyncio.Protocol):
    """One connection that sends the next beacon when the last one was answered."""

    def __init__(self, load: "Load") -> None:
        self.load, self.read = load, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(self.load.next())

    def data_received(self, data: bytes) -> None:
        self.read = self.read + data if self.read else data
        end = self.read.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self.read.lower().index(b"content-length: ") + 16
        size = int(self.read[at : self.read.index(b"\r", at)])
        if len(self.read) < end + 4 + size:
            return
        self.load.heard(self.read[9:12] == b"200", time.perf_counter() - self.sent_at)
        self.read = b""
        if self.load.open:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if self.load.open:
            self.load.failures += 1


class Load:
    """All connections of one run, and what they heard."""

    def __init__(self, path: str, key: str, body: bytes, offset: int) -> None:
        head = (
            f"POST {path} HTTP/1.1\r\nhost: door\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode()
        self.before, self.after = (head + body).split(PLACE.encode())
        self.count, self.failures, self.open = offset, 0, True
        self.waits: deque[float] = deque()
        self.counting = False

    def next(self) -> bytes:
        self.count += 1
        return b"%bsession-%012d%b" % (self.before, self.count, self.after)

    def heard(self, good: bool, wait_s: float) -> None:
        if not self.counting:
            return
        if good:
            self.waits.append(wait_s)
        else:
            self.failures += 1


def pressed(port: int, key: str, body: bytes, connections: int, offset: int, out: Any) -> None:
    """Runs the load in this process and puts (requests, p50, p99, failures, seconds)."""

    async def run() -> None:
        load = Load("/v1/beacons", key, body, offset)
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Player(load), "127.0.0.1", port)
        await asyncio.sleep(WARM_S)
        load.counting = True
        out.put("begin")
        began = time.perf_counter()
        await asyncio.sleep(RUN_S)
        load.counting = False
        seconds = time.perf_counter() - began
        load.open = False
        waits = sorted(load.waits)
        pick = (lambda q: waits[int(q * (len(waits) - 1))] * 1000) if waits else (lambda q: float("nan"))
        out.put((len(waits), pick(0.5), pick(0.99), load.failures, seconds))
        await asyncio.sleep(0.2)

    uvloop.run(run())
