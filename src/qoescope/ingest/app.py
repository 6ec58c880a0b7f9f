"""One process of the collector: routes requests, sends ticks, and keeps keys and partitions up to date."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qoescope.catalog.errors import Mistake
from qoescope.catalog.topics import BEACONS_TOPIC, TOPICS
from qoescope.connect import kafka, topic_history, viewer_keys, write_access
from qoescope.connect.writing import crash
from qoescope.ingest import answers, openapi, pages
from qoescope.ingest.acknowledged import Unsaved
from qoescope.ingest.bodies import Refused
from qoescope.ingest.counters import exposition
from qoescope.ingest.delivery import Delivery
from qoescope.ingest.keys import Keyring, decode
from qoescope.ingest.write_routes import BEACONS_PATH, CMCD_PATH, WriteRoutes
from qoescope.settings import Settings

if TYPE_CHECKING:
    from qoescope.ingest.http import Server
    from qoescope.ingest.requests import Request

log = logging.getLogger(__name__)
TICK_S = 1.0
QUIET_TICK_S = 3.0
"""The pause between ticks while nobody sends: each tick makes the streams write a batch."""
READY_S = 5.0
KAFKA_QUERY_S = 2.0
NEVER_S = 1e6


class App:
    """One process of the collector."""

    def __init__(self, settings: Settings, keys: Path, secret: tuple[int, bytes], worker: int = 0) -> None:
        self.settings, self._keys_path = settings, keys
        self.routes = WriteRoutes(settings, secret)
        viewer_keys.ensure(settings)
        self.routes.viewer_keys = viewer_keys.read(settings) | dict([secret])
        self.routes.counters.worker = str(worker) if settings.door_workers > 1 else ""
        self.server: Server | None = None
        """What brings the requests, once it is there."""
        self.are_keys_known = False
        """Whether it was asked what others know of keys; if not, a good key might be refused."""
        self._keys_version: tuple[int, int] | None = None
        self._partitions: list[int] = []
        self._topic_ids: dict[str, str] = {}
        self._log = kafka.RecordProducer(settings)
        self.routes.delivery = self.delivery = Delivery(
            self._log, self.routes.in_flight, settings.kafka_delivery_ms / 1000
        )
        self.routes.reload_keys = self.reload_keys
        if settings.crash_at:
            self.routes.crash = partial(crash, settings)
        self.reload_keys()

    async def run(self, stop: asyncio.Event, check: Callable[[], None]) -> None:
        """Each second until `stop`: reloads changed keys, calls `check`, sends a tick; without traffic fewer ticks."""
        ticked = -NEVER_S
        while not stop.is_set():
            self.reload_keys()
            check()
            if self.delivery.has_sent or time.monotonic() - ticked > QUIET_TICK_S - TICK_S / 2:
                ticked = time.monotonic()
                self.delivery.tick(self._partitions, time.time_ns() // 1_000_000, self.routes.counters)
            await _pause(stop, TICK_S)

    async def run_upkeep(self, stop: asyncio.Event, synchronise: Callable[[], None]) -> None:
        """Every few seconds until `stop`: learns partitions, synchronises keys, saves acknowledged offsets.

        It runs beside `run`, so that waiting for Kafka or Postgres delays no tick.
        """
        while not stop.is_set():
            await self._find_partitions()
            await asyncio.to_thread(synchronise)
            self.are_keys_known = True
            await self._save_acknowledged()
            await _pause(stop, self.settings.door_refresh_s if self._partitions else TICK_S)

    async def drain(self, within_s: float) -> None:
        """Waits until what is in flight is answered, then sends the last counts and flushes the producer."""
        self.routes.stopping = True
        deadline = time.monotonic() + within_s
        while self.routes.in_flight.requests and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.delivery.tick(self._partitions, time.time_ns() // 1_000_000, self.routes.counters)
        left = await asyncio.to_thread(self._log.flush, max(0.1, deadline - time.monotonic()))
        await self._save_acknowledged()
        if left:
            log.warning("stopped with %d records that Kafka has not acknowledged; none of them was answered", left)

    async def _find_partitions(self) -> None:
        """Learns the topic's partitions; creates the topics when Kafka has none of them."""
        try:
            partitions = await asyncio.to_thread(self._log.partitions, BEACONS_TOPIC.name, KAFKA_QUERY_S)
            if not partitions:
                await asyncio.to_thread(kafka.ensure_topics, self.settings)
                partitions = await asyncio.to_thread(self._log.partitions, BEACONS_TOPIC.name, KAFKA_QUERY_S)
        except kafka.AWAY as error:
            log.warning("Kafka is away: %s", error)
            return
        self._partitions = partitions or self._partitions

    async def _save_acknowledged(self) -> None:
        """Stores in Postgres how far Kafka has acknowledged; does nothing where that has not changed.

        Offsets belong to the id of their topic: where it was created again, each is stored under its own.
        """
        acknowledged = self.delivery.acknowledged
        for topic in TOPICS:
            before, unsaved = self._topic_ids.get(topic.name), acknowledged.unsaved(topic.name)
            if before is not None and not unsaved:
                continue
            try:
                now, current = await asyncio.to_thread(self._store_acknowledged, topic.name, before, unsaved)
            except (*kafka.AWAY, *write_access.AWAY) as error:
                log.info("what was answered is noted later: %s", error)
                continue
            self._topic_ids[topic.name] = now
            if before in (None, now):
                acknowledged.mark_saved(topic.name, unsaved)
            else:
                acknowledged.restart(topic.name, unsaved, current)

    def _store_acknowledged(self, topic: str, before: str | None, unsaved: Unsaved) -> tuple[str, dict[int, int]]:
        """Stores the offsets; gives the topic's id and those of the offsets that are of this id."""
        _, now = kafka.topic_ids(self.settings, topic, KAFKA_QUERY_S)
        if before in (None, now):
            topic_history.save_acknowledged(self.settings, topic, now, unsaved.reached)
            return now, unsaved.reached
        ends = {p: end for p, (_, end) in kafka.offsets(self.settings, topic, KAFKA_QUERY_S).items()}
        earlier, current = unsaved.split(ends)
        topic_history.save_acknowledged(self.settings, topic, str(before), earlier)
        topic_history.save_acknowledged(self.settings, topic, now, current)
        return now, current

    def reload_keys(self) -> None:
        """Reads the file of keys if it has changed; an unreadable one leaves the keys in use as they are."""
        try:
            status = self._keys_path.stat()
            if self._keys_version != (status.st_mtime_ns, status.st_ino):
                self.routes.keyring = Keyring(decode(self._keys_path.read_bytes()))
                self._keys_version = (status.st_mtime_ns, status.st_ino)
        except FileNotFoundError:
            return
        except (OSError, Mistake) as error:
            log.warning("keys not read again: %s", error)

    @property
    def is_ready(self) -> bool:
        """Whether Kafka acknowledges, keys have been synchronised, and the process is not stopping."""
        acknowledges = self.delivery.silent_s < READY_S and not self.delivery.was_refused
        return not self.routes.stopping and self.are_keys_known and bool(self._partitions) and acknowledges

    async def handle(self, request: "Request") -> None:
        """Answers one request."""
        path = request.path
        if path == BEACONS_PATH or path.startswith(CMCD_PATH):
            await self.routes.write(request)
        elif path in pages.PATHS or path.startswith(pages.MEDIA):
            await pages.show(request, self.settings)
        else:
            self._answer_other(request)

    def _answer_other(self, request: "Request") -> None:
        """Answers the probes, `/metrics`, the OpenAPI document, and 404 for every other path."""
        path = request.path
        if request.method not in ("GET", "HEAD") and path in ("/livez", "/readyz", "/metrics", openapi.PATH):
            refused = Refused(405, "read it by GET", allow="GET, HEAD")
            request.answer(405, answers.refusal_headers(refused, None), answers.refusal_body(refused))
        elif path == "/livez":
            _answer_json(request, 200, {"live": True})
        elif path == "/readyz":
            silent = self.delivery.silent_s
            is_ready = {"ready": self.is_ready, "kafka_silent_s": round(silent, 1) if silent < NEVER_S else None}
            _answer_json(request, 200 if self.is_ready else 503, is_ready)
        elif path == "/metrics":
            self._update_gauges()
            request.answer(200, [("content-type", "text/plain; version=0.0.4")], exposition(self.routes.counters))
        elif path == openapi.PATH:
            request.answer(200, [answers.JSON], openapi.document())
        else:
            refused = Refused(404, "no such path")
            request.answer(404, answers.refusal_headers(refused, None), answers.refusal_body(refused))

    def _update_gauges(self) -> None:
        """Writes the current levels into the counters, for Prometheus."""
        counters, in_flight, server = self.routes.counters, self.routes.in_flight, self.server
        counters.gauges = {
            "ready": self.is_ready,
            "requests_in_flight": in_flight.requests,
            "bytes_in_flight": in_flight.bytes,
            "tasks": len(asyncio.all_tasks()),
        }
        if server is not None:
            counters.failures = server.failures
            counters.gauges |= {"connections": len(server.connections), "bytes_ahead": server.ahead_bytes}


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleeps for so many seconds, or until `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _answer_json(request: "Request", status: int, answer: Mapping[str, object]) -> None:
    request.answer(status, [answers.JSON, *answers.NO_STORE], msgspec.json.encode(answer))
