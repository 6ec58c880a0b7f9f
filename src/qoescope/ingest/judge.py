"""Judge: each event on its own, so that a bad one never sinks its beacon."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from qoescope.catalog.bounds import DATES
from qoescope.compile import wire
from qoescope.ingest import clocks, drafts, fields, texts
from qoescope.ingest.bodies import Refused
from qoescope.ingest.clocks import NONE, Shift
from qoescope.ingest.context import Arrival, kept
from qoescope.ingest.drafts import LONGEST_REASON, UNREADABLE, Bad, Draft
from qoescope.ingest.limits import Limits

_BEACON = msgspec.json.Decoder(wire.Beacon).decode
_ANYTHING = msgspec.json.Decoder().decode
_URL, _SLASH, _BACKSLASH = b"://", b"/", b"\\"


@dataclass(slots=True)
class Judged:
    """A beacon's accepted events with its session, its books, and what was not accepted."""

    session: wire.Session | None
    events: list[wire.Event]
    sent_at: int | None
    counts: wire.Counts
    verdicts: list[wire.Verdict]
    dead: bytes | None = None
    """A beacon of the original bytes of the events that were not understood; None when there are none."""
    unknown: dict[str, int] = field(default_factory=dict)
    """By field: values of accepted events and of their session that could not be meant."""


def judged(body: bytes, arrival: Arrival, limits: Limits) -> Judged:
    """The verdict on each event of the beacon; raises `Refused` when the body as a whole cannot be read.

    Most bodies are exactly as declared and pass in one reading; the others are read again, event by event.
    """
    beacon = _plain_beacon(body, arrival, limits)
    if beacon is None:
        return _patient(body, arrival, limits)
    urls = _BACKSLASH in body or (_SLASH in body and _URL in body)
    if urls:
        for event in beacon.events:
            drafts.strip_queries(event)
    count = len(beacon.events)
    session = kept(beacon.session, arrival, limits.ahead_ms, urls)
    return Judged(session, beacon.events, beacon.sent_at, wire.Counts(count, count), [])


def _plain_beacon(body: bytes, arrival: Arrival, limits: Limits) -> wire.Beacon | None:
    """The beacon if nothing about it needs a second look."""
    if not texts.plain(body):
        return None
    try:
        beacon = _BEACON(body)
    except UNREADABLE:
        return None
    events, cap = beacon.events, limits.session_events
    if len(events) > limits.beacon_events or (len(body) > limits.event_bytes and _oversized(body, limits)):
        return None
    earliest, latest = clocks.oldest(_heard_at(arrival), False), arrival.received_at + limits.ahead_ms
    if arrival.timeless:
        earliest, latest = DATES
    seen, last = set(), 0
    for event in events:
        if not earliest <= event.at <= latest or event.seq > cap:
            return None
        seen.add(event.seq)
        last = max(last, event.at)
    if len(seen) < len(events) or not _in_time(beacon, arrival, last):
        return None
    return beacon


def _in_time(beacon: wire.Beacon, arrival: Arrival, last: int) -> bool:
    """Whether the times of the beacon, of which `last` is the latest, stand as they are."""
    sent_at, known = beacon.sent_at, arrival.clocks
    if known is None or sent_at is None or arrival.timeless or last > sent_at + clocks.TOLERATED_MS:
        return _shift(arrival, beacon.session.session_id, sent_at, (last,)) == NONE
    late = arrival.received_at - sent_at
    if -clocks.TOLERATED_MS <= late <= clocks.TOLERATED_MS:
        return known.is_right(arrival.property, beacon.session.session_id)
    return known.shift(arrival.property, beacon.session.session_id, late) == NONE


def _shift(arrival: Arrival, session_id: str, sent_at: int | None, times: tuple[int, ...]) -> Shift:
    """What to add to the times of a beacon of this session."""
    if arrival.timeless:
        return NONE
    behind = clocks.measured(_heard_at(arrival), sent_at, times)
    if arrival.clocks is None:
        return NONE if behind is None else Shift(behind, behind)
    return arrival.clocks.shift(arrival.property, session_id, behind)


def _oversized(body: bytes, limits: Limits) -> bool:
    envelope = drafts.ENVELOPE(body)
    return any(memoryview(raw).nbytes > limits.event_bytes for raw in (envelope.session, *envelope.events))


def _patient(body: bytes, arrival: Arrival, limits: Limits) -> Judged:
    envelope = _opened(body, limits)
    raws = [bytes(raw) for raw in envelope.events]
    unknown = Counter[str]()
    try:
        context = drafts.context(bytes(envelope.session), limits, unknown)
    except Bad as bad:
        reason = f"session: {bad}"
        verdicts = [wire.Verdict(i, "invalid", reason) for i in range(len(raws))]
        counts = wire.Counts(len(raws), invalid=len(raws))
        return Judged(None, [], None, counts, verdicts, body if raws else None)
    told = [drafts.draft(raw, limits) for raw in raws]
    sent_at = _sent_at(envelope.sent_at, unknown)
    times = tuple(at for draft in told if isinstance(draft, Draft) and (at := draft.at) is not None)
    shift = _shift(arrival, str(context["session_id"]), sent_at, times)
    oldest = clocks.oldest(_heard_at(arrival), says_when_sent=sent_at is not None)
    believed = not times or any(at + shift.events >= oldest for at in times)
    begun = drafts.begun(context, shift, DATES[0] if believed or arrival.timeless else oldest, unknown)
    session = kept(begun, arrival, limits.ahead_ms)
    events: list[wire.Event] = []
    verdicts = []
    bad_raws: list[bytes] = []
    seen: dict[int, wire.Event] = {}
    for index, draft in enumerate(told):
        if isinstance(draft, Bad):
            verdicts.append(wire.Verdict(index, "invalid", str(draft), drafts.seq(raws[index])))
            bad_raws.append(raws[index])
            continue
        event = draft.event(arrival, shift.events, limits, oldest)
        if draft.seq > limits.session_events:
            verdicts.append(wire.Verdict(index, "filtered", "session_too_long", draft.seq))
        elif seen.setdefault(event.seq, event) is not event and seen[event.seq] == event:
            verdicts.append(wire.Verdict(index, "duplicate", "repeated in this beacon", event.seq))
        else:
            events.append(event)
            unknown.update(draft.unknown)
    dead = None
    if bad_raws:
        dead = b'{"session":' + bytes(envelope.session) + b',"events":[' + b",".join(bad_raws) + b"]}"
    return Judged(session, events, sent_at, _counts(len(events), verdicts), verdicts, dead, dict(unknown))


def _opened(body: bytes, limits: Limits) -> wire.Envelope:
    """The beacon's parts as bytes; raises `Refused` for what is no beacon."""
    try:
        envelope = drafts.envelope(body)
    except msgspec.ValidationError as error:
        raise Refused(400, f"not a beacon: {error}"[:LONGEST_REASON], body) from error
    except UnicodeDecodeError as error:
        raise Refused(400, "not UTF-8", body) from error
    except RecursionError as error:
        raise Refused(400, "nested too deeply", body) from error
    except msgspec.DecodeError as error:
        raise Refused(400, f"not JSON: {error}"[:LONGEST_REASON], body) from error
    if not memoryview(envelope.session).nbytes:
        raise Refused(400, "not a beacon: `session` is missing", body)
    if len(envelope.events) > limits.beacon_events:
        raise Refused(413, f"more than {limits.beacon_events} events", body)
    return envelope


def _counts(accepted: int, verdicts: list[wire.Verdict]) -> wire.Counts:
    outcomes = [verdict.outcome for verdict in verdicts]
    return wire.Counts(
        received=accepted + len(outcomes),
        accepted=accepted,
        duplicate=outcomes.count("duplicate"),
        invalid=outcomes.count("invalid"),
        filtered=outcomes.count("filtered"),
    )


def withdrawn(found: Judged, outcome: Literal["duplicate", "filtered"], reason: str) -> Judged:
    """The same beacon with another outcome for all that would be accepted, such as of a property switched off."""
    counts = found.counts
    judged_bad = {verdict.index for verdict in found.verdicts}
    places = [index for index in range(counts.received) if index not in judged_bad]
    added = [wire.Verdict(i, outcome, reason, event.seq) for i, event in zip(places, found.events, strict=True)]
    verdicts = sorted([*found.verdicts, *added], key=lambda verdict: verdict.index)
    return Judged(found.session, [], found.sent_at, _counts(0, verdicts), verdicts, found.dead)


def _sent_at(raw: msgspec.Raw, unknown: Counter[str]) -> int | None:
    said = bytes(raw)
    if said in (b"", b"null"):
        return None
    try:
        sent_at = fields.instant(_ANYTHING(said))
    except UNREADABLE:
        sent_at = None
    if sent_at is None:
        unknown["sent_at"] += 1
    return sent_at


def _heard_at(arrival: Arrival) -> int:
    """When the beacon came, also one that is judged again."""
    return arrival.first_at or arrival.received_at
