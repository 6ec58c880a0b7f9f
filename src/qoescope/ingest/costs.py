"""Estimates what parsing a body will cost from its bytes, before anything parses it."""

from qoescope.ingest.bodies import Refused
from qoescope.ingest.limits import Limits

_SEQ, _COMMA = b'"seq"', b","


def count_named_events(body: bytes, limits: Limits) -> int:
    """The number of events that the body names: at least one, at most what one beacon may hold."""
    return max(1, min(limits.beacon_events, body.count(_SEQ)))


def estimate_events(body: bytes, limits: Limits) -> int:
    """The cost of parsing the body, in events: those that it names, or more where it holds other values."""
    return max(1, body.count(_SEQ), body.count(_COMMA) // limits.object_keys)


def refuse_crowded(body: bytes, limits: Limits) -> None:
    """Raises `Refused` for more values than the largest beacon holds: each costs much more than its bytes."""
    most = limits.beacon_events * limits.object_keys
    if body.count(_COMMA) > most:
        raise Refused(413, f"more than {most} values", body)


def most_inflated(body: bytes, limits: Limits) -> int:
    """The most bytes that may have been decompressed before a body was refused."""
    return min(limits.inflated_bytes, limits.inflated_ratio * len(body))
