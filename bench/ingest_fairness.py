"""The door's fairness: how long one key waits while another sends ten times its budget, beside what it waits alone.

`python bench/ingest_fairness.py --brokers 127.0.0.1:9092` prints the quiet key's waits alone and beside the loud one,
in turns, and whether the loud one's outcomes add up. The loud sender does not heed `Retry-After`.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop
from ingest import listening
from ingest_load import NUMBER, request

from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect import kafka
from qoescope.ingest.jobs import collect, manage_keys
from qoescope.settings import Settings

BUDGET, TIMES = 5_000, 10
"""Events a second of each key, the default; and how many times as much the loud one sends."""
LOUD_EVENTS, LOUD_CONNECTIONS = 50, 16
QUIET_EVENTS, QUIET_A_SECOND, QUIET_CONNECTIONS = 5, 100, 8
WARM_S, RUN_S, ROUNDS = 2.0, 8.0, 3


class Sender:
    """Sends beacons at a fixed rate over kept-open connections, whatever it hears; notes waits and answers."""

    def __init__(self, port: int, key: str, events: int, offset: int) -> None:
        self.before, self.after = request(key, events).split(NUMBER.encode())
        self.port, self.count = port, offset
        self.waits: list[float] = []
        self.answers: Counter[int] = Counter()

    async def run(self, a_second: float, connections: int, warm_s: float, seconds: float) -> None:
        """Sends so many requests a second in all; those of the first `warm_s` are not noted."""
        begin = time.perf_counter()
        step = connections / a_second
        await asyncio.gather(*(
            self._one(begin + n * step / connections, step, begin + warm_s, begin + warm_s + seconds)
            for n in range(connections)
        ))  # fmt: skip

    async def _one(self, due: float, step: float, since: float, until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self.count += 1
            sent = time.perf_counter()
            writer.write(b"%b%012d%b" % (self.before, self.count, self.after))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            at = head.index(b"content-length: ") + 16
            await reader.readexactly(int(head[at : head.index(b"\r", at)]))
            self.answers[int(head[9:12])] += 1
            if due > since:
                self.waits.append((time.perf_counter() - sent) * 1000)
            due += step
        writer.close()


def door(brokers: str, var: str, port: int) -> None:
    """Our collector with the default budget and a short burst."""
    collect.serve(Settings(var=Path(var), brokers=brokers, door_port=port, budget_events=BUDGET, budget_burst_s=1))


def loud(port: int, key: str, offset: int, seconds: float, out: Any) -> None:
    """The loud key's sender, a process of its own; puts (answers, events sent)."""
    sender = Sender(port, key, LOUD_EVENTS, offset)
    uvloop.run(sender.run(BUDGET * TIMES / LOUD_EVENTS, LOUD_CONNECTIONS, 0.0, seconds))
    out.put((sender.answers, LOUD_EVENTS * sum(sender.answers.values())))


def quiet(port: int, key: str, offset: int) -> Sender:
    """The quiet key's sender after one turn."""
    sender = Sender(port, key, QUIET_EVENTS, offset)
    uvloop.run(sender.run(QUIET_A_SECOND, QUIET_CONNECTIONS, WARM_S, RUN_S))
    return sender


def booked(settings: Settings, property_id: str) -> int:
    """Events of a property that the log's books say were received, over its budget or not."""
    found = [json.loads(record.value() or b"{}") for record in kafka.records(settings, BEACONS_TOPIC.name)]
    refused = sum(n for r in found for name, _, n in r.get("rate_limited", ()) if name == property_id)
    return refused + sum(r["counts"]["received"] for r in found if r["property"] == property_id)


def picked(waits: list[float], share: float) -> float:
    """The wait within which this share of answers came."""
    return sorted(waits)[int(share * (len(waits) - 1))]


def main() -> None:
    """Runs the turns and prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    brokers = parser.parse_args().brokers
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="qoescope-bench-") as var:
        settings = Settings(var=Path(var), brokers=brokers)
        kafka.ensure_topics(settings)
        keys = {name: manage_keys.create_key(settings, f"{name}-{port}") for name in ("quiet", "loud")}
        server = spawn.Process(target=door, args=(brokers, var, port))
        server.start()
        try:
            listening(port)
            alone, beside, answers, sent = [], [], Counter[int](), 0
            for turn in range(ROUNDS):
                alone.append(quiet(port, keys["quiet"], turn * 10**6))
                out = spawn.Queue()
                press = spawn.Process(
                    target=loud, args=(port, keys["loud"], (turn + 1) * 10**9, WARM_S + RUN_S + 1, out)
                )
                press.start()
                beside.append(quiet(port, keys["quiet"], turn * 10**6 + 5 * 10**5))
                heard, events = out.get(timeout=60)
                press.join()
                answers, sent = answers + heard, sent + events
            listening(port)  # and two seconds more, for the last tick
            told = booked(settings, f"loud-{port}")
        finally:
            server.terminate()
            server.join(30)
    print("quiet key        p50 ms   p99 ms   requests")
    shown = {"alone": alone, "beside the loud": beside}
    p99 = {}
    for name, turns in shown.items():
        waits = [wait for one in turns for wait in one.waits]
        p99[name] = picked(waits, 0.99)
        print(f"{name:<15}{picked(waits, 0.5):>8.1f}{p99[name]:>9.1f}{len(waits):>11,}")
    print(f"p99 beside / alone: {p99['beside the loud'] / p99['alone']:.2f}")
    others = sum((one.answers for one in (*alone, *beside)), Counter())
    print(f"answers of the quiet key: {dict(others)}; of the loud one: {dict(answers)}")
    print(f"events of the loud key: {sent:,} sent, {told:,} in the books")


if __name__ == "__main__":
    main()
