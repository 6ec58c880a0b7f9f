"""What the records that follow soon tell of one: how an ad goes on, and the code of a fatal error."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from qoescope.sources.cmcd.counters import SAME_ERROR_MS
from qoescope.sources.cmcd.order import Report
from qoescope.sources.cmcd.presses import AD_BEGINS, AD_ENDS, RECOVERY_MS


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the records that follow soon tell of one."""

    state: str | None = None
    """The next state."""
    code: str | None = None
    """Of a fatal error: its code, which came in a report of its own."""
    is_fatal: bool = False
    """The record is such a report: its error is the fatal one."""


NOTHING_AHEAD = Ahead()


def aheads(records: Sequence[Report]) -> dict[int, Ahead]:
    """By its place in the records what those after it tell, where that matters."""
    by_place: dict[int, Ahead] = {}
    for place, record in enumerate(records):
        if record.event in AD_BEGINS + AD_ENDS:
            by_place[place] = Ahead(state=_next_state(records, place))
        elif record.state == "f" and (place == 0 or records[place - 1].state != "f"):
            by_place |= _reports_of(records, place)
    return by_place


def _next_state(records: Sequence[Report], place: int) -> str | None:
    for record in islice(records, place + 1, None):
        if record.at - records[place].at > RECOVERY_MS:
            return None
        if record.state is not None:
            return record.state
    return None


def _reports_of(records: Sequence[Report], place: int) -> dict[int, Ahead]:
    """The fatal error at the place, with its code, and the report just before or after it that tells of it, too."""
    fatal = records[place]
    own = fatal.reading.names.get("ec")
    before = records[place - 1] if place else None
    if before is not None and before.event == "e" and fatal.at - before.at <= RECOVERY_MS:
        return {place: NOTHING_AHEAD, place - 1: Ahead(is_fatal=True)}
    for number, record in enumerate(islice(records, place + 1, None), place + 1):
        if record.at - fatal.at > SAME_ERROR_MS or record.state not in (None, "f"):
            break
        codes = record.reading.names.get("ec")
        if record.event == "e" and (own is None or codes is None or codes[0] in own):
            return {place: Ahead(code=codes[0] if codes else None), number: Ahead(is_fatal=True)}
    return {}
