"""Changes of state that only a later report tells of: put where the playhead and `msd` say that they were."""

from collections.abc import Sequence
from dataclasses import replace

from qoescope.sources.cmcd.order import Report
from qoescope.sources.cmcd.reading import RecordReading

_STOPS = ("a", "r", "w", "e", "q", "f")
_GOES_ON = ("a", "r", "w", "f")
_AT_ONCE = (None, "ps")
"""Media requests, and reports of a change as it happens: their time is the change's."""


def placed(records: Sequence[Report], startup_ms: int | None, *, live: bool, after: int | None = None) -> list[Report]:
    """The records of one press, and before each report that finds another state one of when it changed.

    A report in an interval tells what is, not since when. Frames began `msd` after the press, or as long before the
    report as the playhead has moved since; they stopped where the playhead stands still. Where neither is known, the
    change is the report's. `after` is when the press before was heard of last, where there was one: what follows it
    began at its beginning.
    """
    placer = _Placer(startup_ms, live=live)
    if after is not None:
        placer.begin(records[0], after)
    for record in records:
        placer.add(record)
    return placer.records


class _Placer:
    """Takes records in order."""

    def __init__(self, startup_ms: int | None, *, live: bool) -> None:
        self.records: list[Report] = []
        self._startup_ms = startup_ms
        self._live = live
        self._state: str | None = None
        self._since = 0
        self._base: tuple[int, int] | None = None
        """When and where the playhead was last seen in this state."""

    def begin(self, record: Report, after: int) -> None:
        """Frames of a new press, if its first report in an interval has them: as long ago as its playhead is far."""
        playhead, rate = record.reading.numbers.get("pt"), record.reading.rate
        if self._live or not playhead or rate == 0 or record.state != "p" or record.event in _AT_ONCE:
            return
        at = record.at - round(playhead / (1 if rate is None else rate))
        if at >= after:
            reading = RecordReading(record.reading.version, {"pt": 0}, rate=rate)
            self._take(replace(record, reading=reading, at=at, event="ps"))

    def add(self, record: Report) -> None:
        state = record.state
        if state is not None and self.records and record.event not in _AT_ONCE:
            if self._state == "s" and state in ("p", *_STOPS):
                self._start(record)
            if self._state == "p" and state in _STOPS:
                self._stop(record)
            elif self._state in _GOES_ON and state == "p":
                self._go_on(record)
        self._take(record)

    def _start(self, record: Report) -> None:
        moved = self._moved(record)
        if self._startup_ms is not None:
            self._insert(record, "p", self._since + self._startup_ms, self._base and self._base[1])
        elif moved:
            self._insert(record, "p", record.at - moved, self._base and self._base[1])

    def _stop(self, record: Report) -> None:
        moved = self._moved(record)
        if moved is not None and self._base is not None and record.state is not None:
            self._insert(record, record.state, self._base[0] + moved, record.reading.numbers.get("pt"))

    def _go_on(self, record: Report) -> None:
        moved = self._moved(record)
        if moved and self._base is not None:
            self._insert(record, "p", record.at - moved, self._base[1])

    def _moved(self, record: Report) -> int | None:
        """How long frames moved since the playhead was last seen; None where it cannot be told."""
        there, rate = record.reading.numbers.get("pt"), self.records[-1].reading.rate
        if self._live or there is None or self._base is None or rate == 0:
            return None
        at, here = self._base
        moved = round((there - here) / (1 if rate is None else rate))
        return moved if 0 <= moved <= record.at - at else None

    def _insert(self, record: Report, state: str, at: int, playhead: int | None) -> None:
        """A report of the change, unless it was no sooner than the record; what held before it holds."""
        last = self.records[-1]
        at = max(at, last.at)
        if at >= record.at:
            return
        reading = RecordReading(record.reading.version, rate=last.reading.rate)
        if playhead is not None and not self._live:
            reading.numbers["pt"] = playhead
        if "bg" in last.reading.flags:
            reading.flags["bg"] = last.reading.flags["bg"]
        if state == "f" and "ec" in record.reading.names:
            reading.names["ec"] = record.reading.names["ec"]
        self._take(replace(record, reading=reading, at=at, event="ps", state=state))

    def _take(self, record: Report) -> None:
        playhead = record.reading.numbers.get("pt")
        if record.state is not None and record.state != self._state:
            self._state, self._since, self._base = record.state, record.at, None
        if playhead is not None:
            self._base = (record.at, playhead)
        self.records.append(record)
