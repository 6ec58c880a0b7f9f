"""Estimates what parsing a body will cost from its bytes, before anything parses it."""

from qoescope.catalog.cmcd import MOST_RECORDS
from qoescope.ingest.bodies import Refused
from qoescope.ingest.limits import Limits

_SEQ, _COMMA, _LINE, _OBJECT = b'"seq"', b",", b"\n", b"{"
_JSON = (b"{", b"[")
_RECORD_BYTES, _RECORD_MEMBERS = 1024, 16
"""Size of a large CMCD record; what is larger costs as many events as there could be such records in it."""


def count_named_events(body: bytes, limits: Limits) -> int:
    """The number of events that the body names: at least one, at most what one beacon may hold."""
    return max(1, min(limits.beacon_events, body.count(_SEQ)))


def estimate_events(body: bytes, limits: Limits) -> int:
    """The cost of parsing the body, in events: those that it names, or more where it holds other values."""
    return max(1, body.count(_SEQ), body.count(_COMMA) // limits.object_keys)


def estimate_reports(body: bytes) -> int:
    """The cost of parsing a body of CMCD, in events: its lines or JSON objects, or more where these are large."""
    whole = body.strip()
    records = whole.count(_OBJECT) if whole.startswith(_JSON) else whole.count(_LINE) + 1
    members = whole.count(_COMMA)
    return max(1, min(records, MOST_RECORDS), len(whole) // _RECORD_BYTES, members // _RECORD_MEMBERS)


def refuse_crowded(body: bytes, limits: Limits) -> None:
    """Raises `Refused` for more values than the largest beacon holds: each costs much more than its bytes."""
    most = limits.beacon_events * limits.object_keys
    if body.count(_COMMA) > most:
        raise Refused(413, f"more than {most} values", body)


def most_inflated(body: bytes, limits: Limits) -> int:
    """The most bytes that may have been decompressed before a body was refused."""
    return min(limits.inflated_bytes, limits.inflated_ratio * len(body))
