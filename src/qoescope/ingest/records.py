"""The Kafka records that the collector writes for one request."""

import base64

import msgspec

from qoescope.catalog.topics import BEACONS_TOPIC, DEAD_LETTERS_TOPIC
from qoescope.compile import wire
from qoescope.ingest.context import Arrival
from qoescope.ingest.judge import JudgedBeacon

DEAD_BODY_BYTES = 4 * 1024 * 1024
"""Bytes of one body that a dead letter keeps."""
_ENCODE = msgspec.json.Encoder().encode


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """One record to send."""

    topic: str
    value: bytes
    key: bytes | None = None


def beacon_records(judged: JudgedBeacon, arrival: Arrival) -> list[Outgoing]:
    """A beacon's record with its counts, and a dead letter of what was not understood."""
    record = wire.Record(
        arrival.property,
        arrival.received_at,
        judged.sent_at,
        judged.counts,
        judged.session,
        judged.events,
        judged.unknown,
    )
    key = judged.session.session_id.encode() if judged.session is not None else None
    records = [Outgoing(BEACONS_TOPIC.name, _ENCODE(record), key)]
    if judged.dead is not None:
        bad = [verdict for verdict in judged.verdicts if verdict.outcome == "invalid"]
        detail = "; ".join(f"{verdict.index}: {verdict.reason}" for verdict in bad[:20])
        records.append(dead_letter(arrival, bad[0].reason, detail, judged.dead, len(bad)))
    return records


def refusal_records(body: bytes, reason: str, arrival: Arrival) -> list[Outgoing]:
    """A body that was refused whole: counted as one received, one invalid; its bytes in a dead letter."""
    record = wire.Record(arrival.property, arrival.received_at, None, wire.Counts(1, invalid=1), None, [])
    return [Outgoing(BEACONS_TOPIC.name, _ENCODE(record)), dead_letter(arrival, reason, "", body, 1)]


def dead_letter(arrival: Arrival, reason: str, detail: str, body: bytes, count: int) -> Outgoing:
    """The dead letter of `count` events, with at most `DEAD_BODY_BYTES` of the body."""
    if len(body) > DEAD_BODY_BYTES:
        body, detail = body[:DEAD_BODY_BYTES], f"cut from {len(body)} bytes; {detail}"
    text = base64.b64encode(body).decode()
    letter = wire.DeadLetter(arrival.property, arrival.received_at, "door", reason, detail, text, count)
    return Outgoing(DEAD_LETTERS_TOPIC.name, _ENCODE(letter), arrival.property.encode())
