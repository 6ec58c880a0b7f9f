"""The app of the door: HTTP in, Kafka out, and what keeps one process of it alive."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qoescope.catalog.errors import Mistake
from qoescope.catalog.topics import BEACONS, TOPICS
from qoescope.connect import doors, kafka, viewer_keys, witness
from qoescope.connect.writing import crash
from qoescope.ingest import answers, openapi, pages
from qoescope.ingest.bodies import Refused
from qoescope.ingest.books import exposition
from qoescope.ingest.delivery import Delivery
from qoescope.ingest.door import BEACONS as BEACONS_PATH
from qoescope.ingest.door import CMCD, Door
from qoescope.ingest.keys import Keyring, decoded
from qoescope.settings import Settings

if TYPE_CHECKING:
    from qoescope.ingest.http import Server
    from qoescope.ingest.requests import Request

log = logging.getLogger(__name__)
TICK_S = 1.0
QUIET_S = 3.0
"""Between ticks where nobody sends: each of them makes the streams write a batch."""
READY_S = 5.0
ASK_S = 2.0
EVER_S = 1e6


class App:
    """One process of the collector."""

    def __init__(self, settings: Settings, keys: Path, secret: tuple[int, bytes], worker: int = 0) -> None:
        self.settings, self._keys_path = settings, keys
        self.door = Door(settings, secret)
        viewer_keys.ensure(settings)
        self.door.viewer_keys = viewer_keys.read(settings) | dict([secret])
        self.door.books.worker = str(worker) if settings.door_workers > 1 else ""
        self.server: Server | None = None
        """What brings the requests, once it is there."""
        self.keys_known = False
        """Whether it was asked what others know of keys; if not, a good key might be refused."""
        self._keys_seen: tuple[int, int] | None = None
        self._partitions: list[int] = []
        self._topic_ids: dict[str, str] = {}
        self._log = kafka.Log(settings)
        self.door.delivery = self.delivery = Delivery(self._log, self.door.in_flight, settings.kafka_delivery_ms / 1000)
        self.door.look_again = self.refresh
        if settings.crash_at:
            self.door.crash = partial(crash, settings)
        self.refresh()

    async def live(self, stop: asyncio.Event, look: Callable[[], None]) -> None:
        """Reads changed keys, does `look` and ticks each second until `stop`; in silence it ticks more rarely."""
        ticked = -EVER_S
        while not stop.is_set():
            self.refresh()
            look()
            if self.delivery.spoke or time.monotonic() - ticked > QUIET_S - TICK_S / 2:
                ticked = time.monotonic()
                self.delivery.tick(self._partitions, time.time_ns() // 1_000_000, self.door.books)
            await _pause(stop, TICK_S)

    async def keep(self, stop: asyncio.Event, synchronise: Callable[[], None]) -> None:
        """Learns partitions and synchronises keys every few seconds; what that waits for delays no tick."""
        while not stop.is_set():
            await self._find_partitions()
            await asyncio.to_thread(synchronise)
            self.keys_known = True
            await asyncio.to_thread(self._note_answered)
            await _pause(stop, self.settings.door_refresh_s if self._partitions else TICK_S)

    async def drain(self, within_s: float) -> None:
        """Lets what is in flight be answered, then sends the last counts and waits for Kafka."""
        self.door.stopping = True
        deadline = time.monotonic() + within_s
        while self.door.in_flight.requests and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.delivery.tick(self._partitions, time.time_ns() // 1_000_000, self.door.books)
        left = await asyncio.to_thread(self._log.flush, max(0.1, deadline - time.monotonic()))
        await asyncio.to_thread(self._note_answered)
        if left:
            log.warning("stopped with %d records that Kafka has not acknowledged; none of them was answered", left)

    async def _find_partitions(self) -> None:
        """Learns the topic's partitions, and makes the topics when Kafka is there without them."""
        try:
            found = await asyncio.to_thread(self._log.partitions, BEACONS.name, ASK_S)
            if not found:
                await asyncio.to_thread(kafka.ensure_topics, self.settings)
                found = await asyncio.to_thread(self._log.partitions, BEACONS.name, ASK_S)
        except kafka.AWAY as error:
            log.warning("Kafka is away: %s", error)
            return
        self._partitions = found or self._partitions

    def _note_answered(self) -> None:
        """Writes how far Kafka acknowledged into the books, where that moved: in silence nothing is asked or written.

        It belongs to the topic that was there before: one that was made again in between begins at 0.
        """
        for topic in TOPICS:
            before, news = self._topic_ids.get(topic.name), self.delivery.answered.news(topic.name)
            if before is not None and not news:
                continue
            try:
                _, now = kafka.topic_ids(self.settings, topic.name, ASK_S)
                witness.note_answered(self.settings, before or now, news)
            except (*kafka.AWAY, *doors.AWAY) as error:
                log.info("what was answered is noted later: %s", error)
                continue
            self._topic_ids[topic.name] = now
            self.delivery.answered.note(topic.name, news)
            if before not in (None, now):
                self.delivery.answered.forget(topic.name)

    def refresh(self) -> None:
        """Reads the file of keys if it has changed; a broken one leaves what was known."""
        try:
            seen = self._keys_path.stat()
            if self._keys_seen != (seen.st_mtime_ns, seen.st_ino):
                self.door.keyring = Keyring(decoded(self._keys_path.read_bytes()))
                self._keys_seen = (seen.st_mtime_ns, seen.st_ino)
        except FileNotFoundError:
            return
        except (OSError, Mistake) as error:
            log.warning("keys not read again: %s", error)

    @property
    def ready(self) -> bool:
        """Kafka acknowledges, keys were asked for, and nobody asked for a stop."""
        acknowledges = self.delivery.silent_s < READY_S and not self.delivery.refused
        return not self.door.stopping and self.keys_known and bool(self._partitions) and acknowledges

    async def handle(self, request: "Request") -> None:
        """One request."""
        path = request.path
        if path == BEACONS_PATH or path.startswith(CMCD):
            await self.door.write(request)
        elif path in pages.PATHS or path.startswith(pages.MEDIA):
            await pages.show(request, self.settings)
        else:
            self._aside(request)

    def _aside(self, request: "Request") -> None:
        """What neither writes nor shows a page."""
        path = request.path
        if request.method not in ("GET", "HEAD") and path in ("/livez", "/readyz", "/metrics", openapi.PATH):
            refused = Refused(405, "read it by GET", allow="GET, HEAD")
            request.answer(405, answers.refusal_headers(refused, None), answers.of_refused(refused))
        elif path == "/livez":
            _say(request, 200, {"live": True})
        elif path == "/readyz":
            silent = self.delivery.silent_s
            ready = {"ready": self.ready, "kafka_silent_s": round(silent, 1) if silent < EVER_S else None}
            _say(request, 200 if self.ready else 503, ready)
        elif path == "/metrics":
            self._take_levels()
            request.answer(200, [("content-type", "text/plain; version=0.0.4")], exposition(self.door.books))
        elif path == openapi.PATH:
            request.answer(200, [answers.JSON], openapi.document())
        else:
            refused = Refused(404, "no such path")
            request.answer(404, answers.refusal_headers(refused, None), answers.of_refused(refused))

    def _take_levels(self) -> None:
        """Notes in the books what is held now."""
        books, in_flight, server = self.door.books, self.door.in_flight, self.server
        books.levels = {
            "ready": self.ready,
            "requests_in_flight": in_flight.requests,
            "bytes_in_flight": in_flight.bytes,
            "tasks": len(asyncio.all_tasks()),
        }
        if server is not None:
            books.failures = server.failures
            books.levels |= {"connections": len(server.connections), "bytes_ahead": server.ahead_bytes}


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Waits so long, or until `stop`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _say(request: "Request", status: int, answer: Mapping[str, object]) -> None:
    request.answer(status, [answers.JSON, *answers.QUIET], msgspec.json.encode(answer))
