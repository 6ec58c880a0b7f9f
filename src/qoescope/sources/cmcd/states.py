"""One play told by CMCD records → the intervals and points that our own players would have sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from qoescope.catalog.cmcd import Rules
from qoescope.catalog.doors import EVENT_BOUNDS
from qoescope.catalog.events import LONGEST_INTERVAL_MS, TRANSITIONS
from qoescope.sources.cmcd.ahead import NOTHING_AHEAD, Ahead, aheads
from qoescope.sources.cmcd.counters import Counters
from qoescope.sources.cmcd.events import CmcdEvent, Context, cdn_of
from qoescope.sources.cmcd.order import Report
from qoescope.sources.cmcd.presses import AD_BEGINS, AD_ENDS, Ads

PIECE_MS = 30_000
"""Length of the pieces into which an interval is cut that is long but was played."""
_SAME_PLACE = 0.1
"""The playhead may differ from the clock by this share for an interval to be believed."""
_QUIET_MS = 10_000
"""Media requests that change nothing make no event before this time has passed."""
_LONGEST_STATE_MS = EVENT_BOUNDS["state_ms"][1]
_MOVABLE = ("heartbeat", "rendition_update", "player_resize", "cdn_change", "visibility_change", "error")


@dataclass(slots=True)
class Play:
    """The player states of the catalog, driven by records instead of a player."""

    rules: Rules
    context: Context
    counters: Counters
    startup_ms: int | None = None
    """`msd` of this play."""
    events: list[CmcdEvent] = field(default_factory=list)
    state: str | None = None
    started: bool = False
    closed: bool = False
    ad: bool = False
    """An ad break was begun by an event."""
    _ads: Ads = field(default_factory=Ads)
    _fatal: bool = False
    """The last state that was told is a fatal error that was survived."""
    _last_at: int = 0
    _pending: int = 0
    _dropped: int = 0
    _playhead: int | None = None
    _code: str | None = None
    _last_state: str | None = None

    def tell(self, record: Report, context: Ahead) -> None:
        """Takes one record, in the context of those that follow."""
        if self.closed:
            return
        stalls = self.counters.stalls(record)
        self._dropped += self.counters.dropped(record)
        if self.state is not None:
            self._pending = self._since_last(record)
            if record.event is None and not stalls and self._is_quiet(record):
                return
            self._cut(record)
            if stalls and self.state == "playing":
                self._put_stalls(record, stalls)
        before, is_first = len(self.events), self.state is None
        self._point(record, context)
        if record.state is not None:
            self._turn(record, record.state)
            self._last_state = record.state
            self._fatal = record.state == "f"
        if is_first and self._ads.on and not self.closed and self.state is not None:
            self._ad_edge(record, context)
            if record.state == "p":
                self._plays(record)
        if self.state is not None and len(self.events) == before:
            self._emit(record, "heartbeat")
        self.context.take(record, cdn_of(record, self.rules))
        self._playhead = record.reading.numbers.get("pt")
        self._last_at = record.at

    def leave(self, record: Report) -> None:
        """Closed by the next press of play."""
        if self.state is not None and not self.closed:
            self._pending = self._since_last(record)
            self._emit(record, "playback_finish", reason="exited")
            self.closed = True

    def _since_last(self, record: Report) -> int:
        """How long the state lasted: 0 where the clock was set back, and no longer than an event may say."""
        return min(max(0, record.at - self._last_at), _LONGEST_STATE_MS)

    def _is_quiet(self, record: Report) -> bool:
        """A media request soon after the last, from which nothing new holds."""
        after = replace(self.context)
        after.take(record, cdn_of(record, self.rules))
        return record.state in (None, self._last_state) and self._pending < _QUIET_MS and after == self.context

    def _emit(self, record: Report, kind: str, at: int | None = None, **more: str | int | None) -> CmcdEvent:
        """Ends the interval with an event; what follows in the same record lasts 0 ms."""
        playhead = None if self.context.live else record.reading.numbers.get("pt")
        event = CmcdEvent(
            record.row,
            record.calendar + (0 if at is None else at - record.at),
            kind,
            self.state or "idle",
            self._pending,
            self.ad,
            self.context.hidden,
            self.context.rate,
            self.context.bitrate,
            self.context.cdn,
            self._dropped,
            playhead if at is None else None,
            clock_adjusted=record.calendar != record.at,
            **more,  # type: ignore[arg-type]  # names and types are the catalog's
        )
        self._pending = self._dropped = 0
        self.events.append(event)
        return event

    def _go(self, record: Report, kind: str, at: int | None = None, **more: str | int | None) -> None:
        """Emits, and moves to the state that follows."""
        self._emit(record, kind, at, **more)
        self.state = TRANSITIONS.get((self.state or "idle", kind), self.state)

    def _cut(self, record: Report) -> None:
        """A long interval in which the playhead moved along is cut into pieces; another is left to be disbelieved."""
        there = record.reading.numbers.get("pt")
        if self._pending <= LONGEST_INTERVAL_MS or self.state != "playing" or there is None or self._playhead is None:
            return
        whole = self._pending
        if abs(there - self._playhead - whole * self.context.rate) > _SAME_PLACE * whole * self.context.rate:
            return
        for end in range(PIECE_MS, whole, PIECE_MS):
            self._pending = PIECE_MS
            self._emit(record, "heartbeat", at=record.at - whole + end)
        self._pending = whole - (whole - 1) // PIECE_MS * PIECE_MS

    def _put_stalls(self, record: Report, lengths: Sequence[int]) -> None:
        """Stalls that were told after they ended, at the end of the time played before their record, back to back."""
        length = sum(lengths)
        inside = min(length, self._pending)
        played, missing, place = self._pending - inside, length - inside, len(self.events)
        while missing and place:  # the interval before is too short: other records cut it
            earlier = self.events[place - 1]
            if earlier.state != "playing" or earlier.type not in _MOVABLE:
                break
            taken = min(missing, earlier.state_ms)
            played = earlier.state_ms - taken
            earlier.state, earlier.state_ms = "stalled", taken
            place, missing = place - 1, missing - taken
        if place == len(self.events):
            self._pending = played
            self._emit(record, "playback_stall", at=record.at - inside)
        else:
            first = self.events[place]
            begin = replace(_BLANK, row=first.row, at=first.at - first.state_ms, state_ms=played)
            for name in ("ad", "hidden", "rate", "bitrate_kbps", "event_cdn", "clock_adjusted"):
                setattr(begin, name, getattr(first, name))
            self.events.insert(place, begin)
        self.state, self._pending = "stalled", inside
        self._go(record, "playback_start", at=record.at)
        for _ in lengths[1:]:  # the first took all of the time
            self._go(record, "playback_stall", at=record.at)
            self._go(record, "playback_start", at=record.at)

    def _point(self, record: Report, context: Ahead) -> None:
        """What the record tells beside the state."""
        errors = self.counters.errors(record)
        codes = record.reading.names.get("ec")
        if record.state != "f":
            self._code = codes[-1] if codes else self._code
        else:
            self._code = codes[0] if codes else context.code or self._code
        if record.recovered and not self._fatal:
            self._emit(record, "error", error_code=self._code, error_class=self._class(self._code))
        elif self.state is not None and not context.is_fatal and (record.state != "f" or self._fatal):
            for code in errors:
                if code is not None or record.state != "f":
                    self._emit(record, "error", error_code=code, error_class=self._class(code))
        if record.event in AD_BEGINS + AD_ENDS:
            self._edge(record, context)
        if self.state is None:
            return
        self._moment(record)
        cdn = cdn_of(record, self.rules)
        if record.event is not None and cdn is not None and self.context.cdn not in (None, cdn):
            self._emit(record, "cdn_change", next_cdn=cdn)

    def _moment(self, record: Report) -> None:
        """The event that `e` names, if it changes anything."""
        if record.event == "bc":
            selected = record.reading.one("br")
            if selected is None or selected != self.context.selected:
                self._emit(record, "rendition_update", next_bitrate_kbps=selected)
        elif record.event == "b":
            if record.reading.flags.get("bg", False) != self.context.hidden:
                self._emit(record, "visibility_change")
        elif record.event in ("pe", "pc"):
            self._emit(record, "player_resize")

    def _class(self, code: str | None) -> str:
        return "business" if code in self.rules.business_codes else "technical"

    def _edge(self, record: Report, context: Ahead) -> None:
        """An ad break begins or ends; before the first state that is remembered only."""
        if self._ads.take(record.event) and self.state is not None:
            self._ad_edge(record, context)

    def _ad_edge(self, record: Report, context: Ahead) -> None:
        """The event of it."""
        waits = context.state is not None and context.state in "srwd"
        stitched = self.state == "playing" and record.state is None and not waits
        self._go(record, "ad_break_start" if self._ads.on else "ad_break_end")
        self.ad = self._ads.on
        if stitched:  # nobody says that the picture stood still
            self._go(record, "playback_start")

    def _turn(self, record: Report, sta: str) -> None:
        """The state that the record tells, as a transition of ours."""
        state = self.state
        if record.recovered:
            if state == "playing":
                self._go(record, "playback_stall")
        elif state is None:
            self._begin(record, sta)
        elif sta == "p":
            self._plays(record)
        elif (sta == "s" and state == "idle") or (sta in "rw" and state == "playing"):
            self._go(record, "playback_request" if sta == "s" else "playback_stall")
        elif sta in "rws" and state == "paused":
            self._emit(record, "playback_request")
            self.state = "resuming" if self.started else "starting"
        elif sta == "s" and state in ("playing", "stalled"):  # what comes after an ad is asked for
            self._emit(record, "heartbeat")
            self.state = "resuming"
        elif (sta == "k" and state not in ("idle", "seeking")) or (sta == "a" and state not in ("idle", "paused")):
            self._go(record, "seek_start" if sta == "k" else "playback_pause")
        elif sta in "efq":
            self._end(record, sta)

    def _begin(self, record: Report, sta: str) -> None:
        """The first state that is known; what came before it is not."""
        if sta == "p":
            self._plays(record)
        elif sta == "s":
            self._go(record, "playback_request")
            self.state = "starting"
        elif sta in "efq":
            self._end(record, sta)
        elif sta == "d":
            self.state = "idle"
        elif self.startup_ms is None and sta in "kra":  # else a start is still to come
            self.state = {"k": "seeking", "r": "stalled", "a": "paused"}[sta]
            self.started = True

    def _plays(self, record: Report) -> None:
        """Frames move."""
        startup_ms = self.startup_ms
        if self.state in (None, "idle"):
            if startup_ms is None:
                self._unseen_start(record)
                return
            self._pending = max(0, self._pending - startup_ms)
            self._emit(record, "playback_request", at=record.at - startup_ms)
            self.state, self._pending = "starting", startup_ms
        elif self.state == "paused" and not self.started:
            self._emit(record, "playback_request")
            self.state = "starting"
        if self.state == "starting":
            self._go(record, "playback_start", startup_ms=startup_ms)
        elif self.state == "seeking":
            self._go(record, "seek_end")
        elif self.state != "playing":
            self._go(record, "playback_start")
        self.started = True

    def _unseen_start(self, record: Report) -> None:
        """A play whose start nobody saw: it is playing, and its startup stays unknown."""
        if self.state == "idle":
            self._emit(record, "heartbeat")
        self.state, self.started = "playing", True
        self._emit(record, "heartbeat")

    def _end(self, record: Report, sta: str) -> None:
        if sta == "f":
            self._emit(record, "playback_fail", error_code=self._code, error_class=self._class(self._code))
        else:
            self._emit(record, "playback_finish", reason="finished" if sta == "e" else "exited")
        self.closed = sta != "e" or not self.ad


_BLANK = CmcdEvent(0, 0, "playback_stall", "playing", 0)


def play_events(records: Sequence[Report], play: Play) -> list[CmcdEvent]:
    """The events of one press of play."""
    ahead = aheads(records)
    for place, record in enumerate(records):
        play.tell(record, ahead.get(place, NOTHING_AHEAD))
    return play.events
