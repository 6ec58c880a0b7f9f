"""Several beacons in one body, as a JSON array or one a line. A malformed one is invalid by itself."""

import msgspec

from qoescope.compile import wire
from qoescope.ingest import judge, texts
from qoescope.ingest.bodies import Refused
from qoescope.ingest.context import Arrival
from qoescope.ingest.drafts import ENVELOPE, LONGEST_REASON, UNREADABLE
from qoescope.ingest.judge import JudgedBeacon
from qoescope.ingest.limits import Limits

MOST_BEACONS = 1_000
_PREFIXES = b"\xef\xbb\xbf \t\r\n"
"""Bytes that may precede JSON."""
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw]).decode


def split_batch(body: bytes) -> list[bytes] | None:
    """The beacons of the body; None when it holds a single one, or none. Raises `Refused`."""
    head = body[:1] if body[:1] in (b"{", b"[") else body.lstrip(_PREFIXES)[:1]
    if head == b"[":
        return _limited(_split_array(body.lstrip(_PREFIXES)), body)
    return _limited(_split_lines(body), body) if head == b"{" and b"\n" in body else None


def judge_all(beacons: list[bytes], arrival: Arrival, limits: Limits) -> list[JudgedBeacon]:
    """The verdict on each beacon; one that cannot be read counts as one invalid event."""
    return [_judge_part(part, arrival, limits) for part in beacons]


def _judge_part(part: bytes, arrival: Arrival, limits: Limits) -> JudgedBeacon:
    try:
        return judge.judge_beacon(part, arrival, limits)
    except Refused as refused:
        verdict = wire.Verdict(0, "invalid", refused.error)
        return JudgedBeacon(None, [], None, wire.Counts(1, invalid=1), [verdict], part)


def _limited(beacons: list[bytes] | None, body: bytes) -> list[bytes] | None:
    if beacons is not None and len(beacons) > MOST_BEACONS:
        raise Refused(413, f"more than {MOST_BEACONS} beacons", body)
    return beacons


def _split_array(body: bytes) -> list[bytes]:
    """The elements of a JSON array, repaired where necessary."""
    try:
        beacons = _ARRAY(body)
    except UNREADABLE as error:
        again = texts.repair_json(body)
        if again is None:
            raise Refused(400, f"not JSON: {error}"[:LONGEST_REASON], body) from error
        beacons = _ARRAY(again)
    if not beacons:
        raise Refused(400, "not a beacon: an array of none", body)
    return [bytes(element) for element in beacons]


def _split_lines(body: bytes) -> list[bytes] | None:
    """The lines, if there are several and at least one is a beacon; else None: a beacon with line breaks."""
    beacons = [line for text in body.lstrip(_PREFIXES).split(b"\n") if (line := text.strip())]
    return beacons if len(beacons) > 1 and any(map(_is_beacon, beacons)) else None


def _is_beacon(line: bytes) -> bool:
    if line[:1] != b"{" or line[-1:] != b"}":
        return False
    try:
        return bool(memoryview(ENVELOPE(line).session).nbytes)
    except UNREADABLE:
        return False
