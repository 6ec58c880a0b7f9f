"""Judges each event of a beacon on its own, so that an invalid one does not cost the others."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from qoescope.catalog.bounds import DATES
from qoescope.compile import wire
from qoescope.ingest import clocks, drafts, fields, texts
from qoescope.ingest.bodies import Refused
from qoescope.ingest.clocks import NO_SHIFT, Shift
from qoescope.ingest.context import Arrival, tidy_session
from qoescope.ingest.drafts import LONGEST_REASON, UNREADABLE, Draft, MalformedEvent
from qoescope.ingest.limits import Limits

_BEACON = msgspec.json.Decoder(wire.Beacon).decode
_ANYTHING = msgspec.json.Decoder().decode
_URL, _SLASH, _BACKSLASH = b"://", b"/", b"\\"


@dataclass(slots=True)
class JudgedBeacon:
    """A beacon's accepted events and session, its counts, and verdicts on what was not accepted."""

    session: wire.Session | None
    events: list[wire.Event]
    sent_at: int | None
    counts: wire.Counts
    verdicts: list[wire.Verdict]
    dead: bytes | None = None
    """A beacon of the original bytes of malformed events, for a dead letter; None when there are none."""
    unknown: dict[str, int] = field(default_factory=dict)
    """By field: values of accepted events and of their session that cannot be meant."""


def judge_beacon(body: bytes, arrival: Arrival, limits: Limits) -> JudgedBeacon:
    """The verdict on each event of the beacon; raises `Refused` when the body as a whole cannot be read.

    Most bodies are exactly as declared and are decoded in one pass; the others are read again, event by event.
    """
    beacon = _decode_plain(body, arrival, limits)
    if beacon is None:
        return _judge_each(body, arrival, limits)
    urls = _BACKSLASH in body or (_SLASH in body and _URL in body)
    if urls:
        for event in beacon.events:
            drafts.strip_queries(event)
    count = len(beacon.events)
    session = tidy_session(beacon.session, arrival, limits.ahead_ms, urls)
    return JudgedBeacon(session, beacon.events, beacon.sent_at, wire.Counts(count, count), [])


def _decode_plain(body: bytes, arrival: Arrival, limits: Limits) -> wire.Beacon | None:
    """The beacon, if all of it is exactly as declared; else None."""
    if not texts.is_plain(body):
        return None
    try:
        beacon = _BEACON(body)
    except UNREADABLE:
        return None
    events, cap = beacon.events, limits.session_events
    if len(events) > limits.beacon_events or (len(body) > limits.event_bytes and _has_oversized_part(body, limits)):
        return None
    earliest, latest = (
        clocks.earliest_believed(_first_received_at(arrival), False),
        arrival.received_at + limits.ahead_ms,
    )
    if arrival.timeless:
        earliest, latest = DATES
    by_seq, last = set(), 0
    for event in events:
        if not earliest <= event.at <= latest or event.seq > cap:
            return None
        by_seq.add(event.seq)
        last = max(last, event.at)
    if len(by_seq) < len(events) or not _has_right_times(beacon, arrival, last):
        return None
    return beacon


def _has_right_times(beacon: wire.Beacon, arrival: Arrival, last: int) -> bool:
    """Whether the beacon's times can stay as they are; `last` is the latest of them."""
    sent_at, known = beacon.sent_at, arrival.clocks
    if known is None or sent_at is None or arrival.timeless or last > sent_at + clocks.TOLERATED_MS:
        return _shift(arrival, beacon.session.session_id, sent_at, (last,)) == NO_SHIFT
    late = arrival.received_at - sent_at
    if -clocks.TOLERATED_MS <= late <= clocks.TOLERATED_MS:
        return known.is_right(arrival.property, beacon.session.session_id)
    return known.shift(arrival.property, beacon.session.session_id, late) == NO_SHIFT


def _shift(arrival: Arrival, session_id: str, sent_at: int | None, times: tuple[int, ...]) -> Shift:
    """What to add to the times of a beacon of this session."""
    if arrival.timeless:
        return NO_SHIFT
    behind = clocks.measure_offset(_first_received_at(arrival), sent_at, times)
    if arrival.clocks is None:
        return NO_SHIFT if behind is None else Shift(behind, behind)
    return arrival.clocks.shift(arrival.property, session_id, behind)


def _has_oversized_part(body: bytes, limits: Limits) -> bool:
    envelope = drafts.ENVELOPE(body)
    return any(memoryview(raw).nbytes > limits.event_bytes for raw in (envelope.session, *envelope.events))


def _judge_each(body: bytes, arrival: Arrival, limits: Limits) -> JudgedBeacon:
    envelope = _open_envelope(body, limits)
    raws = [bytes(raw) for raw in envelope.events]
    unknown = Counter[str]()
    try:
        context = drafts.read_context(bytes(envelope.session), limits, unknown)
    except MalformedEvent as bad:
        reason = f"session: {bad}"
        verdicts = [wire.Verdict(i, "invalid", reason) for i in range(len(raws))]
        counts = wire.Counts(len(raws), invalid=len(raws))
        return JudgedBeacon(None, [], None, counts, verdicts, body if raws else None)
    event_drafts = [drafts.draft_event(raw, limits) for raw in raws]
    sent_at = _read_sent_at(envelope.sent_at, unknown)
    times = tuple(at for draft in event_drafts if isinstance(draft, Draft) and (at := draft.at) is not None)
    shift = _shift(arrival, str(context["session_id"]), sent_at, times)
    oldest = clocks.earliest_believed(_first_received_at(arrival), says_when_sent=sent_at is not None)
    believed = not times or any(at + shift.events >= oldest for at in times)
    begun = drafts.build_session(context, shift, DATES[0] if believed or arrival.timeless else oldest, unknown)
    session = tidy_session(begun, arrival, limits.ahead_ms)
    events: list[wire.Event] = []
    verdicts = []
    bad_raws: list[bytes] = []
    by_seq: dict[int, wire.Event] = {}
    for index, draft in enumerate(event_drafts):
        if isinstance(draft, MalformedEvent):
            verdicts.append(wire.Verdict(index, "invalid", str(draft), drafts.read_seq(raws[index])))
            bad_raws.append(raws[index])
            continue
        event = draft.event(arrival, shift.events, limits, oldest)
        if draft.seq > limits.session_events:
            verdicts.append(wire.Verdict(index, "filtered", "session_too_long", draft.seq))
        elif by_seq.setdefault(event.seq, event) is not event and by_seq[event.seq] == event:
            verdicts.append(wire.Verdict(index, "duplicate", "repeated in this beacon", event.seq))
        else:
            events.append(event)
            unknown.update(draft.unknown)
    dead = None
    if bad_raws:
        dead = b'{"session":' + bytes(envelope.session) + b',"events":[' + b",".join(bad_raws) + b"]}"
    return JudgedBeacon(session, events, sent_at, _count(len(events), verdicts), verdicts, dead, dict(unknown))


def _open_envelope(body: bytes, limits: Limits) -> wire.Envelope:
    """The beacon's parts as bytes; raises `Refused` for what is not a beacon."""
    try:
        envelope = drafts.read_envelope(body)
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


def _count(accepted: int, verdicts: list[wire.Verdict]) -> wire.Counts:
    outcomes = [verdict.outcome for verdict in verdicts]
    return wire.Counts(
        received=accepted + len(outcomes),
        accepted=accepted,
        duplicate=outcomes.count("duplicate"),
        invalid=outcomes.count("invalid"),
        filtered=outcomes.count("filtered"),
    )


def withdraw(judged: JudgedBeacon, outcome: Literal["duplicate", "filtered"], reason: str) -> JudgedBeacon:
    """The same beacon with another outcome for all events that would be accepted, such as `filtered`."""
    counts = judged.counts
    judged_bad = {verdict.index for verdict in judged.verdicts}
    places = [index for index in range(counts.received) if index not in judged_bad]
    added = [wire.Verdict(i, outcome, reason, event.seq) for i, event in zip(places, judged.events, strict=True)]
    verdicts = sorted([*judged.verdicts, *added], key=lambda verdict: verdict.index)
    return JudgedBeacon(judged.session, [], judged.sent_at, _count(0, verdicts), verdicts, judged.dead)


def _read_sent_at(raw: msgspec.Raw, unknown: Counter[str]) -> int | None:
    raw_bytes = bytes(raw)
    if raw_bytes in (b"", b"null"):
        return None
    try:
        sent_at = fields.instant(_ANYTHING(raw_bytes))
    except UNREADABLE:
        sent_at = None
    if sent_at is None:
        unknown["sent_at"] += 1
    return sent_at


def _first_received_at(arrival: Arrival) -> int:
    """When the beacon first arrived, epoch ms; of a replayed letter its original arrival."""
    return arrival.first_at or arrival.received_at
