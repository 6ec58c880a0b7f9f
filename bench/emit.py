"""Bench of emit: our CSV and events against a generator of the same columns that draws row by row, in the same run."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from faker import Faker

from qoescope.emit import chunks, events, simulation
from qoescope.emit.jobs.csv import write_csv
from qoescope.emit.scenario import Scenario

COUNTRIES = ["US", "BR", "IN", "GB", "FR", "DE", "MX", "JP", "KR"]
ISPS = ["comcast", "verizon", "cox", "orange", "vodafone", "telekom", "jio", "vivo", "kt"]
NETWORKS = ["wifi", "cellular_5g", "cellular_4g", "ethernet"]
STALLS = np.array([0.85, 0.08, 0.04, 0.02, 0.01])


def peer(n: int, path: Path) -> None:
    """What a plain generator does: independent columns, drawn a row at a time with pandas, NumPy and Faker."""
    fake, dice = Faker(), np.random.default_rng(42)
    Faker.seed(42)
    at, rows = datetime(2025, 10, 12), []  # noqa: DTZ001 - naive, as such generators are
    for _ in range(n):
        at += timedelta(seconds=30 * 86_400 / n)
        device = dice.choice(["smart_tv", "mobile", "web", "tablet"], p=[0.45, 0.30, 0.15, 0.10])
        country, stalls = dice.choice(COUNTRIES), int(dice.choice(5, p=STALLS))
        rows.append({
            "session_id": fake.uuid4(), "user_id": f"user_{dice.integers(0, 1_000_000)}", "timestamp": at,
            "device_type": device,
            "os_version": fake.user_agent(),
            "app_version": f"v{dice.integers(15, 19)}.{dice.integers(0, 10)}.{dice.integers(0, 10)}",
            "content_id": f"content_{dice.integers(1, 1001)}", "startup_time_ms": int(dice.lognormal(7.5, 0.6)),
            "rebuffer_count": stalls, "rebuffer_duration_ms": int(stalls * dice.exponential(2000)),
            "bitrate_kbps": int(dice.normal(4500, 1500)),
            "resolution": dice.choice(["4K", "1080p", "720p", "480p"], p=[0.2, 0.5, 0.2, 0.1]),
            "frames_dropped": int(dice.poisson(3)), "session_duration_sec": int(dice.exponential(1800)),
            "network_type": dice.choice(NETWORKS), "country_code": country, "isp": dice.choice(ISPS),
            "cdn_pop": f"{country}-{dice.integers(1, 6)}", "hour": at.hour, "day_of_week": at.weekday(),
        })  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)


def seconds(work: Callable[[], object]) -> float:
    """How long it took by the clock on the wall."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def of_csv(n: int, folder: Path) -> None:
    """Prints our time for n sessions, whole process included, over the peer's."""
    theirs = seconds(lambda: peer(n, folder / "peer.csv"))
    command = [sys.executable, "generate_telemetry.py", "--sessions", str(n), "--out", str(folder)]
    ours = seconds(lambda: subprocess.run(command, check=True, capture_output=True))
    print(f"csv sessions={n} ours_s={ours:.2f} peer_s={theirs:.2f} ratio={ours / theirs:.3f} bar=0.250")


def of_events() -> None:
    """Prints how many events a core lays out in Arrow in a second, simulation apart and together."""
    run = Scenario()
    load = chunks.load_of(run)
    begin = time.process_time()
    s = simulation.simulated(run, load, run.numbers(0))
    simulated = time.process_time() - begin
    begin, count = time.process_time(), 0
    for block in events.blocks(s):
        count += len(block)
    laid_out = time.process_time() - begin
    print(
        f"events count={count} arrow_events_per_core_second={count / laid_out:,.0f} "
        f"with_simulation={count / (laid_out + simulated):,.0f} bar=1,000,000"
    )


def of_memory(n: int, folder: Path) -> None:
    """Prints the memory of the biggest process and of all of them for n sessions to CSV."""
    hands = min(os.cpu_count() or 1, 2)
    took = seconds(lambda: write_csv(folder, sessions=n, workers=hands, progress=False))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"memory sessions={n} seconds={took:.1f} peak_mib={own + hands * worker:,.0f} bar=2,048")


def main() -> None:
    """Runs all of it; an argument gives the sessions of the memory run (0: leave it out)."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        of_csv(100_000, folder)
        of_events()
        if most:
            of_memory(most, folder)


if __name__ == "__main__":
    main()
