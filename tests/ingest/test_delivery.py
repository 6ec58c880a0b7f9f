"""Records are answered for only when the log has them all; ticks lose no count."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from qoescope.compile.wire import Counts
from qoescope.ingest.counters import CollectorCounters, exposition
from qoescope.ingest.delivery import Delivery, OnDelivery
from qoescope.ingest.limits import InFlight
from qoescope.ingest.recent_beacons import RecentBeacons
from qoescope.ingest.records import Outgoing

MINUTE = 1_762_000_020_000


class Shelf:
    """A log in memory: takes `room` records and says `error` of each when polled."""

    def __init__(self, error: str | None = None, room: int = 100) -> None:
        self.error, self.room = error, room
        self.sent: list[tuple[int, dict[str, Any]]] = []
        self._untold: list[OnDelivery] = []

    def send(self, topic: str, value: bytes, done: OnDelivery, key: bytes | None = None, partition: int = -1) -> bool:
        if len(self.sent) >= self.room:
            return False
        self.sent.append((partition, json.loads(value)))
        self._untold.append(done)
        return True

    def poll(self, timeout_s: float = 0.0) -> None:
        told, self._untold = self._untold, []
        for done in told:
            done(self.error, None)


def run(shelf: Shelf, use: Callable[[Delivery, InFlight], Awaitable[None]]) -> None:
    async def body() -> None:
        held = InFlight(256, 1000)
        await use(Delivery(shelf, held, silence_s=10), held)

    asyncio.run(body())


TWO = [Outgoing("beacons", b'{"n":1}', b"s"), Outgoing("dead_letters", b'{"n":2}')]


@pytest.mark.parametrize(
    ("shelf", "good"),
    [(Shelf(), True), (Shelf("_MSG_TIMED_OUT"), False), (Shelf(room=1), False), (Shelf(room=0), False)],
)
def test_all_records_of_a_request_are_there_or_it_is_not_answered(shelf: Shelf, good: bool) -> None:
    async def use(delivery: Delivery, held: InFlight) -> None:
        assert await delivery.put(TWO) is good
        assert held.bytes == 0

    run(shelf, use)


def test_bytes_are_held_until_the_log_has_spoken() -> None:
    async def use(delivery: Delivery, held: InFlight) -> None:
        waiting = asyncio.ensure_future(delivery.put(TWO))
        await asyncio.sleep(0)
        assert held.bytes == 14
        await waiting
        assert held.bytes == 0

    run(Shelf(), use)


def test_the_log_is_away_until_it_has_acknowledged_something() -> None:
    async def use(delivery: Delivery, _: InFlight) -> None:
        assert delivery.is_away
        await delivery.put(TWO)
        assert not delivery.is_away

    run(Shelf(), use)


def test_each_partition_is_ticked_and_the_first_alone_carries_what_was_refused() -> None:
    shelf, books = Shelf(), CollectorCounters()
    books.refuse("shop", 7, MINUTE + 5)
    books.refuse("shop", 3, MINUTE + 59_999)

    async def use(delivery: Delivery, _: InFlight) -> None:
        delivery.tick([0, 1], MINUTE, books)

    run(shelf, use)
    tick = {"tick": True, "property": "_door", "received_at": MINUTE}
    assert shelf.sent == [
        (0, {**tick, "rate_limited": [["shop", MINUTE, 10]]}),
        (1, {**tick, "rate_limited": []}),
    ]
    assert books.take_refused() == []


@pytest.mark.parametrize("shelf", [Shelf(room=0), Shelf("_MSG_TIMED_OUT")])
def test_a_tick_that_is_lost_gives_its_counts_to_the_next(shelf: Shelf) -> None:
    books = CollectorCounters()
    books.refuse("shop", 7, MINUTE)

    async def use(delivery: Delivery, _: InFlight) -> None:
        delivery.tick([0], MINUTE, books)
        shelf.poll()

    run(shelf, use)
    assert books.take_refused() == [("shop", MINUTE, 7)]


def test_the_metrics_are_what_was_booked() -> None:
    books = CollectorCounters()
    books.count("shop", Counts(3, 3))
    books.count("shop", Counts(4, 1, 1, 1, 1))
    books.refuse("shop", 9, MINUTE)
    books.requests["/v1/beacons", 200] += 2
    for seconds in (0.001, 0.3, 99.0):
        books.observe_wait(seconds)
    text = exposition(books).decode()
    for line in (
        'qoescope_door_events_total{outcome="accepted",property="shop"} 4.0',
        'qoescope_door_events_total{outcome="rate_limited",property="shop"} 9.0',
        'qoescope_door_requests_total{route="/v1/beacons",status="200"} 2.0',
        'qoescope_door_wait_seconds_bucket{le="0.001"} 1.0',
        'qoescope_door_wait_seconds_bucket{le="0.5"} 2.0',
        'qoescope_door_wait_seconds_bucket{le="+Inf"} 3.0',
        "qoescope_door_wait_seconds_count 3.0",
    ):
        assert line in text.splitlines()


def test_repeats_are_remembered_up_to_a_bound_the_oldest_go_first() -> None:
    repeats = RecentBeacons(most=2)
    for identity in ("a", "b", "c"):
        repeats.add(identity)
    assert ["a" in repeats, "b" in repeats, "c" in repeats, len(repeats)] == [False, True, True, 2]
