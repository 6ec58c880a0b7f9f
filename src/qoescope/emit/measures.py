"""Measures: what the fold of the delivered events says of each session, straight from the spans, for speed.

`compile.fold` is the definition; a test holds the two equal, value by value.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from qoescope.catalog import population as p
from qoescope.emit.delivery import Delivered, delivered
from qoescope.emit.simulation import Sessions
from qoescope.emit.spans import (
    BUSINESS,
    CODE,
    FAIL,
    FINISH,
    PAUSED,
    PLAYING,
    RESUMING,
    SEEKING,
    STALL,
    STALLED,
    START,
    STARTING,
    Rows,
)  # fmt: skip
from qoescope.emit.viewers import Mask

HEIGHTS = tuple(sorted({r[2] for r in p.LADDER}))
_KBPS = np.array([0, *(r[0] for r in p.LADDER)])
_HEIGHT = np.array([0, *(HEIGHTS.index(r[2]) for r in p.LADDER)])
_BUSINESS = np.array([CODE[name] for name in BUSINESS])
LONGEST_STARTUP_MS = 300_000


@dataclass(frozen=True)
class Measures:
    """One entry a session; −1 stands for null."""

    startup_ms: Rows
    stall_count: Rows
    stall_ms: Rows
    bitrate_avg_kbps: Rows
    bitrate_kbps_ms: Rows
    bitrate_known_ms: Rows
    main_height: Rows
    dropped_frames: Rows
    session_ms: Rows
    watched_ms: Rows
    is_play: Mask
    exited_before_start: Mask
    start_failed: Mask
    start_refused: Mask
    """Business failures before any frame: a rule did what it should."""
    play_failed: Mask
    timed_out: Mask

    def take(self, rows: Rows | Mask) -> "Measures":
        """Some of the sessions."""
        return Measures(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def measures(s: Sessions) -> Measures:
    """The measures of these sessions, of what was delivered."""
    t, d = s.timeline, delivered(s)
    state, event = t["state"], t["event"]
    believed = t.total(d.ms)
    paused = t.total(np.where(state == PAUSED, d.ms, 0))
    content = (state == PLAYING) & ~t["ad"] & (t["rung"] > 0)
    content_ms = np.where(content, d.ms, 0)
    weighted, known = t.total(content_ms * _KBPS[t["rung"]]), t.total(content_ms)
    failed, code = _closing(s, d)
    shown = np.isin(state, (PLAYING, STALLED, SEEKING, RESUMING)) & ((d.ms > 0) | d.ended)
    is_play = t.total(shown | ((event == START) & d.ended)) > 0
    technical = failed & ~np.isin(code, _BUSINESS)
    finished = t.total((event == FINISH) & d.ended) > 0
    hidden = t.total((state == STARTING) & t["hidden"] & (d.ms > 0)) > 0
    return Measures(
        startup_ms=_startup(s, d, hidden),
        stall_count=t.total((event == STALL) & (state == PLAYING) & d.ended),
        stall_ms=t.total(np.where(state == STALLED, d.ms, 0)),
        bitrate_avg_kbps=np.where(known > 0, (2 * weighted + known) // np.maximum(2 * known, 1), -1),
        bitrate_kbps_ms=weighted,
        bitrate_known_ms=known,
        main_height=_main_height(s, content_ms),
        dropped_frames=t.total(d.dropped),
        session_ms=believed,
        watched_ms=believed - paused,
        is_play=is_play,
        exited_before_start=~is_play & ~failed & ~hidden,
        start_failed=technical & ~is_play,
        start_refused=failed & ~technical & ~is_play,
        play_failed=technical & is_play,
        timed_out=~failed & ~finished,
    )


def _closing(s: Sessions, d: Delivered) -> tuple[Mask, NDArray[np.int16]]:
    t = s.timeline
    last = t.first[1:] - 1
    return (t["event"][last] == FAIL) & d.ended[last], t["code"][last]


def _startup(s: Sessions, d: Delivered, hidden: Mask) -> Rows:
    """The time of the first frame, where the event that tells it came and nothing of it was out of sight."""
    t = s.timeline
    told = np.flatnonzero((t["event"] == START) & (t["state"] == STARTING) & d.ended)
    startup = np.full(t.sessions, -1, dtype=np.int64)
    startup[t.session[told]] = t.end_ms[told]
    return np.where(hidden | (startup > LONGEST_STARTUP_MS), -1, startup)


def _main_height(s: Sessions, content_ms: Rows) -> Rows:
    """The height played longest, the larger of equals; −1 if none."""
    t = s.timeline
    cell = t.session * len(HEIGHTS) + _HEIGHT[t["rung"]]
    by_height = np.bincount(cell, weights=content_ms, minlength=t.sessions * len(HEIGHTS)).reshape(-1, len(HEIGHTS))
    best = len(HEIGHTS) - 1 - np.argmax(by_height[:, ::-1], axis=1)
    return np.where(by_height.max(axis=1) > 0, np.array(HEIGHTS)[best], -1)
