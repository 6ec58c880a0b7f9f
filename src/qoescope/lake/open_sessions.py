"""Open sessions: what the lake holds of sessions that have not been measured since they last spoke.

A mark says that a batch put events of a session into the lake: a number for the session, its bucket, and when the
first and the last of these events were received. That is all the state there is, some forty bytes a session. Two
sessions of one number are measured together: that costs a look, and loses none.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Condition

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qoescope.compile.duck import answered, naive

MARKS = pa.schema(
    [
        pa.field("session", pa.uint64()),
        pa.field("bucket", pa.int64()),
        pa.field("first_received_at", pa.timestamp("us", "UTC")),
        pa.field("last_received_at", pa.timestamp("us", "UTC")),
    ]
)
NUMBER = "hash(property, session_id)"
"""A session's number, as DuckDB says it; equal in each process that has the same DuckDB."""
_STATE = np.dtype(
    [("session", "u8"), ("bucket", "i8"), ("first", "i8"), ("last", "i8"), ("marked", "f8"), ("turn", "i8")]
)
State = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Floor:
    """From where marks are found again in the lake after a start, whatever was open."""

    closed_until: datetime
    """Each event received before it is in its session's row."""
    open_since: datetime
    """No session with a later event has one from before this time that is not in its row."""


def marks(rows: pa.Table) -> pa.Table:
    """The marks of stored events or reports."""
    if not len(rows):
        return MARKS.empty_table()
    named = rows.select(["property", "session_id", "bucket", "received_at"])
    return answered(_MARKS_SQL, named=naive(named)).cast(MARKS)


_MARKS_SQL = f"""
select {NUMBER} as session, cast(bucket as bigint) as bucket, min(received_at) as first_received_at,
  max(received_at) as last_received_at
from named group by all"""


class OpenSessions:
    """The marks that no fold has seen yet. Any thread may call it.

    A session is due once it has been silent for the gap by the door's clock, as far as the log is read, and was not
    marked in the last `calm` by our own: with doors whose clocks differ a session may seem silent while it speaks.
    """

    def __init__(self, gap: timedelta, calm: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap, self._calm, self._clock = gap, calm.total_seconds(), clock
        self._changed = Condition()
        self._state: State = np.empty(0, _STATE)
        self._turn = 0
        self._complete_until: datetime | None = None
        self._restored = False

    def __len__(self) -> int:
        """How many sessions are open."""
        with self._changed:
            return len(self._state)

    @property
    def restored(self) -> bool:
        """Whether what was open before the start is known."""
        return self._restored

    def restore(self, found: pa.Table, complete_until: datetime | None) -> None:
        """Takes up the marks found in the lake; call it before the first batch of the log."""
        self.mark(found)
        self.advance(complete_until)
        with self._changed:
            self._restored = True
            self._changed.notify_all()

    def mark(self, marked: pa.Table) -> None:
        """Sessions of which a batch put events into the lake (`MARKS`); call it before the batch is booked."""
        if not len(marked):
            return
        with self._changed:
            self._turn += 1
            self._state = _merged(self._state, _rows(marked, self._clock(), self._turn))
            self._changed.notify_all()

    def advance(self, complete_until: datetime | None) -> None:
        """Everything received before then is in the lake."""
        if complete_until is None:
            return
        with self._changed:
            if self._complete_until is None or complete_until > self._complete_until:
                self._complete_until = complete_until
                self._changed.notify_all()

    @property
    def complete_until(self) -> datetime | None:
        """Everything received before then is in the lake."""
        return self._complete_until

    def floor(self) -> Floor | None:
        """To be written in the transaction that books a batch, after its marks; None when nothing is known yet."""
        with self._changed:
            if not self._restored:
                raise RuntimeError("what was open before the start is not known yet: restore it first")
            if len(self._state):
                return Floor(_moment(self._state["last"].min()), _moment(self._state["first"].min()))
            return Floor(self._complete_until, self._complete_until) if self._complete_until else None

    def due(self, most: int | None = None) -> State:
        """Sessions to measure now, by bucket, at most so many; give them to `forget` when their rows are written."""
        with self._changed:
            ready = self._state[self._ready()]
        return ready[np.argsort(ready["bucket"], kind="stable")][:most]

    def forget(self, measured: State) -> None:
        """These are in their sessions' rows; what was marked anew meanwhile stays."""
        if not len(measured):
            return
        ordered = np.sort(measured, order="session")
        with self._changed:
            found = ordered["session"].searchsorted(self._state["session"]).clip(max=len(ordered) - 1)
            same = ordered[found]
            gone = (same["session"] == self._state["session"]) & (same["turn"] == self._state["turn"])
            self._state = self._state[~gone]

    def wait(self, timeout_s: float) -> bool:
        """Whether a session is due before this time is over; the log's ticks let it look again."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._ready().any()), timeout_s)

    def _ready(self) -> npt.NDArray[np.bool_]:
        if self._complete_until is None:
            return np.zeros(len(self._state), bool)
        silent = self._state["last"] <= _us(self._complete_until - self._gap)
        return silent & (self._state["marked"] <= self._clock() - self._calm)


def _rows(marked: pa.Table, now: float, turn: int) -> State:
    """A row for each session, in the order of their numbers."""
    rows = np.empty(len(marked), _STATE)
    rows["session"], rows["bucket"] = marked["session"].to_numpy(), marked["bucket"].to_numpy()
    for name in ("first", "last"):
        rows[name] = marked[f"{name}_received_at"].cast(pa.int64()).to_numpy()
    rows["marked"], rows["turn"] = now, turn
    rows = rows[np.argsort(rows["session"], kind="stable")]
    starts = np.flatnonzero(np.append(True, np.diff(rows["session"].view("i8")) != 0))
    kept = rows[starts]
    kept["first"], kept["last"] = np.minimum.reduceat(rows["first"], starts), np.maximum.reduceat(rows["last"], starts)
    return kept


def _merged(state: State, new: State) -> State:
    at = state["session"].searchsorted(new["session"])
    known = np.zeros(len(new), bool)
    if len(state):
        known = state["session"][at.clip(max=len(state) - 1)] == new["session"]
    state, here = state.copy(), at[known]  # who was given the old one keeps it as it was
    state["first"][here] = np.minimum(state["first"][here], new["first"][known])
    state["last"][here] = np.maximum(state["last"][here], new["last"][known])
    state["marked"][here], state["turn"][here] = new["marked"][known], new["turn"][known]
    return np.insert(state, at[~known], new[~known])


def _us(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _moment(us: int) -> datetime:
    """As far as a date can say it."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=min(max(int(us), _FIRST), _LAST))


_FIRST, _LAST = (_us(datetime(year, 1, 1, tzinfo=UTC)) for year in (1, 9999))
