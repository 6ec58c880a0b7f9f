"""What CMCD tells as running totals or long after: stalls, dropped frames and errors, each once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from qoescope.catalog.bounds import MOST_STALLS_TOLD
from qoescope.sources.cmcd.order import Report

Source = Literal["states", "bsd", "bsda", "bs"]
_SAME_FLAG_MS = 2000
"""Flags within this time of each other are one."""
SAME_ERROR_MS = 2000
"""An error that another target hears of within this time is the same one."""
Way = tuple[str, str]


@dataclass(slots=True)
class Counters:
    """Differences of running totals in the records of one session, from one of its ways only."""

    source: Source = "states"
    """The best source of stalls that the session has; never two."""
    ways: dict[str, Way] = field(default_factory=dict)
    """Key → the first way (mode, target) by which it came: others tell the same again."""
    totals: dict[str, int] = field(default_factory=dict)
    flagged_at: int | None = None
    last_reports: dict[str | None, tuple[int, Way]] = field(default_factory=dict)
    """Error code → when and by which way it was told last."""
    reported: dict[tuple[Way, str | None], int] = field(default_factory=dict)
    """When each way last sent each kind of report."""

    def dropped(self, record: Report) -> int:
        """Frames dropped since the last record that told."""
        total = record.reading.numbers.get("dfa")
        return 0 if total is None or not self._first_way("dfa", record) else self._difference("dfa", total)

    def stalls(self, record: Report) -> list[int]:
        """Lengths of the stalls that ended before this record and that no state told; 0 where only a count is known."""
        lists = record.reading.lists
        if self.source == "bsd" and "bsd" in lists and self._first_way("bsd", record):
            return lengths(lists["bsd"])[:MOST_STALLS_TOLD]
        if self.source == "bsda" and ("bsda" in lists or "bsa" in lists) and self._first_way("bsda", record):
            return self._grown(record)
        if self.source == "bs" and record.reading.flags.get("bs") and self._first_way("bs", record):
            again = self.flagged_at is not None and record.at - self.flagged_at <= _SAME_FLAG_MS
            self.flagged_at = record.at
            return [] if again else [0]
        return []

    def _grown(self, record: Report) -> list[int]:
        """Stalls since the last totals: as many as the count grew, as long as the time grew."""
        time, count = record.reading.one("bsda"), record.reading.one("bsa")
        longer = 0 if time is None else self._difference("bsda", time)
        more = int(longer > 0) if count is None else self._difference("bsa", count)
        stalls = min(max(more, int(longer > 0)), MOST_STALLS_TOLD)
        return [0] * (stalls - 1) + [longer] if stalls else []

    def errors(self, record: Report) -> list[str | None]:
        """Codes that were not told before; None is an error without a code."""
        way = (record.mode, record.target)
        codes: Iterable[str | None] = record.reading.names.get("ec") or ([None] if record.event == "e" else [])
        fresh = [code for code in codes if not self._was_heard(code, record, way)]
        for code in codes:
            self.last_reports[code] = (record.at, way)
        self.reported[way, record.event] = record.at
        return fresh

    def _was_heard(self, code: str | None, record: Report, way: Way) -> bool:
        if code not in self.last_reports:
            return False
        at, by = self.last_reports[code]
        if record.event == "e":
            return by != way and record.at - at <= SAME_ERROR_MS
        return at >= self.reported.get((way, record.event), at)

    def _first_way(self, key: str, record: Report) -> bool:
        way = (record.mode, record.target)
        return self.ways.setdefault(key, way) == way

    def _difference(self, key: str, total: int) -> int:
        """How much the total grew; a smaller one began anew."""
        before = self.totals.get(key)
        self.totals[key] = total
        if before is None:
            return 0
        return total - before if total >= before else total


def lengths(stalls: Sequence[tuple[int, str]]) -> list[int]:
    """Lengths of the stalls in a list; audio's only where it stands alone, for both starve together."""
    ours = [length for length, about in stalls if about != "a"]
    return ours or [length for length, _ in stalls]


def counters(records: Sequence[Report]) -> Counters:
    """At the session's beginning; totals count from 0 if that was seen, else from the first that is told.

    `bs` on media requests is no source of stalls: one player also sets it after each seek.
    """
    states = [record.state for record in records if record.state is not None]
    keys = {key for record in records for key in record.reading.lists}
    source: Source = "bs" if any(record.mode == "event" for record in records) else "states"
    if "r" in states or "w" in states:
        source = "states"
    elif "bsd" in keys:
        source = "bsd"
    elif keys & {"bsda", "bsa"}:
        source = "bsda"
    from_the_start = bool(states) and states[0] in ("s", "d")
    return Counters(source, totals=dict.fromkeys(("dfa", "bsda", "bsa"), 0) if from_the_start else {})
