"""The door's throughput: events acknowledged by a real broker, beside a bare producer and a FastAPI collector.

`python bench/ingest.py --brokers 127.0.0.1:9092` prints one row a case. Each collector is one process; the load comes
from wrk over keep-alive connections; all share this machine's cores with the broker.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
import pydantic
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from ingest_load import NUMBER, beacon, pressed

from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.doors import CONTEXT_BOUNDS, EVENT_BOUNDS, LONGEST_TEXT
from qoescope.catalog.events import EVENT_FIELDS
from qoescope.catalog.schema import Field
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.compile.pseudonyms import pseudonym
from qoescope.compile.wire import WORDS
from qoescope.connect import kafka
from qoescope.connect.kafka import RecordProducer
from qoescope.ingest.jobs import collect, manage_keys
from qoescope.ingest.keys import Keyring, token
from qoescope.ingest.limits import KeyBudget
from qoescope.settings import Settings

WARM_S, RUN_S = 2, 6
CONNECTIONS = {50: 200, 1: 1_000}
"""By events in a beacon: so many that the door and not the wait for the broker is what is measured."""


@dataclass
class Row:
    """What one case measured."""

    case: str
    batch: int
    requests_a_second: float
    events_a_second: float
    p50_ms: float
    p99_ms: float
    cpu: float
    """Cores that the collector (or the producer) used, all its threads."""
    failures: int


def ours(brokers: str, var: str, port: int) -> None:
    """Our collector, one process."""
    collect.serve(settings(brokers, var, port))


def settings(brokers: str, var: str, port: int) -> Settings:
    """The collector's settings with limits that no load reaches."""
    return Settings(
        var=Path(var), brokers=brokers, door_port=port, budget_events=1e9, budget_bytes=1e12,
        door_requests=CONNECTIONS[1],
    )  # fmt: skip


def model(name: str, fields: tuple[Field, ...]) -> Any:
    """The pydantic model of a catalog's fields, with the same bounds as ours."""
    python: dict[str, Any] = {"text": str, "int": int, "instant": int, "float": float, "bool": bool}
    made: dict[str, Any] = {}
    for f in fields:
        kind: Any = python[f.type]
        if f.name in WORDS:
            kind = Literal[WORDS[f.name]]
        elif f.name == "asn":
            kind = int | str
        low, high = {**EVENT_BOUNDS, **CONTEXT_BOUNDS}.get(f.name, (None, None))
        bound: dict[str, Any] = {"ge": low, "le": high} if low is not None else {}
        if kind is str:
            bound = {"max_length": LONGEST_TEXT}
        made[f.name] = (
            (kind, pydantic.Field(**bound)) if not f.nullable else (kind | None, pydantic.Field(None, **bound))
        )
    return pydantic.create_model(name, **made)


def fastapi(brokers: str, var: str, port: int) -> None:
    """A collector as FastAPI and pydantic make it: the same key, budget, checks, pseudonym, producer and promise."""
    parts: dict[str, Any] = {
        "session": (model("Session", CONTEXT_FIELDS), ...),
        "events": (list[model("Event", EVENT_FIELDS)], ...),  # type: ignore[misc]
        "sent_at": (int | None, None),
    }
    whole: Any = pydantic.create_model("Beacon", **parts)
    mine = settings(brokers, var, port)
    keyring, secret = Keyring(manage_keys.read_snapshot(mine)), manage_keys.viewer_secret(mine)[1]
    bucket = KeyBudget(mine.budget_events, mine.budget_bytes, 10, time.monotonic())
    log = RecordProducer(mine)
    app = FastAPI()
    waiting = 0

    def poll() -> None:
        log.poll(0)
        if waiting:
            asyncio.get_running_loop().call_later(0.001, poll)

    def admitted(authorization: Annotated[str, Header()] = "") -> str:
        key = keyring.key(token(authorization, ""))
        if key is None:
            raise HTTPException(401)
        return key.property

    async def put(value: bytes, session_id: str) -> bool:
        nonlocal waiting
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not log.send(
            BEACONS_TOPIC.name, value, lambda error, _: future.set_result(error is None), session_id.encode()
        ):
            return False
        waiting += 1
        if waiting == 1:
            asyncio.get_running_loop().call_later(0.001, poll)
        good = await future
        waiting -= 1
        return good

    @app.post("/v1/beacons")
    async def beacons(beacon: whole, owner: Annotated[str, Depends(admitted)]) -> dict[str, Any]:
        received_at, count = time.time_ns() // 1_000_000, len(beacon.events)
        if bucket.take(count, 1, time.monotonic()) > 0:
            raise HTTPException(429)
        for said in beacon.events:
            said.at = min(said.at, max(received_at, said.at - mine.ahead_ms))
        session = beacon.session
        if session.viewer_id is not None:
            session.viewer_id = pseudonym(secret, 1, owner, session.viewer_id)
        counts = {"received": count, "accepted": count, "duplicate": 0, "invalid": 0, "filtered": 0}
        record = {"property": owner, "received_at": received_at, "sent_at": beacon.sent_at, "counts": counts}
        record |= beacon.model_dump(include={"session", "events"}, exclude_defaults=True)
        if not await put(json.dumps(record, separators=(",", ":")).encode(), session.session_id):
            raise HTTPException(503)
        return {**counts, "results": []}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False, loop="uvloop", http="httptools")


def collector(
    case: str, serve: Any, brokers: str, var: str, key: str, batch: int, connections: int, offset: int
) -> Row:
    """One collector under load."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    server = spawn.Process(target=serve, args=(brokers, var, port))
    server.start()
    try:
        listening(port)
        pressed(port, key, batch, connections, WARM_S, offset)
        process = psutil.Process(server.pid)
        cpu = sum(process.cpu_times()[:2])
        seen = pressed(port, key, batch, connections, RUN_S, offset + 10**8)
        cpu = sum(process.cpu_times()[:2]) - cpu
    finally:
        server.terminate()
        server.join(30)
    requests_a_second = (seen["requests"] - seen["failures"]) / seen["seconds"]
    waits = seen["p50_ms"], seen["p99_ms"]
    cores = cpu / seen["seconds"]
    return Row(case, batch, requests_a_second, requests_a_second * batch, *waits, cores, seen["failures"])


def listening(port: int, within_s: float = 30.0) -> None:
    """Waits until something listens, and a moment more for Kafka."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)  # noqa: TID251 — a bench may
    time.sleep(2)  # noqa: TID251


def bare(brokers: str, batch: int, in_flight: int) -> Row:
    """The same producer in a loop with nothing before it: records as the door writes them, as many in flight."""
    log = RecordProducer(settings(brokers, "var", 0))
    before, after = beacon(batch).split(NUMBER.encode())
    waits: list[float] = []
    state = {"waiting": 0, "failures": 0}
    count, begin, cpu, began = 0, time.perf_counter(), 0.0, 0.0
    process = psutil.Process()
    while (now := time.perf_counter()) < begin + WARM_S + RUN_S:
        if not began and now > begin + WARM_S:
            began, cpu = now, sum(process.cpu_times()[:2])
            waits.clear()
        if state["waiting"] >= in_flight:
            log.poll(0.01)
            continue
        count += 1
        value = b"%b%012d%b" % (before, count, after)

        def told(error: object | None, _: object, now: float = now) -> None:
            state["waiting"] -= 1
            state["failures"] += error is not None
            waits.append(time.perf_counter() - now)

        state["waiting"] += log.send("beacons", value, told, b"session-%012d" % count)
        log.poll(0)
    seconds = time.perf_counter() - began
    cpu = sum(process.cpu_times()[:2]) - cpu
    done = sorted(waits)
    log.flush(10)
    return Row(
        "bare producer",
        batch,
        len(done) / seconds,
        len(done) * batch / seconds,
        done[len(done) // 2] * 1000,
        done[int(len(done) * 0.99)] * 1000,
        cpu / seconds,
        state["failures"],
    )


def main() -> None:
    """Runs each case and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--batches", type=int, nargs="+", default=list(CONNECTIONS), choices=list(CONNECTIONS))
    parser.add_argument("--cases", nargs="+", default=["bare", "ours", "fastapi"])
    chosen = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="qoescope-bench-") as var:
        mine = settings(chosen.brokers, var, 0)
        kafka.ensure_topics(mine)
        key = manage_keys.create_key(mine, "bench")
        print("case              batch  requests/s    events/s   p50 ms   p99 ms  cores  events/core s  failed")
        for i, batch in enumerate(chosen.batches):
            for case in chosen.cases:
                connections = CONNECTIONS[batch]
                if case == "bare":
                    row = bare(chosen.brokers, batch, connections)
                else:
                    serve = ours if case == "ours" else fastapi
                    name = "qoescope" if case == "ours" else "FastAPI"
                    row = collector(name, serve, chosen.brokers, var, key, batch, connections, i * 10**9)
                print(
                    f"{row.case:<16}{row.batch:>6}{row.requests_a_second:>12,.0f}{row.events_a_second:>12,.0f}"
                    f"{row.p50_ms:>9.1f}{row.p99_ms:>9.1f}{row.cpu:>7.2f}"
                    f"{row.events_a_second / row.cpu:>15,.0f}{row.failures:>8}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
