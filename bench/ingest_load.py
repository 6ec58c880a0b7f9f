"""Load for the door's bench: beacons, and wrk, which sends the next one when the last was answered."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

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
NUMBER = "000000000000"
"""Of a session, in the beacon and in as many digits: each request has another one."""


def beacon(events: int) -> bytes:
    """A beacon of so many heartbeats, whose session's number is to be replaced."""
    said = [
        {"seq": n, "at": 1_762_000_000_000 + 10_000 * n, **EVENT, "state_ms": 10_000, "playhead_ms": 10_000 * n}
        for n in range(1, events + 1)
    ]
    whole = {"session": {"session_id": f"session-{NUMBER}", **SESSION}, "events": said, "sent_at": 1_762_000_999_000}
    return json.dumps(whole, separators=(",", ":")).encode()


def request(key: str, events: int) -> bytes:
    """The whole request that sends it."""
    body = beacon(events)
    head = (
        f"POST /v1/beacons HTTP/1.1\r\nhost: door\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def pressed(port: int, key: str, events: int, connections: int, seconds: int, offset: int) -> dict[str, Any]:
    """What wrk saw on so many connections: `requests`, `seconds`, `p50_ms`, `p99_ms`, `failures`."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk sends the load and is not installed: bin/setup bench")
    with tempfile.NamedTemporaryFile(suffix=".http") as whole:
        whole.write(request(key, events))
        whole.flush()
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
                   "--timeout", "10s", "--script", str(Path(__file__).with_suffix(".lua")), f"http://127.0.0.1:{port}",
                   "--", whole.name, NUMBER, str(offset)]  # fmt: skip
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found
