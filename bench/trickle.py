"""Bench of a trickle: processor of Postgres, Kafka, collector and streams in silence and under few and many events.

Each checkout is measured in turn by the same program: first an older one, if its folder is given, then this one.
usage: python bench/trickle.py [FOLDER_OF_AN_OLDER_CHECKOUT] [SECONDS_A_RATE]
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import psutil

from qoescope.settings import environment

HERE = Path(__file__).resolve().parents[1]
RATES = (0, 500, 5_000)
"""Events a second."""
BEACON, SESSIONS_A_RATE, CONNECTIONS = 3, 10, 16
WARM_S = 25.0


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and of all that it started."""
    used = 0.0
    try:
        root = psutil.Process(pid)
        some = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for one in some:
        try:
            used += sum(one.cpu_times()[:4])
        except psutil.Error:
            continue
    return used


class Player:
    """Sends beacons of three heartbeats at an even rate: each session one in a few seconds, numbers without a gap."""

    def __init__(self, port: int, key: str, rate: int, name: str) -> None:
        self.port, self.key, self.rate, self.name = port, key, rate, name
        self.sent = 0

    def request(self, number: int) -> bytes:
        """The whole request of a beacon."""
        sessions = max(1, self.rate * SESSIONS_A_RATE // BEACON)
        session, turn, now = number % sessions, number // sessions, int(time.time() * 1000)
        context = {
            "session_id": f"{self.name}{session:024x}", "viewer_id": f"v{session}", "started_at": now - 60_000 - turn,
            "content_duration_ms": 3_600_000, "device_type": ("smart_tv", "mobile", "web")[session % 3], "os": "tizen",
            "os_version": f"{session % 5}.0", "app_version": f"v16.{session % 6}.1", "player_name": "shaka",
            "network_type": "wifi", "country_code": ("KR", "DE", "US")[session % 3], "isp": ("kt", "cox")[session % 2],
            "cdn": ("a", "b")[session % 2], "cdn_pop": f"KR-{session % 5}", "content_id": f"t{session % 300}",
            "content_type": "vod", "drm": "widevine", "source": "sdk",
        }  # fmt: skip
        context["started_at"] = self.began - 60_000
        events = [
            {"seq": turn * BEACON + k + 1, "at": now - (BEACON - k) * 1000, "type": "heartbeat", "state": "playing",
             "state_ms": 1000, "bitrate_kbps": 4500, "width": 1920, "height": 1080, "cdn": "a", "playhead_ms": 61_000}
            for k in range(BEACON)
        ]  # fmt: skip
        body = json.dumps({"session": context, "events": events, "sent_at": now}, separators=(",", ":")).encode()
        head = (f"POST /v1/beacons HTTP/1.1\r\nhost: door\r\nauthorization: Bearer {self.key}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n")  # fmt: skip
        return head.encode() + body

    async def play(self, seconds: float) -> None:
        """Sends for so long; falls behind its rate rather than stop."""
        self.began = int(time.time() * 1000)
        beacons, began = int(self.rate * seconds / BEACON), time.perf_counter()
        numbers = iter(range(beacons))

        async def one() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            for number in numbers:
                await asyncio.sleep(max(0.0, number * BEACON / self.rate - (time.perf_counter() - began)))
                writer.write(self.request(number))
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[16:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:")
                await reader.readexactly(length)
                self.sent += BEACON * (b" 200 " in head[:16] or b" 202 " in head[:16] or b" 204 " in head[:16])
            writer.close()

        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


def ages_s(rows: Sequence[tuple[Any, ...]]) -> tuple[float, float]:
    """Median and 95th percentile of how old events were when their numbers could be seen."""
    ages, weights = [], []
    for committed, first, tick_ms, sent in rows:
        for n, events in enumerate(sent):
            if events:
                ages.append((committed - first).total_seconds() - (n + 0.5) * tick_ms / 1000)
                weights.append(events)
    if not ages:
        return 0.0, 0.0
    order = np.argsort(ages)
    share = np.cumsum(np.array(weights)[order]) / sum(weights)
    return tuple(float(np.array(ages)[order][np.searchsorted(share, q)]) for q in (0.5, 0.95))  # type: ignore[return-value]


def measure(seconds: float) -> None:
    """Starts the four parts of this checkout and prints a line of JSON a rate."""
    from qoescope.connect import postgres
    from qoescope.ingest.jobs import manage_keys
    from qoescope.settings import Settings
    from qoescope.stack import assembly

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(var=Path(folder) / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0,
                            console_port=0, budget_events=1e6, budget_bytes=1e9)  # fmt: skip
        with assembly.run_parts(settings, ["collect", "stream"]) as (placed, children):
            children.wait([child.name for child in children], 600)
            key = manage_keys.create_key(placed, "bench")
            pids = {child.name: child.process.pid for child in children}
            waiting = Event()
            for rate in RATES:
                name = f"r{rate:05d}"
                play = [sys.executable, __file__, "play", str(placed.door_port), key, str(rate), name]
                player = subprocess.Popen([*play, str(WARM_S + seconds)]) if rate else None
                waiting.wait(WARM_S)
                began, before = time.perf_counter(), {part: cpu_s(pid) for part, pid in pids.items()}
                since = datetime.now(UTC)
                waiting.wait(seconds)
                wall = time.perf_counter() - began
                cores = {part: (cpu_s(pid) - before[part]) / wall for part, pid in pids.items()}
                with postgres.connect(placed, "writer") as connection:
                    ages = connection.execute(
                        "select committed_at, first_at, tick_ms, sent from freshness where committed_at > %s", (since,)
                    ).fetchall()
                    (batches,) = connection.execute(
                        "select count(*) from epochs where committed_at > %s", (since,)
                    ).fetchall()[0]
                if player is not None:
                    player.wait()
                p50, p95 = ages_s(ages)
                told = {"rate": rate, "batches": batches, "wall": wall, "p50": p50, "p95": p95, "cores": cores}
                print(json.dumps(told), flush=True)


def of_checkout(root: Path, seconds: float) -> list[dict[str, Any]]:
    """What a checkout takes, by rate."""
    said = subprocess.run(
        [sys.executable, __file__, "measure", str(seconds)], check=True, stdout=subprocess.PIPE, text=True,
        env=environment({"PYTHONPATH": str(root / "src"), "QOESCOPE_JARS": str(HERE / "jars")}),
    ).stdout  # fmt: skip
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def main() -> None:
    """Measures and prints."""
    match sys.argv[1:]:
        case ["measure", seconds]:
            measure(float(seconds))
        case ["play", port, key, rate, name, seconds]:
            asyncio.run(Player(int(port), key, int(rate), name).play(float(seconds)))
        case [*arguments]:
            seconds = float(arguments[1]) if len(arguments) > 1 else 40.0
            roots = [Path(arguments[0]), HERE] if arguments else [HERE]
            compare([of_checkout(root, seconds) for root in roots])


def compare(found: list[list[dict[str, Any]]]) -> None:
    """Prints each rate: cores by part, ages, and the newer one's share of the older one's."""
    for lines in zip(*found, strict=True):
        sums = [sum(line["cores"].values()) for line in lines]
        for name, line, total in zip(("older", "this") if len(lines) > 1 else ("this",), lines, sums, strict=True):
            each = line["cores"]["stream"] * line["wall"] / max(1, line["batches"]) * 1000
            parts = ", ".join(f"{part} {cores:.3f}" for part, cores in line["cores"].items())
            print(f"{line['rate']} events/s, {name}: {total:.3f} cores ({parts}), "
                  f"live p50 {line['p50']:.2f} s, p95 {line['p95']:.2f} s, {line['batches']} batches, "
                  f"{each:.0f} ms of the streams each")  # fmt: skip
        if len(lines) > 1:
            print(f"{lines[0]['rate']} events/s: {sums[1] / sums[0]:.2f} of the older one's processor")


if __name__ == "__main__":
    main()
