"""Limits on one request, one key and one process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qoescope.ingest.requests import Request


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a beacon and its parts may be; the names are the settings'."""

    body_bytes: int = 1024 * 1024
    inflated_bytes: int = 4 * 1024 * 1024
    inflated_ratio: int = 100
    beacon_events: int = 2_000
    session_events: int = 20_000
    event_bytes: int = 32 * 1024
    text_bytes: int = 4 * 1024
    object_keys: int = 64
    nesting: int = 32
    ahead_ms: int = 300_000


class KeyBudget:
    """A token bucket of events and bytes for one key. The caller passes the time in."""

    __slots__ = (
        "_at",
        "_bytes",
        "_events",
        "bytes_a_second",
        "events_a_second",
        "most_bytes",
        "most_events",
    )

    def __init__(self, events_a_second: float, bytes_a_second: float, burst_s: float, now_s: float) -> None:
        self.events_a_second, self.bytes_a_second = events_a_second, bytes_a_second
        self.most_events, self.most_bytes = events_a_second * burst_s, bytes_a_second * burst_s
        self._events, self._bytes, self._at = self.most_events, self.most_bytes, now_s

    def wait_s(self, events: int, size: int, now_s: float) -> float:
        """Seconds until so much can be taken; 0 when it can be now. More than the burst needs a full bucket."""
        passed = max(0.0, now_s - self._at)
        self._at = max(now_s, self._at)
        self._events = min(self.most_events, self._events + passed * self.events_a_second)
        self._bytes = min(self.most_bytes, self._bytes + passed * self.bytes_a_second)
        events_short = min(events, self.most_events) - self._events
        bytes_short = min(size, self.most_bytes) - self._bytes
        return max(0.0, events_short / self.events_a_second, bytes_short / self.bytes_a_second)

    def take(self, events: int, size: int, now_s: float) -> float:
        """Takes all of it and returns 0, or takes nothing and returns the seconds to wait."""
        wait_s = self.wait_s(events, size, now_s)
        if wait_s == 0.0:
            self.owe(events, size)
        return wait_s

    def owe(self, events: int, size: int) -> None:
        """Takes it even if the bucket goes below zero: the work is done, and delays the next request."""
        self._events -= events
        self._bytes -= size


class InFlight:
    """What one process has received and not answered yet."""

    __slots__ = ("bytes", "coming", "most_bytes", "most_requests", "requests")

    def __init__(self, most_requests: int, most_bytes: int) -> None:
        self.requests, self.bytes = 0, 0
        self.most_requests, self.most_bytes = most_requests, most_bytes
        self.coming: dict[Request, None] = {}
        """Requests whose body has not arrived, the oldest first."""

    @property
    def full(self) -> bool:
        """Whether no more may be accepted; senders that are slow with a body keep nobody out."""
        return self.requests - len(self.coming) >= self.most_requests or self.bytes >= self.most_bytes

    def await_body(self, request: "Request") -> "Request | None":
        """Notes that the request's body is not here yet; returns the request to drop when there are too many."""
        slowest = next(iter(self.coming)) if len(self.coming) >= self.most_requests else None
        if slowest is not None:
            del self.coming[slowest]
        self.coming[request] = None
        return slowest
