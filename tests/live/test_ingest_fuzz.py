"""The door under odd requests: nothing fails but by name, nothing stays, and others are served."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import honest
import pytest
from doors import GOOD, SOON_S, Door
from odd_requests import Grammar, Visit
from until import until

pytestmark = pytest.mark.live
SEED, REQUESTS = "1", 2_000
TOGETHER, TOGETHER_EXPLORING = 24, 96
"""Connections at a time: most of them wait for the door to give up on them."""
NAMED = {503, 505}
"""Of the answers that blame the door, those that are promised: come again, and another version of HTTP."""
QUIET, EXPLORES = 200, 10
"""Honest requests before the odd ones; so many times as much of both is enough to tell what one of a hundred takes."""
OVER_S = 60.0
"""No visit takes longer: each state of a connection has its time."""


@dataclass
class Findings:
    """What the visits heard."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    requests: int = 0


async def visited(port: int, visit: Visit) -> bytes:
    """All that the visit hears."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    hearing = asyncio.create_task(reader.read())
    try:
        for piece in visit.pieces:
            writer.write(piece)
            if visit.reads:
                await writer.drain()
            if visit.pause_s:
                await asyncio.sleep(visit.pause_s)
        if visit.leaves:
            return b""
        async with asyncio.timeout(OVER_S):
            return await hearing
    except ConnectionError:
        return b""
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        writer.transport.abort()


async def explored(door: Door, seed: str, requests: int, together: int) -> Findings:
    """What so many requests of this seed met, on so many connections at a time."""
    found = Findings()

    async def one(lane: int) -> None:
        grammar, number = Grammar(f"{seed}-{lane}", door.key), 0
        while found.requests < requests:
            visit, number = grammar.visit(), number + 1
            found.requests += visit.requests
            try:
                heard = await visited(door.settings.door_port, visit)
            except TimeoutError:
                found.faults.append(f"seed {seed}, lane {lane}, visit {number}: never closed: {visit.pieces!r:.2000}")
                continue
            codes = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]
            found.statuses.update(codes)
            if any(code >= 500 and code not in NAMED for code in codes) or (heard and not codes):
                found.faults.append(f"seed {seed}, lane {lane}, visit {number}: {codes}: {visit.pieces!r:.2000}")

    await asyncio.gather(*(one(lane) for lane in range(together)))
    return found


def test_odd_requests_leave_nothing_behind_and_others_are_served(
    opened: Callable[..., Door], seed: str | None, times: int
) -> None:
    """The seed and the number of a visit make it again: `--seed`."""
    door = opened(
        header_timeout_s=1, body_timeout_s=2, door_connections=200, budget_events=1e6, budget_bytes=1e9
    ).ready()
    assert door.send(GOOD, session_id="before").status_code == 200
    before = door.held()

    with honest.client(door.settings.door_port, door.key, QUIET * min(times, EXPLORES)) as quiet:
        pass
    with honest.client(door.settings.door_port, door.key) as beside:
        began = time.monotonic()
        together = TOGETHER_EXPLORING if times >= EXPLORES else TOGETHER
        found = asyncio.run(explored(door, seed or SEED, REQUESTS * times, together))
        took_s = time.monotonic() - began
    print(  # noqa: T201
        f"{found.requests:,} odd requests in {took_s:.0f} s; of {len(quiet.took_ms):,} honest ones before p99 "
        f"{quiet.p99_ms:.1f} ms, of {len(beside.took_ms):,} beside {beside.p99_ms:.1f} ms"
    )
    assert quiet.refused == beside.refused == []
    assert len(beside.took_ms) > 10
    assert found.faults == []
    assert found.requests >= REQUESTS * times
    assert {200, 400, 401, 404, 431} <= found.statuses.keys()
    until(
        lambda: all(now <= before[name] for name, now in door.held().items()),
        SOON_S,
        f"no connection, task, byte or descriptor is left of {dict(found.statuses)}: before {before}",
    )
    if times >= EXPLORES:
        assert beside.p99_ms <= 2 * quiet.p99_ms
