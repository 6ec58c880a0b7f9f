"""The door: HTTP in, Kafka out, and an answer only for what Kafka has."""

import asyncio
import base64
import hashlib
import logging
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec

from qoescope.catalog.errors import Mistake
from qoescope.catalog.topics import BEACONS, DEAD_LETTERS
from qoescope.compile import wire
from qoescope.connect import kafka
from qoescope.ingest import judge
from qoescope.ingest.bodies import Refused, plain
from qoescope.ingest.books import Books, exposition
from qoescope.ingest.context import Arrival
from qoescope.ingest.delivery import Delivery, Outgoing
from qoescope.ingest.keys import Key, Keyring, Property, Snapshot, decoded, token
from qoescope.ingest.limits import Bucket, InFlight, Limits
from qoescope.ingest.privacy import NO_TRACKING
from qoescope.ingest.repeats import Repeats
from qoescope.settings import Settings

log = logging.getLogger(__name__)
_ENCODE = msgspec.json.Encoder().encode
JSON = ("content-type", "application/json")
QUIET = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
TICK_S = 1.0
READY_S = 3.0
DEAD_BODY_BYTES = 4 * 1024 * 1024
"""Bytes of one body that a dead letter keeps."""
ROUTES = {"/v1/beacons": "beacons"}
BEACON_METHODS = "POST, OPTIONS"
RETRY_S = 5


class Door:
    """One process of the collector: what it holds while it runs, and its routes."""

    def __init__(self, settings: Settings, keys: Path, secret: bytes) -> None:
        self.settings, self._keys_path, self._secret = settings, keys, secret
        self.limits = Limits(**{f: getattr(settings, f) for f in Limits.__slots__})
        self.in_flight = InFlight(settings.door_requests, settings.door_unacknowledged_bytes)
        self.books = Books()
        self.keyring = Keyring(Snapshot())
        self.repeats = Repeats()
        self._keys_seen: tuple[int, int] | None = None
        self._buckets: dict[str, Bucket] = {}
        self._partitions: list[int] = []
        self.stopping = False
        self.delivery: Delivery
        self._log: kafka.Log

    # Life

    async def start(self) -> None:
        """Reads the keys and begins to tick; needs a running loop."""
        self._log = kafka.Log(self.settings)
        self.delivery = Delivery(self._log, self.in_flight, self.settings.kafka_delivery_ms / 1000)
        self.refresh()

    async def live(self, stop: asyncio.Event) -> None:
        """Ticks each second and reads the keys again every few, until `stop`."""
        refresh_at = 0.0
        while not stop.is_set():
            if time.monotonic() >= refresh_at:
                self.refresh()
                await self._find_partitions()
                refresh_at = time.monotonic() + self.settings.door_refresh_s
            self.delivery.tick(self._partitions, _now_ms(), self.books)
            try:
                await asyncio.wait_for(stop.wait(), TICK_S)
            except TimeoutError:
                continue

    async def drain(self, within_s: float) -> None:
        """Lets what is in flight be answered, then waits for Kafka."""
        self.stopping = True
        deadline = time.monotonic() + within_s
        while self.in_flight.requests and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        left = await asyncio.to_thread(self._log.flush, max(0.1, deadline - time.monotonic()))
        if left:
            log.warning("stopped with %d records that Kafka has not acknowledged; none of them was answered", left)

    async def _find_partitions(self) -> None:
        """Learns the topic's partitions, and makes the topics when Kafka is there without them."""
        try:
            found = await asyncio.to_thread(self._log.partitions, BEACONS.name, 2.0)
            if not found:
                await asyncio.to_thread(kafka.ensure_topics, self.settings)
                found = await asyncio.to_thread(self._log.partitions, BEACONS.name, 2.0)
        except kafka.AWAY as error:
            log.warning("Kafka is away: %s", error)
            return
        self._partitions = found or self._partitions

    def refresh(self) -> None:
        """Reads the file of keys if it has changed; a broken one leaves what was known."""
        try:
            seen = self._keys_path.stat()
        except FileNotFoundError:
            return
        if self._keys_seen == (seen.st_mtime_ns, seen.st_ino):
            return
        try:
            self.keyring = Keyring(decoded(self._keys_path.read_bytes()))
        except (OSError, Mistake) as error:
            log.error("keys not read again: %s", error)
            return
        self._keys_seen = (seen.st_mtime_ns, seen.st_ino)

    @property
    def ready(self) -> bool:
        """Kafka acknowledges, and nobody asked for a stop."""
        return not self.stopping and bool(self._partitions) and self.delivery.silent_s < READY_S

    # Routes

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        """One request."""
        route = ROUTES.get(scope.path)
        if route is None or scope.method != "POST":
            self._aside(scope, proto)
            return
        began = time.monotonic()
        origin = scope.headers.get("origin")
        try:
            status, answer = await self._beacons(scope, proto, origin)
        except Refused as refused:
            self._refuse(route, refused, origin, proto)
        else:
            self.books.requests[route, status] += 1
            self.books.waited(time.monotonic() - began)
            proto.response_bytes(status, _headers(origin), answer)

    def _aside(self, scope: Any, proto: Any) -> None:
        """What is not a beacon."""
        path, method = scope.path, scope.method
        if path in ROUTES:
            self._not_a_post(scope, proto)
        elif path == "/livez":
            _say(proto, 200, {"live": True})
        elif path == "/readyz":
            _say(proto, 200 if self.ready else 503, {"ready": self.ready, "kafka_silent_s": self._silence()})
        elif path == "/metrics" and method in ("GET", "HEAD"):
            self.books.ready = self.ready
            self.books.requests_in_flight, self.books.bytes_in_flight = self.in_flight.requests, self.in_flight.bytes
            proto.response_bytes(200, [("content-type", "text/plain; version=0.0.4")], exposition(self.books))
        else:
            _say(proto, 404, {"error": "no such path", "request_id": uuid.uuid4().hex})

    def _silence(self) -> float | None:
        silent = self.delivery.silent_s
        return round(silent, 1) if silent < 1e6 else None  # noqa: PLR2004

    def _not_a_post(self, scope: Any, proto: Any) -> None:
        origin = scope.headers.get("origin")
        if scope.method == "OPTIONS":
            proto.response_empty(204, [*_headers(origin), *PREFLIGHT])
            return
        try:
            self._admitted(scope, origin)
        except Refused as refused:
            self._refuse(ROUTES[scope.path], refused, origin, proto)
            return
        self._refuse(ROUTES[scope.path], Refused(405, "send it by POST"), origin, proto, ("allow", BEACON_METHODS))

    def _refuse(self, route: str, refused: Refused, origin: str | None, proto: Any, *more: tuple[str, str]) -> None:
        self.books.requests[route, refused.status] += 1
        headers = [*_headers(origin), *more]
        if refused.retry_after_s is not None:
            headers.append(("retry-after", str(refused.retry_after_s)))
        if refused.status == 401:  # noqa: PLR2004
            headers.append(("www-authenticate", "Bearer"))
        answer = wire.Refusal(refused.error, uuid.uuid4().hex)
        proto.response_bytes(refused.status, headers, _ENCODE(answer))

    # Beacons

    async def _beacons(self, scope: Any, proto: Any, origin: str | None) -> tuple[int, bytes]:
        """Status and answer for one beacon; raises `Refused`."""
        key, owner = self._admitted(scope, origin)
        if self.in_flight.full or self.stopping or self.delivery.away:
            raise Refused(503, "busy or without Kafka: send it again", retry_after_s=RETRY_S)
        self.in_flight.requests += 1
        try:
            return await self._taken(scope, proto, key, owner)
        finally:
            self.in_flight.requests -= 1

    async def _taken(self, scope: Any, proto: Any, key: Key, owner: Property) -> tuple[int, bytes]:
        headers = scope.headers
        received_at = _now_ms()
        try:
            sent = await self._body(headers.get("content-length"), proto)
            body = plain(sent, headers.get("content-encoding"), self.limits)
            self._charge_early(key, body, received_at)
            arrival = self._arrival(headers, owner, received_at)
            found = judge.judged(body, arrival, self.limits)
        except Refused as refused:
            if refused.body is not None:
                await self._bury(refused, key, received_at)
            raise
        self._charge(key, found.counts.received, len(body), received_at)
        identity = None
        if not owner.enabled:
            found = judge.withdrawn(found, "filtered", "switched_off")
        elif found.events:
            if (key.property, found.session.viewer_id) in self.keyring.forgotten:
                found = judge.withdrawn(found, "filtered", "forgotten_viewer")
            else:
                identity = (key.property, found.session.session_id, found.events[0].seq, len(found.events), hash(body))
                if identity in self.repeats:
                    found = judge.withdrawn(found, "duplicate", "this beacon was acknowledged before")
        if found.counts.received and not await self.delivery.put(*_records(found, key.property, received_at)):
            raise Refused(503, "Kafka does not acknowledge: send it again", retry_after_s=RETRY_S)
        if identity is not None:
            self.repeats.add(identity)
        self.books.count(key.property, found.counts)
        return 200, _answer(found)

    def _admitted(self, scope: Any, origin: str | None) -> tuple[Key, Property]:
        """The key and its property; raises `Refused`."""
        key = self.keyring.key(token(scope.headers.get("authorization"), scope.query_string))
        if key is None:
            raise Refused(401, "a write key is needed: Authorization: Bearer qw_…, or ?key=qw_…")
        if not key.live:
            raise Refused(403, "this key was revoked")
        owner = self.keyring.property(key.property)
        if not owner.allows(origin):
            raise Refused(403, "this origin may not write to the property")
        return key, owner

    async def _body(self, declared: str | None, proto: Any) -> bytes:
        """What was sent, read no further than it may be; raises `Refused`."""
        most = self.limits.body_bytes
        too_large = f"larger than {most} bytes"
        if declared is not None and (not declared.isdecimal() or int(declared) > most):
            raise Refused(413, too_large, b"")
        try:
            async with asyncio.timeout(self.settings.body_timeout_s):
                if declared is not None:
                    return bytes(await proto())
                read = bytearray()
                async for chunk in proto:
                    read += chunk
                    if len(read) > most:
                        raise Refused(413, too_large, bytes(read[: DEAD_BODY_BYTES // 64]))
                return bytes(read)
        except TimeoutError as error:
            raise Refused(408, "the body took too long") from error

    def _arrival(self, headers: Any, owner: Property, received_at: int) -> Arrival:
        anonymous = owner.honours_dnt and any(headers.get(name) == "1" for name in NO_TRACKING)
        return Arrival(owner.property, received_at, self._secret, 1, headers.get("user-agent"), anonymous)

    # Budgets

    def _bucket(self, key: Key) -> Bucket:
        bucket = self._buckets.get(key.prefix)
        if bucket is None:
            s, share = self.settings, self.settings.door_workers
            bucket = Bucket(s.budget_events / share, s.budget_bytes / share, s.budget_burst_s, time.monotonic())
            self._buckets[key.prefix] = bucket
        return bucket

    def _charge_early(self, key: Key, body: bytes, received_at: int) -> None:
        """Refuses what is over budget before it costs a judgement."""
        wait_s = self._bucket(key).wait_s(1, len(body), time.monotonic())
        if wait_s > 0:
            self._over_budget(key, judge.event_count(body), wait_s, received_at)

    def _charge(self, key: Key, events: int, size: int, received_at: int) -> None:
        wait_s = self._bucket(key).take(events, size, time.monotonic())
        if wait_s > 0:
            self._over_budget(key, events, wait_s, received_at)

    def _over_budget(self, key: Key, events: int, wait_s: float, received_at: int) -> None:
        self.books.refuse(key.property, events, received_at)
        raise Refused(429, "over this key's budget", retry_after_s=max(1, round(wait_s + 0.5)))

    async def _bury(self, refused: Refused, key: Key, received_at: int) -> None:
        """Keeps a body that was refused whole, and books it as one received, one invalid; raises `Refused` (429, 503)."""
        body = refused.body or b""
        self._charge(key, 1, len(body), received_at)
        counts = wire.Counts(1, invalid=1)
        record = wire.Record(key.property, received_at, None, counts, None, [])
        letter = _letter(key.property, received_at, refused.error, "", body, 1)
        if not await self.delivery.put(Outgoing(BEACONS.name, _ENCODE(record)), letter):
            raise Refused(503, "Kafka does not acknowledge: send it again", retry_after_s=RETRY_S)
        self.books.count(key.property, counts)


def _records(found: judge.Judged, property_name: str, received_at: int) -> list[Outgoing]:
    """What one beacon writes: its record, and a dead letter of what was not understood."""
    record = wire.Record(property_name, received_at, found.sent_at, found.counts, found.session, found.events)
    key = found.session.session_id.encode() if found.session is not None else None
    records = [Outgoing(BEACONS.name, _ENCODE(record), key)]
    if found.dead is not None:
        bad = [verdict for verdict in found.verdicts if verdict.outcome == "invalid"]
        detail = "; ".join(f"{verdict.index}: {verdict.reason}" for verdict in bad[:20])
        records.append(_letter(property_name, received_at, bad[0].reason, detail, found.dead, len(bad)))
    return records


def _letter(property_name: str, received_at: int, reason: str, detail: str, body: bytes, count: int) -> Outgoing:
    if len(body) > DEAD_BODY_BYTES:
        body, detail = body[:DEAD_BODY_BYTES], f"cut from {len(body)} bytes; {detail}"
    text = base64.b64encode(body).decode()
    letter = wire.DeadLetter(property_name, received_at, "door", reason, detail, text, count)
    return Outgoing(DEAD_LETTERS.name, _ENCODE(letter), property_name.encode())


def _answer(found: judge.Judged) -> bytes:
    c = found.counts
    if not found.verdicts:
        return b'{"received":%d,"accepted":%d,"duplicate":0,"invalid":0,"filtered":0,"results":[]}' % (
            c.received,
            c.accepted,
        )
    return _ENCODE(wire.Answer(c.received, c.accepted, c.duplicate, c.invalid, c.filtered, found.verdicts))


PREFLIGHT = (
    ("access-control-allow-methods", "GET, POST, OPTIONS"),
    ("access-control-allow-headers", "Authorization, Content-Type, Content-Encoding"),
    ("access-control-max-age", "86400"),
)


def _headers(origin: str | None) -> list[tuple[str, str]]:
    if origin is None:
        return [JSON, *QUIET]
    return [JSON, *QUIET, ("access-control-allow-origin", origin), ("vary", "Origin")]


def _say(proto: Any, status: int, answer: dict[str, Any]) -> None:
    proto.response_bytes(status, [JSON, *QUIET], _ENCODE(answer))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def fingerprint(secret: bytes) -> str:
    """A short name for a secret, to be told in logs."""
    return hashlib.sha256(secret).hexdigest()[:8]
