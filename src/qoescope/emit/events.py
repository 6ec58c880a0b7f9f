"""Events: what the players of some sessions said, as it was delivered, one row an event, in Arrow."""

# ruff: noqa: PLR2004 - shares and sizes of the simulated world stand where they are drawn

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qoescope.catalog import population as p
from qoescope.catalog.tables import EVENTS as TABLE
from qoescope.compile import arrow
from qoescope.emit import delivery, draws, rows
from qoescope.emit.delivery import BEACON_MS, HEARTBEAT_MS, Delivered
from qoescope.emit.players import content_length_ms, start_position_ms
from qoescope.emit.simulation import Sessions
from qoescope.emit.slices import DIMENSIONS
from qoescope.emit.spans import (
    BUSINESS,
    CDN_CHANGE,
    CODE,
    CODES,
    ERROR,
    EVENTS,
    FAIL,
    FINISH,
    HEARTBEAT,
    IDLE,
    PLAYING,
    RENDITION,
    SEEK_END,
    START,
    STARTING,
    STATES,
    Rows,
    Timeline,
)
from qoescope.emit.viewers import SOFTWARE, Mask

BLOCK = 2_000
"""Sessions whose events are laid out at a time."""
BUCKETS = 16
PROPERTY = "demo"
KBPS, WIDTH, HEIGHT = (np.array([0, *(r[i] for r in p.LADDER)], dtype=np.int64) for i in range(3))
SCREEN = np.array([s.device.screen for s in SOFTWARE], dtype=np.int64)
_IS_BUSINESS = np.isin(np.arange(len(CODES)), [CODE[c] for c in BUSINESS])
TITLE_WORDS = (
    "Harbour",
    "Winter",
    "Signal",
    "Garden",
    "Night",
    "River",
    "Glass",
    "Echo",
    "Summer",
    "Iron",
    "Paper",
    "Silent",
    "Golden",
    "Distant",
    "Falling",
    "Hidden",
)


class Cut:
    """The spans of a block, cut by heartbeats into events."""

    def __init__(self, s: Sessions, d: Delivered, begin: int, end: int) -> None:
        t = s.timeline.part(begin, end)
        span_from = int(s.timeline.first[begin])
        starts = t.end_ms - t["ms"]
        beats = np.where(t["ms"] > 0, np.maximum((t.end_ms - 1) // HEARTBEAT_MS - starts // HEARTBEAT_MS, 0), 0)
        self.timeline = t
        self.span = np.repeat(np.arange(len(t.session)), beats + 1)
        first = np.concatenate([[0], np.cumsum(beats + 1)])
        turn = np.arange(len(self.span)) - first[self.span]
        self.last = turn == beats[self.span]
        self.session = t.session[self.span]
        beat_ms = (starts[self.span] // HEARTBEAT_MS + 1 + turn) * HEARTBEAT_MS
        self.at_ms = np.where(self.last, t.end_ms[self.span], beat_ms)
        self.from_ms = np.where(turn == 0, starts[self.span], beat_ms - HEARTBEAT_MS)
        opens = first[t.first[:-1]]
        self.seq = np.arange(len(self.span)) - opens[self.session] + 1
        self.window = delivery.windows(self.at_ms)
        self._keep(s, d, begin, end, span_from)

    def _keep(self, s: Sessions, d: Delivered, begin: int, end: int, span_from: int) -> None:
        t = self.timeline
        base = np.concatenate([[0], np.cumsum(delivery.windows(t.length_ms) + 1)])
        gone = np.zeros(base[-1] + 1, dtype=bool)
        mine = (d.lost_session >= begin) & (d.lost_session < end)
        gone[base[d.lost_session[mine] - begin] + d.lost_window[mine]] = True
        final = np.zeros(len(t.session), dtype=bool)
        final[t.first[1:] - 1] = d.silent[begin:end]
        keep = np.flatnonzero(~gone[base[self.session] + self.window] & ~(self.last & final[self.span]))
        self.place = np.empty(0, dtype=np.int64)
        self.take(keep)
        self.place = _places(self)

    def take(self, rows_: Rows) -> None:
        """Only these events, in this order."""
        for name in ("span", "last", "session", "at_ms", "from_ms", "seq", "window", "place"):
            if len(getattr(self, name)):
                setattr(self, name, getattr(self, name)[rows_])


def blocks(s: Sessions, device_clocks: bool = False, repeated: bool = True) -> Iterator[pa.Table]:
    """The events of these sessions with what the telemetry did to them, a table for some thousand sessions each.

    `at` is right, as a collector would put it, and only `sent_at` shows a wrong clock; with `device_clocks` both are
    as the device said. Without `repeated`, each event is there once.
    """
    d = delivery.delivered(s)
    for begin in range(0, s.timeline.sessions, BLOCK):
        yield block(s, d, begin, min(begin + BLOCK, s.timeline.sessions), device_clocks, repeated)


def block(s: Sessions, d: Delivered, begin: int, end: int, device_clocks: bool, repeated: bool) -> pa.Table:
    """The events of the sessions from one place to another, in the order in which they were received."""
    cut = Cut(s, d, begin, end)
    sent, received = _in_order_of_receipt(cut, s, begin, end, repeated)
    columns = _told(cut, s, begin) | _context(cut, s, begin, end)
    error = delivery.clock_error_ms(s.viewing.viewer[begin:end])[cut.session]
    started = s.viewing.started_ms[begin:end][cut.session]
    shown = error if device_clocks else np.zeros_like(error)
    columns["at"] = _instants(started + cut.at_ms + shown)
    columns["sent_at"] = _instants(sent + error)
    columns["received_at"] = _instants(received)
    columns["position"] = cut.place
    columns["kafka_offset"] = cut.window
    columns["session_started_at"] = _instants(started + shown)
    columns["session_day"] = pa.array((started // 86_400_000).astype(np.int32), pa.date32())
    columns["bucket"] = (s.viewing.number[begin:end] % BUCKETS)[cut.session]
    names = [f.name for f in TABLE.fields if f.name in columns]
    return pa.table([_column(columns[name]) for name in names], names=names)


def _in_order_of_receipt(cut: Cut, s: Sessions, begin: int, end: int, repeated: bool) -> tuple[Rows, Rows]:
    """Puts the events in the order in which they came, repeats among them; when each was sent and received."""
    sent, arrived, again = _travel(cut, s, begin, end)
    repeats = np.flatnonzero((again > 0) & repeated)
    received = np.concatenate([arrived, again[repeats]])
    order = np.argsort(received, kind="stable")
    source = np.concatenate([np.arange(len(arrived)), repeats])[order]
    cut.take(source)
    return sent[source], received[order]


def _column(values: pa.Array | NDArray[np.generic]) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values)


def _instants(ms: Rows) -> pa.Array:
    return pa.array(ms * 1000, pa.timestamp("us", tz="UTC"))


def _some(values: NDArray[np.generic], known: Mask) -> pa.Array:
    return pa.array(values, mask=~known)


def _words(words: tuple[str, ...] | list[str], codes: NDArray[np.integer], known: Mask | None = None) -> pa.Array:
    index = pa.array(codes.astype(np.int32), mask=None if known is None else ~known)
    return pa.DictionaryArray.from_arrays(index, pa.array(words, pa.string()))


def _told(cut: Cut, s: Sessions, begin: int) -> dict[str, pa.Array | NDArray[np.generic]]:
    """What the events say."""
    t, span, last = cut.timeline, cut.span, cut.last
    state, ad = t["state"][span], t["ad"][span]
    event = np.where(last, t["event"][span], HEARTBEAT)
    rung, code = t["rung"][span], t["code"][span]
    sized = rung > 0
    screen = SCREEN[s.viewing.software[begin : begin + t.sessions]][cut.session]
    failed = np.isin(event, (FAIL, ERROR))
    leaves = last & (state == STARTING) & np.isin(event, (START, FINISH, FAIL))
    next_rung, next_cdn = t["next_rung"][span], t["next_cdn"][span]
    cdn, cdn_known = _served(t, s.viewing.cdn[begin : begin + t.sessions])
    playhead = _playhead(cut, s, begin)
    return {
        "seq": cut.seq,
        "type": _words(EVENTS, event),
        "state": _words(STATES, state),
        "state_ms": cut.at_ms - cut.from_ms,
        "ad": ad,
        "hidden": t["hidden"][span],
        "rate": np.ones(len(span)),
        "bitrate_kbps": _some(KBPS[rung], sized),
        "width": _some(WIDTH[rung], sized),
        "height": _some(HEIGHT[rung], sized),
        "player_width": _some(screen[:, 0], sized),
        "player_height": _some(screen[:, 1], sized),
        "event_cdn": _words(p.CDNS, cdn[span], cdn_known[span] & sized),
        "dropped_frames": t.dropped_by(span, cut.at_ms) - t.dropped_by(span, cut.from_ms),
        "playhead_ms": _some(playhead, ~np.isin(state, (IDLE, STARTING))),
        "startup_ms": _some(cut.at_ms, leaves),
        "next_bitrate_kbps": _some(KBPS[next_rung], event == RENDITION),
        "next_cdn": _words(p.CDNS, np.maximum(next_cdn, 1) - 1, event == CDN_CHANGE),
        "error_code": _words(CODES, code, failed),
        "error_class": _words(("technical", "business"), _IS_BUSINESS[code].astype(np.int8), failed),
        "reason": _words(CODES, code, event == FINISH),
    }


def _served(t: Timeline, cdn: Rows) -> tuple[Rows, Mask]:
    """The CDN that served each span: the last one changed to, else the session's first."""
    place = np.arange(len(t.session))
    changed = np.where(t["event"] == CDN_CHANGE, place, -1)
    before = np.concatenate([[-1], np.maximum.accumulate(changed)[:-1]]) if len(place) else changed
    mine = before >= t.first[t.session]
    served = np.where(mine, t["next_cdn"][np.maximum(before, 0)].astype(np.int64) - 1, cdn[t.session])
    return served, np.ones(len(place), dtype=bool)


def _playhead(cut: Cut, s: Sessions, begin: int) -> Rows:
    """Content position at each event: where it began, plus content played, plus jumps of seeks."""
    t = cut.timeline
    content = (t["state"] == PLAYING) & ~t["ad"]
    moved = np.where(content, t["ms"], 0) + np.where(t["event"] == SEEK_END, t["jump_ms"], 0)
    running = np.cumsum(moved)
    before = running - moved
    origin = start_position_ms(s.viewing)[begin : begin + t.sessions].astype(np.int64)
    base = before - before[t.first[:-1]][t.session] + origin[t.session]
    inside = np.where(content[cut.span], cut.at_ms - (t.end_ms - t["ms"])[cut.span], 0)
    jumped = np.where(cut.last & (t["event"] == SEEK_END)[cut.span], t["jump_ms"][cut.span], 0)
    return base[cut.span] + inside + jumped


def _context(cut: Cut, s: Sessions, begin: int, end: int) -> dict[str, pa.Array | NDArray[np.generic]]:
    """What is true of the whole session, on each of its events."""
    v = s.viewing.take(np.arange(begin, end))
    here = cut.session.astype(np.int32)
    index: dict[str, pa.Array] = {}
    columns: dict[str, pa.Array | NDArray[np.generic]] = {}
    for name, (array, values) in DIMENSIONS.items():
        if array not in index:
            index[array] = pa.array(getattr(v, array).astype(np.int32)[here])
        columns[name] = pa.DictionaryArray.from_arrays(index[array], pa.array(values, pa.string()))
    columns["content_title"] = pa.DictionaryArray.from_arrays(index["content"], pa.array(titles(), pa.string()))
    columns["content_series"] = pa.DictionaryArray.from_arrays(index["content"], pa.array(series(), pa.string()))
    session = pa.array(here)
    columns["session_id"] = pa.DictionaryArray.from_arrays(session, rows.session_ids(v))
    columns["viewer_id"] = pa.DictionaryArray.from_arrays(session, rows.viewer_ids(v))
    length = content_length_ms(v.content)
    columns["content_duration_ms"] = _some(np.where(v.live, 0, length).astype(np.int64)[here], ~v.live[here])
    nothing = np.zeros(len(here), dtype=np.int8)
    columns["property"] = _words((PROPERTY,), nothing)
    columns["source"] = _words(("simulator",), nothing)
    return columns


def titles() -> list[str]:
    """A name for each content, by its number."""
    n = len(TITLE_WORDS)
    names = [f"{TITLE_WORDS[i % n]} {TITLE_WORDS[(i // n + i) % n]}" for i in range(p.TITLES + 1)]
    return [
        f"Channel {i - p.TITLES + p.LIVE_TITLES}" if i > p.TITLES - p.LIVE_TITLES else f"{name} {i}"
        for i, name in enumerate(names)
    ]


def series() -> list[str]:
    """The series that each content belongs to; films and channels have none."""
    whole = p.TITLES - p.LIVE_TITLES
    return [
        "unknown" if i > whole or i % 10 < 3 else f"{TITLE_WORDS[(i // 10) % len(TITLE_WORDS)]} stories {i // 10}"
        for i in range(p.TITLES + 1)
    ]


def _travel(cut: Cut, s: Sessions, begin: int, end: int) -> tuple[Rows, Rows, Rows]:
    """When each event's beacon was sent and received, and received again (0: once only); absolute ms."""
    v = s.viewing
    key = v.key[begin:end][cut.session] + cut.window.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    word = draws.bits(key, 80)
    started = v.started_ms[begin:end][cut.session]
    leaves = np.minimum(cut.window * BEACON_MS, cut.timeline.length_ms[cut.session])
    _, off, on = delivery.delays(s)
    off, on = off[begin:end][cut.session], on[begin:end][cut.session]
    leaves = np.where((leaves >= off) & (leaves < on) & (cut.window > 0), on, leaves).astype(np.int64)
    late = (30 + 120 * draws.EXPONENTIAL[draws.part(word, 0)]).astype(np.int64)
    again = draws.UNIT16[draws.part(word, 1)] < delivery.TWICE
    later = late + 1_000 + (4_000 * draws.EXPONENTIAL[draws.part(word, 2)]).astype(np.int64)
    sent = started + leaves
    return sent, sent + late, np.where(again, sent + later, 0)


def _places(cut: Cut) -> Rows:
    """Each event's place in its beacon."""
    n = len(cut.span)
    new = np.ones(n, dtype=bool)
    new[1:] = (cut.session[1:] != cut.session[:-1]) | (cut.window[1:] != cut.window[:-1])
    return np.arange(n) - np.maximum.accumulate(np.where(new, np.arange(n), 0))


def plain(table: pa.Table) -> pa.Table:
    """The table exactly as the catalog declares `events`, with texts written out."""
    return arrow.conform(table, TABLE)
