"""Servers: the same door behind its own server and behind kept ones, on one broker in one run, in turns.

`python bench/servers.py --brokers 127.0.0.1:9092` prints for each server the requests a second of a core, the 99th
percentile and the memory, as medians of the turns and as a share of ours; with `--promises` what of the door's promises
each one holds, by trying.
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from door.adapters import SERVERS, serve
from door.promises import PROMISES, Probed
from ingest import listening
from ingest_load import pressed

from qoescope.connect import kafka
from qoescope.ingest.jobs import manage_keys
from qoescope.settings import Settings
from qoescope.stack import processes

NAMES = ("ours", *SERVERS)
CONNECTIONS = {"busy": 500, "calm": 16}
WARM_S, RUN_S, TURNS = 2, 5, 5


def settings(brokers: str, var: str, port: int, **more: float) -> Settings:
    """The door's, with budgets that no load reaches."""
    return Settings(
        **{"var": Path(var), "brokers": brokers, "door_port": port, "budget_events": 1e9, "budget_bytes": 1e12, **more}
    )


def run(name: str, brokers: str, var: str, port: int, more: dict[str, float]) -> None:
    """One server as a process of its own."""
    serve(name, settings(brokers, var, port, **more))


@contextmanager
def running(name: str, brokers: str, var: str, **more: float) -> Iterator[tuple[psutil.Process, int]]:
    """A server that listens; its process and port."""
    with processes.reserve_ports(0) as (port,):
        process = multiprocessing.get_context("spawn").Process(target=run, args=(name, brokers, var, port, more))
        process.start()
        try:
            listening(port)
            yield psutil.Process(process.pid), port
        finally:
            process.kill()
            process.join()


def measure(brokers: str, var: str, turns: int) -> None:
    """Presses each in turn and prints the medians."""
    key = manage_keys.create_key(settings(brokers, var, 0), "bench")
    offset = 0
    with ExitStack() as stack:
        up = {
            name: stack.enter_context(running(name, brokers, var, door_requests=CONNECTIONS["busy"])) for name in NAMES
        }
        rows: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        for load, connections in CONNECTIONS.items():
            for turn in range(turns):
                for name in NAMES if turn % 2 == 0 else reversed(NAMES):
                    process, port = up[name]
                    offset += 10**8
                    pressed(port, key, 1, connections, WARM_S, offset)
                    before = sum(process.cpu_times()[:2])
                    seen = pressed(port, key, 1, connections, RUN_S, offset + 5 * 10**7)
                    cpu = sum(process.cpu_times()[:2]) - before
                    if seen["failures"]:
                        print(f"{name}: {seen['failures']} of {seen['requests']} failed", file=sys.stderr)
                    good = seen["requests"] - seen["failures"]
                    memory = process.memory_info().rss / 2**20
                    rows.setdefault((load, name), []).append((good / cpu, seen["p99_ms"], memory))
    print("load   server     requests/core s   of ours (each turn)            p99 ms   memory MB")
    for (load, name), found in rows.items():
        ours = rows[load, "ours"]
        shares = [mine[0] / other[0] for mine, other in zip(found, ours, strict=True)]
        each = " ".join(f"{share:.2f}" for share in shares)
        rate, p99, memory = (statistics.median(column) for column in zip(*found, strict=True))
        share = statistics.median(shares)
        print(f"{load:<7}{name:<11}{rate:>15,.0f}   {share:.2f} ({each}){p99:>12.1f}{memory:>12.0f}", flush=True)


def probe(brokers: str, var: str) -> None:
    """Tries each promise on each server and prints which holds; all servers at a time, since most of it is waiting."""
    key = manage_keys.create_key(settings(brokers, var, 0), "probe")
    with ThreadPoolExecutor(len(NAMES)) as pool:
        found = dict(zip(NAMES, pool.map(lambda name: tried(name, brokers, var, key), NAMES), strict=True))
    print(f"{'promise':<66}" + "  ".join(f"{name:<9}" for name in NAMES))
    for text, _ in PROMISES:
        print(
            f"{text[:65]:<66}" + "  ".join(f"{'yes' if found[name][text] else 'NO':<9}" for name in NAMES), flush=True
        )


def tried(name: str, brokers: str, var: str, key: str) -> dict[str, bool]:
    """Whether each promise holds on this server."""
    with running(name, brokers, var, header_timeout_s=1, body_timeout_s=2, door_connections=50) as (process, port):
        return {text: holds(Probed(port, key, process)) for text, holds in PROMISES}


def main() -> None:
    """Measures, or probes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--promises", action="store_true", help="try the promises, too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qoescope-bench-") as var:
        kafka.ensure_topics(settings(chosen.brokers, var, 0))
        if chosen.promises:
            probe(chosen.brokers, var)
        if chosen.turns:
            measure(chosen.brokers, var, chosen.turns)


if __name__ == "__main__":
    main()
