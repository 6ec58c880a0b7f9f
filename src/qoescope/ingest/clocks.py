"""Clocks: how far a device's is off, and when its events happened by ours.

A beacon says by the device's clock when it was sent, and ours says when it came: the difference is the clock's error,
plus the way. Beyond a minute it is an error. A session's clock is judged once, so that its beacons agree: one that
comes later than that, by the same clock, was under way for long or is sent again; one that comes earlier was sent after
the clock had been set right.
"""

from collections.abc import Iterable
from typing import NamedTuple

from qoescope.catalog.bounds import DAY_MS

TOLERATED_MS = 60_000
"""A clock that is less off is right: the way takes time, too."""
BELIEVED_MS = 7 * DAY_MS
"""Of a sender that does not say when it sent: an older event was told by a wrong clock, not kept in a queue, and would
only be late."""
LONGEST_QUEUE_MS = 365 * DAY_MS
"""Of a sender that says it."""


class Shift(NamedTuple):
    """What is added to a device's times to have ours, in ms."""

    events: int = 0
    start: int = 0
    """To the session's start, which may have been told by the clock before it was set."""


NONE = Shift()


def measured(heard_at: int, sent_at: int | None, times: Iterable[int]) -> int | None:
    """How far the device's clock is behind; 0 when within what is tolerated, None when nothing tells.

    A time of sending before the events that it sends is none.
    """
    if sent_at is None or max(times, default=sent_at) > sent_at + TOLERATED_MS:
        return None
    behind = heard_at - sent_at
    return behind if abs(behind) > TOLERATED_MS else 0


class Clocks:
    """The newest `most` sessions' clocks as they were first told. What it forgets is measured again."""

    __slots__ = ("_known", "most")

    def __init__(self, most: int = 65_536) -> None:
        self.most = most
        self._known: dict[tuple[str, str], int] = {}

    def is_right(self, property_id: str, session_id: str) -> bool:
        """Whether a session's clock that is right now was right from the first."""
        known = self._known.get((property_id, session_id))
        if known is None:
            self.shift(property_id, session_id, 0)
        return not known

    def shift(self, property_id: str, session_id: str, behind: int | None) -> Shift:
        """What to add to this beacon's times, of which `behind` was measured."""
        session = (property_id, session_id)
        known = self._known.get(session)
        if behind is None:
            return NONE if known is None else Shift(known, known)
        if known is None:
            self._known[session] = known = behind
            if len(self._known) > self.most:
                del self._known[next(iter(self._known))]
        was_set = behind < known - TOLERATED_MS
        return Shift(behind if was_set else known, known)


def oldest(heard_at: int, says_when_sent: bool) -> int:
    """The earliest time that is believed of a beacon that was first heard then."""
    return heard_at - (LONGEST_QUEUE_MS if says_when_sent else BELIEVED_MS)


def placed(at: int | None, shift: int, now: int, ahead_ms: int, oldest: int) -> int:
    """When an event happened by our clock; `now` where that cannot be believed."""
    if at is None:
        return now
    return at + shift if oldest <= at + shift <= now + ahead_ms else now
