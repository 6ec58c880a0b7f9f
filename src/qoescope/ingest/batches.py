"""Batches: several beacons in one body, as a JSON array or one a line. A broken one costs itself alone."""

import msgspec

from qoescope.compile import wire
from qoescope.ingest import judge, texts
from qoescope.ingest.bodies import Refused
from qoescope.ingest.context import Arrival
from qoescope.ingest.drafts import ENVELOPE, LONGEST_REASON, UNREADABLE
from qoescope.ingest.judge import Judged
from qoescope.ingest.limits import Limits

MOST_BEACONS = 1_000
_BEFORE = b"\xef\xbb\xbf \t\r\n"
"""What may stand before JSON."""
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw]).decode


def parts(body: bytes) -> list[bytes] | None:
    """The beacons of the body; None when it is a single one, or none. Raises `Refused`."""
    head = body[:1] if body[:1] in (b"{", b"[") else body.lstrip(_BEFORE)[:1]
    if head == b"[":
        return _within(_elements(body.lstrip(_BEFORE)), body)
    return _within(_lines(body), body) if head == b"{" and b"\n" in body else None


def judged(found: list[bytes], arrival: Arrival, limits: Limits) -> list[Judged]:
    """The verdict on each beacon; one that cannot be read is one invalid event."""
    return [_judged(part, arrival, limits) for part in found]


def _judged(part: bytes, arrival: Arrival, limits: Limits) -> Judged:
    try:
        return judge.judged(part, arrival, limits)
    except Refused as refused:
        verdict = wire.Verdict(0, "invalid", refused.error)
        return Judged(None, [], None, wire.Counts(1, invalid=1), [verdict], part)


def _within(found: list[bytes] | None, body: bytes) -> list[bytes] | None:
    if found is not None and len(found) > MOST_BEACONS:
        raise Refused(413, f"more than {MOST_BEACONS} beacons", body)
    return found


def _elements(body: bytes) -> list[bytes]:
    """The elements of an array, mended where it has to be."""
    try:
        found = _ARRAY(body)
    except UNREADABLE as error:
        again = texts.mended(body)
        if again is None:
            raise Refused(400, f"not JSON: {error}"[:LONGEST_REASON], body) from error
        found = _ARRAY(again)
    if not found:
        raise Refused(400, "not a beacon: an array of none", body)
    return [bytes(element) for element in found]


def _lines(body: bytes) -> list[bytes] | None:
    """The lines, if there are several and one at least is a beacon by itself: else it is one that has line breaks."""
    found = [line for text in body.lstrip(_BEFORE).split(b"\n") if (line := text.strip())]
    return found if len(found) > 1 and any(map(_is_beacon, found)) else None


def _is_beacon(line: bytes) -> bool:
    if line[:1] != b"{" or line[-1:] != b"}":
        return False
    try:
        return bool(memoryview(ENVELOPE(line).session).nbytes)
    except UNREADABLE:
        return False
