"""The write endpoints: authenticate the sender, charge its budget, judge what it sent, write it to Kafka."""

import time
from collections.abc import Callable, Container, Hashable
from typing import TYPE_CHECKING

from qoescope.compile import pseudonyms, wire
from qoescope.compile.forgotten import ForgottenViewers
from qoescope.ingest import answers, batches, costs, judge, records, reports
from qoescope.ingest.bodies import Refused, decode_body
from qoescope.ingest.clocks import Clocks
from qoescope.ingest.context import Arrival, parse_edge_headers
from qoescope.ingest.counters import CollectorCounters
from qoescope.ingest.forgotten import without_forgotten
from qoescope.ingest.judge import JudgedBeacon
from qoescope.ingest.keys import Keyring, Property, Snapshot, WriteKey, token
from qoescope.ingest.limits import InFlight, KeyBudget, Limits
from qoescope.ingest.recent_beacons import RecentBeacons
from qoescope.settings import Settings

if TYPE_CHECKING:
    from qoescope.ingest.delivery import Delivery
    from qoescope.ingest.requests import Request

BEACONS_PATH, CMCD_PATH = "/v1/beacons", "/v1/cmcd"


def _do_nothing() -> None:
    """Stands for reloading keys where they do not change."""


def _pass_crash_point(_: str) -> None:
    """Stands for a crash point where none is set."""


class WriteRoutes:
    """State of one process' write endpoints, and how they answer."""

    def __init__(self, settings: Settings, secret: tuple[int, bytes]) -> None:
        self.settings, (self._version, self._secret) = settings, secret
        self._edge = parse_edge_headers(settings.door_edge_headers)
        self.limits = Limits(**{name: getattr(settings, name) for name in Limits.__slots__})
        self.in_flight = InFlight(settings.door_requests, settings.door_unacknowledged_bytes)
        self.counters = CollectorCounters()
        self.keyring = Keyring(Snapshot())
        self.viewer_keys: pseudonyms.ViewerKeys = {self._version: self._secret}
        """All versions of the pseudonyms' key: who was forgotten under an older one stays forgotten."""
        self._tombstones: tuple[object, ForgottenViewers] = None, ForgottenViewers({}, ())
        self.recent = RecentBeacons()
        self.clocks = Clocks()
        self.stopping = False
        self.reload_keys: Callable[[], None] = _do_nothing
        """Reads the keys again if they have changed, so that a new key works as soon as it is shown."""
        self.crash: Callable[[str], None] = _pass_crash_point
        """Called with the name of each crash point that is passed."""
        self.delivery: Delivery
        self._budgets: dict[str, KeyBudget] = {}

    async def write(self, request: "Request") -> None:
        """Answers one request to a write endpoint."""
        began = time.monotonic()
        origin = request.headers.get("origin")
        route = BEACONS_PATH if request.path == BEACONS_PATH else CMCD_PATH
        if request.method == "OPTIONS":
            request.answer(204, [*answers.headers(origin), *answers.PREFLIGHT])
            return
        try:
            status, answer = await self._process_write(request, route, origin)
        except Refused as refused:
            self.counters.requests[route, refused.status] += 1
            headers = answers.refusal_headers(refused, origin)
            request.answer(refused.status, headers, answers.refusal_body(refused))
        else:
            self.counters.requests[route, status] += 1
            self.counters.observe_wait(time.monotonic() - began)
            request.answer(status, answers.headers(origin), answer)

    async def _process_write(self, request: "Request", route: str, origin: str | None) -> tuple[int, bytes]:
        """(status, body) of an accepted request; raises `Refused`."""
        key, property_row = self._admit_sender(request, origin)
        if request.method != "POST" and not (request.method == "GET" and route == CMCD_PATH):
            raise Refused(
                405, "send it by POST", allow="POST, OPTIONS" if route == BEACONS_PATH else "GET, POST, OPTIONS"
            )
        if self.in_flight.full or self.stopping or self.delivery.is_away:
            raise answers.unavailable("busy or without Kafka")
        self.in_flight.requests += 1
        arrival = Arrival(
            key.property,
            time.time_ns() // 1_000_000,
            self._secret,
            request.headers,
            self._version,
            property_row.honours_dnt,
            self._edge,
            self.clocks,
        )
        try:
            body, charged = await self._read_paid_body(request, key, arrival.received_at)
            if route == BEACONS_PATH:
                return 200, await self._write_beacons(body, charged, arrival, key, property_row)
            return 204, await self._write_reports(request, body, charged, arrival, key)
        except Refused as refused:
            if refused.body is not None:
                await self._dead_letter(refused, key, arrival)
            raise
        finally:
            self.in_flight.requests -= 1

    def _admit_sender(self, request: "Request", origin: str | None) -> tuple[WriteKey, Property]:
        """The key and its property; raises `Refused`."""
        secret = token(request.headers.get("authorization"), request.query)
        if secret is None and request.path.startswith(CMCD_PATH + "/"):
            secret = request.path[len(CMCD_PATH) + 1 :]
        key = self.keyring.key(secret)
        if key is None and secret:
            self.reload_keys()
            key = self.keyring.key(secret)
        cmcd = request.path.startswith(CMCD_PATH)
        if key is None:
            if cmcd and secret:
                raise Refused(403, "this write key is not known")
            raise Refused(401, "a write key is needed: Authorization: Bearer qw_…, or ?key=qw_…")
        if key.revoked_at is not None:
            raise Refused(410 if cmcd else 403, "this key was revoked")
        property_row = self.keyring.property(key.property)
        if cmcd and not (property_row.cmcd and property_row.enabled):
            raise Refused(410, "this property takes no CMCD")
        if not property_row.allows(origin):
            raise Refused(403, "this origin may not write to the property")
        return key, property_row

    async def _read_paid_body(self, request: "Request", key: WriteKey, received_at: int) -> tuple[bytes, int]:
        """(decoded body, events that its key was charged for); raises `Refused`."""
        try:
            sent = await self._body(request)
        except Refused as refused:
            if refused.body is not None:
                self._charge(key, refused.body, "", received_at)
            raise
        encoding = request.headers.get("content-encoding")
        charged = self._charge(key, sent, encoding, received_at)
        try:
            body = decode_body(sent, encoding, self.limits)
        except Refused:
            self._budget(key).owe(0, costs.most_inflated(sent, self.limits))
            raise
        if body is not sent:
            more = costs.estimate_events(body, self.limits) - charged
            self._budget(key).owe(more, len(body) - len(sent))
            charged += more
        costs.refuse_crowded(body, self.limits)
        return body, charged

    async def _body(self, request: "Request") -> bytes:
        """The body as sent; raises `Refused`. Awaits nothing where nothing is to come."""
        if request.method == "GET":
            return b""
        declared = request.headers.get("content-length")
        if declared is not None and int(declared) > self.limits.body_bytes:
            raise Refused(413, f"larger than {self.limits.body_bytes} bytes", b"")
        return request.whole or await self._await_body(request)

    async def _await_body(self, request: "Request") -> bytes:
        """Waits for the body; raises `Refused`. When too many wait, the slowest one is refused."""
        slowest = self.in_flight.await_body(request)
        if slowest is not None:
            slowest.end(answers.unavailable("others wait for a body that takes so long"))
        try:
            return await request.body()
        finally:
            self.in_flight.coming.pop(request, None)

    def _budget(self, key: WriteKey) -> KeyBudget:
        bucket = self._budgets.get(key.prefix)
        if bucket is None:
            s, share = self.settings, self.settings.door_workers
            bucket = KeyBudget(s.budget_events / share, s.budget_bytes / share, s.budget_burst_s, time.monotonic())
            self._budgets[key.prefix] = bucket
        return bucket

    def _charge(self, key: WriteKey, sent: bytes, encoding: str | None, received_at: int) -> int:
        """Charges the key's budget for parsing the body, and returns the events it was charged for.

        Raises `Refused` when the budget is exhausted. Further cost that shows later is owed; of an encoded body only
        one event is known in advance.
        """
        events = 1 if encoding else costs.estimate_events(sent, self.limits)
        wait_s = self._budget(key).take(events, len(sent), time.monotonic())
        if wait_s > 0:
            named = 1 if encoding else costs.count_named_events(sent, self.limits)
            self.counters.refuse(key.property, named, received_at)
            raise Refused(429, "over this key's budget", retry_after_s=int(wait_s) + 1)
        return events

    async def _write_beacons(
        self, body: bytes, charged: int, arrival: Arrival, key: WriteKey, property_row: Property
    ) -> bytes:
        """The answer to a beacon, or to several in one body, once Kafka has acknowledged all of them."""
        parts = batches.split_batch(body)
        whole = [body] if parts is None else parts
        judged = (
            batches.judge_all(whole, arrival, self.limits)
            if parts
            else [judge.judge_beacon(body, arrival, self.limits)]
        )
        self._budget(key).owe(max(0, sum(beacon.counts.received for beacon in judged) - charged), 0)
        admitted, fresh = [], dict[Hashable, None]()
        for beacon, part in zip(judged, whole, strict=True):
            identity = _beacon_identity(beacon, part, key)
            admitted.append(
                self._withdraw_unwanted(self.withdraw_forgotten(beacon, part, key), identity, key, property_row, fresh)
            )
            if admitted[-1].events:
                fresh[identity] = None
        outgoing = [
            record
            for beacon in admitted
            if beacon.counts.received
            for record in records.beacon_records(beacon, arrival)
        ]
        if outgoing:
            await self._put(outgoing)
        for identity in fresh:
            self.recent.add(identity)
        for beacon in admitted:
            self.counters.count(key.property, beacon.counts)
            self.counters.count_unknown(key.property, beacon.unknown)
        return answers.beacon_answer(admitted[0]) if parts is None else answers.batch_answer(admitted)

    def _withdraw_unwanted(
        self,
        beacon: JudgedBeacon,
        identity: Hashable,
        key: WriteKey,
        property_row: Property,
        fresh: Container[Hashable],
    ) -> JudgedBeacon:
        """The beacon, or none of its events where the property is off or it was sent before."""
        if beacon.session is None or not beacon.events:
            return beacon
        if not property_row.enabled:
            return judge.withdraw(beacon, "filtered", "switched_off")
        if identity in self.recent or identity in fresh:
            return judge.withdraw(beacon, "duplicate", "this beacon was acknowledged before")
        return beacon

    def withdraw_forgotten(self, beacon: JudgedBeacon, part: bytes, key: WriteKey) -> JudgedBeacon:
        """The beacon, or none of its events where its viewer asked, or may have asked, to be forgotten."""
        if beacon.session is None or not beacon.events:
            return beacon
        named = (key.property, beacon.session.viewer_id) in self.keyring.forgotten
        if named or self._is_older_name_forgotten(key.property, part):
            return judge.withdraw(beacon, "filtered", "forgotten_viewer")
        return beacon

    async def _put(self, outgoing: list[records.Outgoing]) -> None:
        """Sends the records and waits for Kafka's acknowledgement; raises `Refused` without it."""
        if not await self.delivery.put(without_forgotten(outgoing, self._forgotten())):
            raise answers.unavailable("Kafka does not acknowledge")
        self.crash("door.after_ack")

    def _forgotten(self) -> ForgottenViewers:
        """The viewers who asked to be forgotten, as currently known."""
        known, (known_names, _) = self.keyring.forgotten, self._tombstones
        if known_names is not known:
            self._tombstones = known, ForgottenViewers(self.viewer_keys, known)
        return self._tombstones[1]

    def _is_older_name_forgotten(self, property_id: str, body: bytes) -> bool:
        """Whether the viewer was, or may have been, forgotten under an older version of the key."""
        return len(self.viewer_keys) > 1 and self._forgotten().judge(property_id, body) != "keep"

    async def _dead_letter(self, refused: Refused, key: WriteKey, arrival: Arrival) -> None:
        """Keeps and counts a body that was refused whole; raises `Refused` if Kafka is away."""
        body = refused.body or b""
        await self._put(records.refusal_records(body, refused.error, arrival))
        self.counters.count(key.property, wire.Counts(1, invalid=1))

    async def _write_reports(
        self, request: "Request", body: bytes, charged: int, arrival: Arrival, key: WriteKey
    ) -> bytes:
        """An empty answer, once Kafka has acknowledged all CMCD records of the request."""
        self._budget(key).owe(max(0, costs.estimate_reports(body) - charged), 0)
        if request.method == "GET":
            sent = reports.parse_request(request.headers.items(), request.query)
        else:
            sent = reports.parse_body(body, request.headers.get("content-type"))
        await self._put(reports.report_records(sent, arrival, CMCD_PATH))
        self.counters.count(key.property, sent.counts)
        self.counters.count_unknown(key.property, sent.left_out)
        return b""


def _beacon_identity(beacon: JudgedBeacon, body: bytes, key: WriteKey) -> Hashable:
    """What tells a beacon from others; None of one without accepted events."""
    if beacon.session is None or not beacon.events:
        return None
    return key.property, beacon.session.session_id, beacon.events[0].seq, len(beacon.events), hash(body)
