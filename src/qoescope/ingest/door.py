"""The door's writing routes: who may write, how much, and what becomes of it."""

import time
from collections.abc import Callable, Container, Hashable
from typing import TYPE_CHECKING

from qoescope.compile import pseudonyms, wire
from qoescope.ingest import answers, batches, costs, judge, records, reports
from qoescope.ingest.bodies import Refused, plain
from qoescope.ingest.books import Books
from qoescope.ingest.clocks import Clocks
from qoescope.ingest.context import Arrival, edge
from qoescope.ingest.forgotten import Forgotten
from qoescope.ingest.judge import Judged
from qoescope.ingest.keys import Key, Keyring, Property, Snapshot, token
from qoescope.ingest.limits import Bucket, InFlight, Limits
from qoescope.ingest.repeats import Repeats
from qoescope.settings import Settings

if TYPE_CHECKING:
    from qoescope.ingest.delivery import Delivery
    from qoescope.ingest.requests import Request

BEACONS, CMCD = "/v1/beacons", "/v1/cmcd"


def _nothing() -> None:
    """What is done about an unknown key where keys do not change."""


def _goes_on(_: str) -> None:
    """What happens at a crash point where none is set."""


class Door:
    """What one process of the collector holds, and what it does with a request to write."""

    def __init__(self, settings: Settings, secret: tuple[int, bytes]) -> None:
        self.settings, (self._version, self._secret) = settings, secret
        self._edge = edge(settings.door_edge_headers)
        self.limits = Limits(**{name: getattr(settings, name) for name in Limits.__slots__})
        self.in_flight = InFlight(settings.door_requests, settings.door_unacknowledged_bytes)
        self.books = Books()
        self.keyring = Keyring(Snapshot())
        self.viewer_keys: pseudonyms.Keys = {self._version: self._secret}
        """Each version of the pseudonyms' key: who was forgotten under an older one is forgotten."""
        self._tombstones: tuple[object, Forgotten] = None, Forgotten({}, ())
        self.repeats = Repeats()
        self.clocks = Clocks()
        self.stopping = False
        self.look_again: Callable[[], None] = _nothing
        """Reads the keys again if they have changed: a key may be used as soon as it is shown."""
        self.crash: Callable[[str], None] = _goes_on
        """Told the name of each crash point that is passed."""
        self.delivery: Delivery
        self._buckets: dict[str, Bucket] = {}

    async def write(self, request: "Request") -> None:
        """Answers one request to a writing route."""
        began = time.monotonic()
        origin = request.headers.get("origin")
        route = BEACONS if request.path == BEACONS else CMCD
        if request.method == "OPTIONS":
            request.answer(204, [*answers.headers(origin), *answers.PREFLIGHT])
            return
        try:
            status, answer = await self._written(request, route, origin)
        except Refused as refused:
            self.books.requests[route, refused.status] += 1
            headers = answers.refusal_headers(refused, origin)
            request.answer(refused.status, headers, answers.of_refused(refused))
        else:
            self.books.requests[route, status] += 1
            self.books.waited(time.monotonic() - began)
            request.answer(status, answers.headers(origin), answer)

    async def _written(self, request: "Request", route: str, origin: str | None) -> tuple[int, bytes]:
        """Status and answer when it went well; raises `Refused` when not."""
        key, owner = self._admitted(request, origin)
        if request.method != "POST" and not (request.method == "GET" and route == CMCD):
            raise Refused(405, "send it by POST", allow="POST, OPTIONS" if route == BEACONS else "GET, POST, OPTIONS")
        if self.in_flight.full or self.stopping or self.delivery.away:
            raise answers.unavailable("busy or without Kafka")
        self.in_flight.requests += 1
        arrival = Arrival(
            key.property, time.time_ns() // 1_000_000, self._secret, request.headers, self._version, owner.honours_dnt,
            self._edge, self.clocks,
        )  # fmt: skip
        try:
            body, paid = await self._paid_body(request, key, arrival.received_at)
            if route == BEACONS:
                return 200, await self._beacon(body, paid, arrival, key, owner)
            return 204, await self._reports(request, body, paid, arrival, key)
        except Refused as refused:
            if refused.body is not None:
                await self._bury(refused, key, arrival)
            raise
        finally:
            self.in_flight.requests -= 1

    def _admitted(self, request: "Request", origin: str | None) -> tuple[Key, Property]:
        """The key and its property; raises `Refused`."""
        secret = token(request.headers.get("authorization"), request.query)
        if secret is None and request.path.startswith(CMCD + "/"):
            secret = request.path[len(CMCD) + 1 :]
        key = self.keyring.key(secret)
        if key is None and secret:
            self.look_again()
            key = self.keyring.key(secret)
        cmcd = request.path.startswith(CMCD)
        if key is None:
            if cmcd and secret:
                raise Refused(403, "this write key is not known")
            raise Refused(401, "a write key is needed: Authorization: Bearer qw_…, or ?key=qw_…")
        if key.revoked_at is not None:
            raise Refused(410 if cmcd else 403, "this key was revoked")
        owner = self.keyring.property(key.property)
        if cmcd and not (owner.cmcd and owner.enabled):
            raise Refused(410, "this property takes no CMCD")
        if not owner.allows(origin):
            raise Refused(403, "this origin may not write to the property")
        return key, owner

    async def _paid_body(self, request: "Request", key: Key, received_at: int) -> tuple[bytes, int]:
        """What was sent, without its encoding, and for how many events its key was charged; raises `Refused`."""
        try:
            sent = await self._body(request)
        except Refused as refused:
            if refused.body is not None:
                self._charge(key, refused.body, "", received_at)
            raise
        encoding = request.headers.get("content-encoding")
        paid = self._charge(key, sent, encoding, received_at)
        try:
            body = plain(sent, encoding, self.limits)
        except Refused:
            self._bucket(key).owe(0, costs.most_inflated(sent, self.limits))
            raise
        if body is not sent:
            more = costs.estimate_events(body, self.limits) - paid
            self._bucket(key).owe(more, len(body) - len(sent))
            paid += more
        costs.refuse_crowded(body, self.limits)
        return body, paid

    async def _body(self, request: "Request") -> bytes:
        """What was sent; raises `Refused`. Nothing is awaited where nothing is to come."""
        if request.method == "GET":
            return b""
        declared = request.headers.get("content-length")
        if declared is not None and int(declared) > self.limits.body_bytes:
            raise Refused(413, f"larger than {self.limits.body_bytes} bytes", b"")
        return request.whole or await self._coming(request)

    async def _coming(self, request: "Request") -> bytes:
        """What is sent, once it is here; raises `Refused`. Too many such make the one go that takes longest."""
        slowest = self.in_flight.await_body(request)
        if slowest is not None:
            slowest.end(answers.unavailable("others wait for a body that takes so long"))
        try:
            return await request.body()
        finally:
            self.in_flight.coming.pop(request, None)

    # Budgets

    def _bucket(self, key: Key) -> Bucket:
        bucket = self._buckets.get(key.prefix)
        if bucket is None:
            s, share = self.settings, self.settings.door_workers
            bucket = Bucket(s.budget_events / share, s.budget_bytes / share, s.budget_burst_s, time.monotonic())
            self._buckets[key.prefix] = bucket
        return bucket

    def _charge(self, key: Key, sent: bytes, encoding: str | None, received_at: int) -> int:
        """Takes what reading the body will cost from the key's budget, and returns its events.

        Raises `Refused` when the budget has not so much. What more it turns out to cost is owed afterwards; of what is
        packed only one event is known.
        """
        events = 1 if encoding else costs.estimate_events(sent, self.limits)
        wait_s = self._bucket(key).take(events, len(sent), time.monotonic())
        if wait_s > 0:
            named = 1 if encoding else costs.count_named_events(sent, self.limits)
            self.books.refuse(key.property, named, received_at)
            raise Refused(429, "over this key's budget", retry_after_s=int(wait_s) + 1)
        return events

    # Beacons

    async def _beacon(self, body: bytes, paid: int, arrival: Arrival, key: Key, owner: Property) -> bytes:
        """The answer to a beacon, or to several in one body, once Kafka has all of them."""
        parts = batches.parts(body)
        whole = [body] if parts is None else parts
        judged = batches.judged(whole, arrival, self.limits) if parts else [judge.judged(body, arrival, self.limits)]
        self._bucket(key).owe(max(0, sum(found.counts.received for found in judged) - paid), 0)
        told, fresh = [], dict[Hashable, None]()
        for found, part in zip(judged, whole, strict=True):
            identity = _identity(found, part, key)
            told.append(self._admit(self._without_forgotten(found, part, key), identity, key, owner, fresh))
            if told[-1].events:
                fresh[identity] = None
        outgoing = [record for found in told if found.counts.received for record in records.of_beacon(found, arrival)]
        if outgoing:
            await self._put(outgoing)
        for identity in fresh:
            self.repeats.add(identity)
        for found in told:
            self.books.count(key.property, found.counts)
            self.books.count_unknown(key.property, found.unknown)
        return answers.of_beacon(told[0]) if parts is None else answers.of_beacons(told)

    def _admit(
        self, found: Judged, identity: Hashable, key: Key, owner: Property, fresh: Container[Hashable]
    ) -> Judged:
        """The beacon as it was judged, or without its events where these are not wanted or were here before."""
        if found.session is None or not found.events:
            return found
        if not owner.enabled:
            return judge.withdrawn(found, "filtered", "switched_off")
        if identity in self.repeats or identity in fresh:
            return judge.withdrawn(found, "duplicate", "this beacon was acknowledged before")
        return found

    def _without_forgotten(self, found: Judged, part: bytes, key: Key) -> Judged:
        """The beacon, or none of its events where its viewer asked to be forgotten."""
        if found.session is None or not found.events:
            return found
        named = (key.property, found.session.viewer_id) in self.keyring.forgotten
        if named or self._is_older_name_forgotten(key.property, part):
            return judge.withdrawn(found, "filtered", "forgotten_viewer")
        return found

    async def _put(self, outgoing: list[records.Outgoing]) -> None:
        """Comes back once Kafka has all of it; raises `Refused` when it does not say so."""
        if not await self.delivery.put(self._forgotten().without_letters(outgoing)):
            raise answers.unavailable("Kafka does not acknowledge")
        self.crash("door.after_ack")

    def _forgotten(self) -> Forgotten:
        """Who asked to be forgotten, as far as it is known now."""
        known, (asked, _) = self.keyring.forgotten, self._tombstones
        if asked is not known:
            self._tombstones = known, Forgotten(self.viewer_keys, known)
        return self._tombstones[1]

    def _is_older_name_forgotten(self, property_id: str, body: bytes) -> bool:
        """Whether the viewer was forgotten under an older version of the key, by another pseudonym."""
        return len(self.viewer_keys) > 1 and self._forgotten().is_named(property_id, body)

    async def _bury(self, refused: Refused, key: Key, arrival: Arrival) -> None:
        """Keeps and books a body that was refused whole; raises `Refused` when Kafka does not allow it."""
        body = refused.body or b""
        await self._put(records.of_refused(body, refused.error, arrival))
        self.books.count(key.property, wire.Counts(1, invalid=1))

    # CMCD

    async def _reports(self, request: "Request", body: bytes, paid: int, arrival: Arrival, key: Key) -> bytes:
        """Nothing to say, once Kafka has all CMCD records of the request."""
        if request.method == "GET":
            found = reports.in_request(request.headers.items(), request.query)
        else:
            found = reports.in_body(body, request.headers.get("content-type"))
        self._bucket(key).owe(max(0, found.received - paid), 0)
        await self._put(reports.records(found, arrival, CMCD))
        self.books.count(key.property, found.counts)
        self.books.count_unknown(key.property, found.left_out)
        return b""


def _identity(found: Judged, body: bytes, key: Key) -> Hashable:
    """What tells a beacon from others; None of one without accepted events."""
    if found.session is None or not found.events:
        return None
    return key.property, found.session.session_id, found.events[0].seq, len(found.events), hash(body)
