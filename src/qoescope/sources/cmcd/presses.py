"""Presses of play that share one `sid`: where each begins, what was shown in it, and which fatal errors it survived."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from qoescope.sources.cmcd.order import Report

RECOVERY_MS = 60_000
"""A player that renders again within this time of a fatal error has survived it. As long as a session may be silent
before it is told: what was told by then, of an error or of where a press ends, is not changed by what comes later."""
AD_BEGINS, AD_ENDS = ("abs", "as"), ("abe", "ae")
_WAITS = ("k", "r", "w")


@dataclass(slots=True)
class Ads:
    """Whether an ad is on; single ads inside a break end nothing."""

    on: bool = False
    in_break: bool = False

    def take(self, event: str | None) -> bool:
        """Takes an event report's `e`; whether it changed anything."""
        if event in ("as", "ae") and self.in_break:
            return False
        if event in AD_BEGINS and not self.on:
            self.on, self.in_break = True, event == "abs"
            return True
        if event in AD_ENDS and self.on:
            self.on = self.in_break = False
            return True
        return False


@dataclass(slots=True)
class Press:
    """The records of one press of play."""

    records: list[Report] = field(default_factory=list)
    shown: str | None = None
    """`cid` of what was rendered, ads left out."""
    named: list[str | None] = field(default_factory=list)
    """The last `cid` that was named outside ads, record by record."""
    content_shown: bool = False

    @property
    def content_id(self) -> str | None:
        """What was played, or was to be; None where only ads were named."""
        return self.shown or (self.named[-1] if self.named else None)


def presses(records: Iterable[Report], *, by_content: bool = True) -> list[Press]:
    """The records press by press, in order; a fatal error that was survived is marked in its record.

    The next press begins with `s` or `d` outside an ad once content was shown, except where the same content goes on
    after an ad; with the first wait before a `p` that follows an end; and, `by_content`, where other content is shown
    than before.
    """
    splitter = _Splitter(by_content=by_content)
    for record in records:
        splitter.add(record)
    return [press for press in splitter.presses if press.records]


class _Splitter:
    """Takes records in order."""

    def __init__(self, *, by_content: bool) -> None:
        self.presses = [Press()]
        self._by_content = by_content
        self._ads = Ads()
        self._after_ad = False
        self._cid: str | None = None
        self._cid_before: str | None = None
        self._is_renamed = False
        """The last record named other content than those before."""
        self._playing = self._closed = False
        self._failed_at: int | None = None
        self._fatal: list[int] = []
        self._named_from = 0
        """Where the records of this press begin that came without a long silence."""
        self._waits_from: int | None = None
        """Where the first wait since the end lies: there the next press begins, if frames follow."""

    @property
    def _press(self) -> Press:
        return self.presses[-1]

    def add(self, record: Report) -> None:
        starts, records = record.state in ("s", "d"), self._press.records
        if records and record.at - records[-1].at > RECOVERY_MS:  # what was told by then stays so
            self._is_renamed, self._waits_from, self._named_from = False, None, len(records)
            if self._failed_at is not None:
                self._failed_at, self._fatal, self._ads = None, [], Ads()
        record = self._shown_until(record)
        if self._ads.take(record.event):
            self._after_ad = not self._ads.on
        self._name(record)
        if starts and (not self._ads.on or self._failed_at is not None):
            if self._is_next():
                self._ads = Ads() if self._failed_at is not None else self._ads
                self._open(self._before_naming((None,)))
        elif record.state == "p" and self._closed:
            self._render_again(record)
        self._press.records.append(record)
        self._press.named.append(self._cid)
        self._take_state(record)

    def _shown_until(self, record: Report) -> Report:
        """Takes the time before the record, in which something may have been rendered: of which content."""
        records, press = self._press.records, self._press
        if self._is_renamed and record.event in AD_BEGINS:  # what was named is the ad
            self._cid = press.named[-1] = self._cid_before
        if not records or not self._playing or self._ads.on or record.at <= records[-1].at or self._cid is None:
            return record
        if press.shown not in (None, self._cid) and self._by_content and record.state not in ("s", "d"):
            self._open(self._before_naming((None, "p")))
            press = self._press
            if press.records:
                press.records[0] = replace(press.records[0], state="p")
            else:
                record = replace(record, state=record.state or "p")
            press.content_shown = self._playing = True
        press.shown = press.shown or self._cid
        return record

    def _name(self, record: Report) -> None:
        """The record's content, unless it is an ad's."""
        cid = record.reading.texts.get("cid")
        is_ads = self._ads.on or record.event in AD_ENDS
        self._is_renamed = cid is not None and not is_ads and cid != self._cid
        if self._is_renamed:
            self._cid_before, self._cid = self._cid, cid

    @property
    def _is_same(self) -> bool:
        """Whether the content that is named, if any is, may be this press's."""
        return self._cid is None or self._press.shown in (None, self._cid)

    def _is_next(self) -> bool:
        """Whether `s` or `d` begins the next press."""
        return self._closed or (self._press.content_shown and not (self._after_ad and self._is_same))

    def _before_naming(self, states: tuple[str | None, ...]) -> int:
        """Where the records begin, at the end of this press, that name the content that comes, in one of the states."""
        records, shown = self._press.records, self._press.shown
        start = len(records)
        while start > self._named_from and self._cid != shown:
            record = records[start - 1]
            if record.event in (None, *AD_ENDS) or record.reading.texts.get("cid") != self._cid:
                break
            if record.state not in states:
                break
            start -= 1
        return start

    def _render_again(self, record: Report) -> None:
        """Frames after an end: of the same press if it failed just now, else of the next."""
        if self._failed_at is not None and record.at - self._failed_at <= RECOVERY_MS and self._is_same:
            records = self._press.records
            for place in self._fatal:
                records[place] = replace(records[place], recovered=True)
            self._closed, self._failed_at, self._fatal = False, None, []
        elif not self._ads.on:
            waits_from = self._waits_from
            self._open(self._before_naming((None,)) if waits_from is None else waits_from)
            records = self._press.records
            if records and records[0].state in _WAITS:
                records[0] = replace(records[0], state="s")

    def _open(self, start: int) -> None:
        """The next press, with the records from there on."""
        last = self._press
        self.presses.append(Press(last.records[start:], named=last.named[start:]))
        del last.records[start:], last.named[start:]
        self._after_ad = self._playing = self._closed = False
        self._failed_at, self._fatal, self._waits_from, self._named_from = None, [], None, 0

    def _take_state(self, record: Report) -> None:
        state, place = record.state, len(self._press.records) - 1
        if self._closed and self._waits_from is None and (state in _WAITS or record.event in AD_BEGINS):
            self._waits_from = place
        if state is None:
            return
        self._playing = state == "p"
        if state == "p" and not self._ads.on and not self._closed:
            self._press.content_shown, self._after_ad = True, False
        elif state in ("a", "e", "q"):
            self._waits_from = None
        if state == "f":
            self._fatal.append(place)
            self._failed_at = record.at if self._failed_at is not None or not self._closed else None
            self._closed = True
        elif state == "q" or (state == "e" and not self._ads.on):
            self._closed, self._failed_at, self._fatal = True, None, []
            self._ads = Ads()
