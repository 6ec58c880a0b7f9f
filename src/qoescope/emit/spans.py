"""Spans: what a player did, in order: a state, how long it lasted, and the event that ended it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STATES = ("idle", "starting", "playing", "stalled", "seeking", "resuming", "paused")
IDLE, STARTING, PLAYING, STALLED, SEEKING, RESUMING, PAUSED = range(7)
EVENTS = (
    "playback_request", "playback_start", "playback_stall", "playback_pause", "playback_finish", "playback_fail",
    "rendition_update", "player_resize", "ad_break_start", "ad_break_end", "seek_start", "seek_end", "heartbeat",
    "error", "cdn_change", "visibility_change",
)  # fmt: skip
(REQUEST, START, STALL, PAUSE, FINISH, FAIL, RENDITION, RESIZE, AD_START, AD_END, SEEK_START, SEEK_END, HEARTBEAT,
 ERROR, CDN_CHANGE, VISIBILITY) = range(16)  # fmt: skip

CODES = (
    "", "finished", "exited", "MANIFEST_TIMEOUT", "DRM_LICENCE_ERROR", "SEGMENT_NOT_FOUND", "DECODER_INIT",
    "NOT_ENTITLED", "GEO_BLOCKED", "STREAM_LIMIT", "NETWORK_LOST", "DECODER_CRASH", "OUT_OF_MEMORY",
    "DRM_LICENCE_TIMEOUT", "TLS_CERT_EXPIRED", "CDN_UNREACHABLE", "SEGMENT_RETRY", "APP_CRASH",
)  # fmt: skip
"""Reasons of a finish and codes of errors."""
CODE = {name: i for i, name in enumerate(CODES)}
BUSINESS = ("NOT_ENTITLED", "GEO_BLOCKED", "STREAM_LIMIT")

COLUMNS: dict[str, type[np.generic]] = {
    "state": np.uint8, "event": np.uint8, "ms": np.int64, "ad": np.bool_, "hidden": np.bool_, "rung": np.int8,
    "next_rung": np.int8, "dropped": np.int32, "code": np.int16, "jump_ms": np.int64, "next_cdn": np.int8,
}  # fmt: skip
"""What a span holds. `rung` is a place in the ladder plus 1, 0 unknown; `next_cdn` is a CDN
plus 1; `jump_ms` is how far a seek went."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Timeline:
    """The spans of some sessions, each session's in a row and in order."""

    first: Rows
    """Where each session's spans begin; one more entry than sessions."""
    session: Rows
    end_ms: Rows
    """When each span ended, from the press of play."""
    columns: dict[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def sessions(self) -> int:
        """How many."""
        return len(self.first) - 1

    @property
    def length_ms(self) -> Rows:
        """How long each session lasted, by the press of play."""
        return self.end_ms[self.first[1:] - 1]

    def total(self, values: NDArray[Any]) -> Rows:
        """The sum of a value of the spans by session."""
        running = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
        return running[self.first[1:]] - running[self.first[:-1]]

    def part(self, begin: int, end: int) -> "Timeline":
        """The sessions from one place to another."""
        a, b = int(self.first[begin]), int(self.first[end])
        columns = {name: values[a:b] for name, values in self.columns.items()}
        return Timeline(self.first[begin : end + 1] - a, self.session[a:b] - begin, self.end_ms[a:b], columns)

    def dropped_by(self, span: Rows, at_ms: Rows) -> Rows:
        """Frames that a span has dropped by a time within it: evenly spread, in whole frames."""
        length, dropped = self["ms"][span], self["dropped"][span]
        since = at_ms - (self.end_ms[span] - length)
        return np.where(length > 0, dropped.astype(np.int64) * since // np.maximum(length, 1), dropped)

    def left_by(self, at_ms: Rows) -> "Timeline":
        """The same, but who still watches at this time of their session leaves then, and says so.

        Who waits for the first frame is left as they are: to leave then would be another kind of end.
        """
        begins, at = self.end_ms - self["ms"], at_ms[self.session]
        last = (begins < at) & (at < self.end_ms) & ~np.isin(self["state"], (IDLE, STARTING))
        leaves = np.zeros(self.sessions, dtype=bool)
        leaves[self.session[last]] = True
        kept = ~leaves[self.session] | (begins < at)
        changed = {
            "ms": np.where(last, at - begins, self["ms"]),
            "dropped": self.dropped_by(np.arange(len(last)), np.where(last, at, self.end_ms)).astype(np.int32),
            "event": np.where(last, FINISH, self["event"]).astype(np.uint8),
            "code": np.where(last, CODE["exited"], self["code"]).astype(np.int16),
            **{
                name: np.where(last, 0, self[name]).astype(COLUMNS[name])
                for name in ("next_rung", "jump_ms", "next_cdn")
            },
        }
        columns = {name: values[kept] for name, values in (self.columns | changed).items()}
        session = self.session[kept]
        first = np.searchsorted(session, np.arange(self.sessions + 1))
        return Timeline(first, session, np.where(last, at, self.end_ms)[kept], columns)


class Recorder:
    """Takes down spans of many sessions as they happen, and puts each session's in a row."""

    def __init__(self, sessions: int) -> None:
        self._count = np.zeros(sessions, dtype=np.int64)
        self._notes: list[tuple[Rows, Rows, dict[str, Any]]] = []

    def note(self, who: Rows, **values: Any) -> None:  # noqa: ANN401 - a number for all of them, or an array
        """One more span for each of these sessions (each named once); what is not given is 0."""
        if len(who):
            self._notes.append((who, self._count[who], values))
            self._count[who] += 1

    def timeline(self) -> Timeline:
        """What was taken down."""
        first = np.concatenate([[0], np.cumsum(self._count)])
        columns = {name: np.zeros(first[-1], dtype=kind) for name, kind in COLUMNS.items()}
        for who, order, values in self._notes:
            place = first[who] + order
            for name, value in values.items():
                columns[name][place] = value
        session = np.repeat(np.arange(len(self._count)), self._count)
        running = np.cumsum(columns["ms"])
        before = running[first[:-1]] - columns["ms"][first[:-1]] if len(session) else running
        return Timeline(first, session, running - np.repeat(before, self._count), columns)
