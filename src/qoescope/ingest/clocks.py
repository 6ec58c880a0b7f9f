"""How far a device's clock is off, and when its events happened by the collector's clock.

A beacon says when it was sent by the device's clock, and the collector knows when it arrived: the difference is the
clock's error plus the time in transit. Above a minute it counts as an error. A session's clock is measured once, so
that its beacons agree: a later difference means that a beacon was delayed or sent again; a smaller one means that
the clock has been set right since.
"""

from collections.abc import Iterable
from typing import NamedTuple

from qoescope.catalog.bounds import DAY_MS

TOLERATED_MS = 60_000
"""A clock that is less off counts as right: transit takes time, too."""
LONGEST_UNDATED_QUEUE_MS = 7 * DAY_MS
"""The age that is believed of events whose beacon does not say when it was sent."""
LONGEST_QUEUE_MS = 365 * DAY_MS
"""The age that is believed of events whose beacon says when it was sent."""


class Shift(NamedTuple):
    """What is added to a device's times to get the collector's, in ms."""

    events: int = 0
    start: int = 0
    """For the session's start, which may have been read before the clock was set."""


NO_SHIFT = Shift()


def measure_offset(heard_at: int, sent_at: int | None, times: Iterable[int]) -> int | None:
    """How far the device's clock is behind, in ms; 0 within the tolerance, None when it cannot be measured.

    `sent_at` is ignored when it lies before the events that the beacon carries.
    """
    if sent_at is None or max(times, default=sent_at) > sent_at + TOLERATED_MS:
        return None
    behind = heard_at - sent_at
    return behind if abs(behind) > TOLERATED_MS else 0


class Clocks:
    """The offsets of the newest `most` sessions, as first measured; one that was evicted is measured again."""

    __slots__ = ("_known", "most")

    def __init__(self, most: int = 65_536) -> None:
        self.most = most
        self._known: dict[tuple[str, str], int] = {}

    def is_right(self, property_id: str, session_id: str) -> bool:
        """Whether the session's clock, which is right now, was right from the first."""
        known = self._known.get((property_id, session_id))
        if known is None:
            self.shift(property_id, session_id, 0)
        return not known

    def shift(self, property_id: str, session_id: str, behind: int | None) -> Shift:
        """What to add to the times of a beacon of the session, whose offset was measured as `behind`."""
        session = (property_id, session_id)
        known = self._known.get(session)
        if behind is None:
            return NO_SHIFT if known is None else Shift(known, known)
        if known is None:
            self._known[session] = known = behind
            if len(self._known) > self.most:
                del self._known[next(iter(self._known))]
        was_set = behind < known - TOLERATED_MS
        return Shift(behind if was_set else known, known)


def earliest_believed(heard_at: int, says_when_sent: bool) -> int:
    """The earliest time that is believed of a beacon that first arrived at `heard_at`; both in epoch ms."""
    return heard_at - (LONGEST_QUEUE_MS if says_when_sent else LONGEST_UNDATED_QUEUE_MS)


def believed_time(at: int | None, shift: int, now: int, ahead_ms: int, oldest: int) -> int:
    """When an event happened by the collector's clock; `now` where its own time cannot be right."""
    if at is None:
        return now
    return at + shift if oldest <= at + shift <= now + ahead_ms else now
