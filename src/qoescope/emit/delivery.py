"""Delivery: the telemetry's own trouble. What is lost, comes twice, comes late, and from which clock."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoescope.emit import draws
from qoescope.emit.draws import Floats
from qoescope.emit.simulation import Sessions
from qoescope.emit.spans import CODE, FAIL, FINISH, Rows, Timeline
from qoescope.emit.viewers import SOFTWARE, Mask

HEARTBEAT_MS = 10_000
BEACON_MS = 20_000
"""A beacon is sent at every other heartbeat, with what happened since the last one, and at the end. The first, with the
press of play alone, is sent at once and repeated until it is answered, so that it is never lost."""
LOST = 0.019
"""Beacons that never arrive."""
TWICE = 0.04
"""Beacons that arrive a second time: the answer was lost, not the beacon."""
OFFLINE = 0.015
"""Sessions that lose their connection to the collector for a while and send all of it afterwards."""
WRONG_CLOCKS = ((0.004, 3_600_000), (0.003, -3_600_000), (0.002, -365 * 86_400_000), (0.0007, 365 * 86_400_000))
"""Devices whose clock is wrong: share, by how many ms."""
SILENT_ENDS = np.array(
    [{"web": 0.09, "mobile": 0.06, "tablet": 0.05}.get(s.device.device_type, 0.03) for s in SOFTWARE]
)
"""Of viewers who leave, how many do it without a word: the tab is closed, the plug is pulled."""


@dataclass(frozen=True)
class Delivered:
    """What of each span arrived: how much of its time and dropped frames, and whether the event that ended it did."""

    ms: Rows
    dropped: Rows
    ended: Mask
    lost_session: Rows
    lost_window: Rows
    """Beacons that were lost, by session and place in the session."""
    silent: Mask
    """Sessions whose last event was never sent."""


def windows(end_ms: Rows) -> Rows:
    """The number of the beacon that an event at this time travels in: 0 is the press of play."""
    return -(-end_ms // BEACON_MS)


def delivered(s: Sessions) -> Delivered:
    """What arrived of these sessions, before anything is folded."""
    t = s.timeline
    silent = _silent(s)
    session, window = _lost(s, silent)
    span, begin, end, ended = _pieces(t, session, window)
    last = t.first[1:][silent] - 1
    ends = t.end_ms[last]
    begins = np.maximum(ends - t["ms"][last], np.maximum((ends - 1) // HEARTBEAT_MS, 0) * HEARTBEAT_MS)
    span, begin, end = np.concatenate([span, last]), np.concatenate([begin, begins]), np.concatenate([end, ends])
    ended = np.concatenate([ended, np.ones(len(last), dtype=bool)])
    total = len(t.session)
    gone_ms = np.bincount(span, weights=end - begin, minlength=total).astype(np.int64)
    gone_frames = t.dropped_by(span, end) - t.dropped_by(span, begin)
    gone_dropped = np.bincount(span, weights=gone_frames, minlength=total).astype(np.int64)
    arrived = np.ones(total, dtype=bool)
    arrived[span[ended]] = False
    return Delivered(t["ms"] - gone_ms, t["dropped"] - gone_dropped, arrived, session, window, silent)


def _silent(s: Sessions) -> Mask:
    t = s.timeline
    last = t.first[1:] - 1
    exits = (t["event"][last] == FINISH) & (t["code"][last] == CODE["exited"])
    ends = np.isin(t["event"][last], (FINISH, FAIL))
    return (exits & (draws.uniform(s.viewing.key, 60) < SILENT_ENDS[s.viewing.software])) | (
        ends & s.injected.silent_end
    )


def _lost(s: Sessions, silent: Mask) -> tuple[Rows, Rows]:
    """Lost beacons, by skipping ahead from one to the next."""
    last = windows(s.timeline.length_ms)
    rows, at = np.arange(len(last)), np.zeros(len(last), dtype=np.int64)
    sessions, found, turn = [], [], 0
    while len(rows):
        u = draws.uniform(s.viewing.key[rows], 20_000 + turn)
        at = at + 1 + np.floor(np.log1p(-u) / np.log1p(-LOST)).astype(np.int64)
        keep = at <= last[rows] - silent[rows]
        rows, at, turn = rows[keep], at[keep], turn + 1
        sessions.append(rows)
        found.append(at)
    return np.concatenate(sessions), np.concatenate(found)


def _pieces(t: Timeline, session: Rows, window: Rows) -> tuple[Rows, Rows, Rows, Mask]:
    """The parts of spans that lie in these beacons: span, from, to, and whether the span's last event is among it."""
    big = np.int64(1) << 40
    place = t.session * big + t.end_ms
    low = (window - 1) * BEACON_MS
    high = np.minimum(window * BEACON_MS, t.length_ms[session])
    begin = np.searchsorted(place, session * big + low, side="right")
    whole = np.searchsorted(place, session * big + high, side="right")
    following = np.minimum(whole, len(place) - 1)
    partly = (
        (t.session[following] == session) & (t.end_ms[following] - t["ms"][following] < high) & (whole < len(place))
    )
    count = whole - begin + partly
    piece = np.repeat(np.arange(len(session)), count)
    span = np.repeat(begin - np.concatenate([[0], np.cumsum(count)[:-1]]) if len(count) else begin, count) + np.arange(
        len(piece)
    )
    starts = t.end_ms[span] - t["ms"][span]
    ended = span < whole[piece]
    return span, np.maximum(starts, low[piece]), np.minimum(t.end_ms[span], high[piece]), ended


def clock_error_ms(viewer: Rows) -> Rows:
    """By how much each viewer's device is wrong about the time."""
    u = draws.uniform(draws.keys(0, 9, viewer), 1)
    error = np.zeros(len(u), dtype=np.int64)
    below = 0.0
    for share, ms in WRONG_CLOCKS:
        error[(u >= below) & (u < below + share)] = ms
        below += share
    return error


def delays(s: Sessions) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Sessions that are offline for a while, from when to when (ms from the press of play; never: beyond its end)."""
    off = draws.uniform(s.viewing.key, 61) < OFFLINE
    length = s.timeline.length_ms.astype(np.float64)
    begin = np.where(off, length * draws.uniform(s.viewing.key, 62), np.inf)
    return np.flatnonzero(off), begin, begin + 15_000 + 105_000 * draws.uniform(s.viewing.key, 63)
