"""Open sessions: what the lake holds of sessions that have not been measured since they last spoke.

A mark says that a batch put events of a session into the lake, how many, and when the first and the last of them were
received. That is all the state there is, about sixty bytes a session.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Condition

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.compile import versions
from qoescope.compile.duck import answered, naive

MARKS = pa.schema(
    [
        pa.field("property", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("bucket", pa.int64()),
        pa.field("first_received_at", pa.timestamp("us", "UTC")),
        pa.field("last_received_at", pa.timestamp("us", "UTC")),
        pa.field("events", pa.int64()),
    ]
)
FOLLOWED = MARKS.append(pa.field("marked", pa.float64()))
"""Marks, and when by our own clock the last one came."""


@dataclass(frozen=True, slots=True)
class Floor:
    """From where marks are found again in the lake after a start, whatever was open."""

    closed_until: datetime
    """Each event received before it is in its session's row."""
    open_since: datetime
    """No session that is open has an event from before this time that is not in its row."""


def marks(rows: pa.Table) -> pa.Table:
    """The marks of stored events or reports."""
    if not len(rows):
        return MARKS.empty_table()
    named = rows.select(["property", "session_id", "bucket", "received_at"])
    return _utc(answered(_MARKS_SQL, named=naive(named)), MARKS)


_MARKS_SQL = """
select property, session_id, bucket, min(received_at) as first_received_at, max(received_at) as last_received_at,
  count(*) as events
from named group by property, session_id, bucket"""


def stale(identities: pa.Table, rows: pa.Table) -> pa.Table:
    """Marks of the sessions whose row, if any, counts other events than are there.

    `identities` has (property, session_id, seq, bucket, received_at) of all events of a part of the lake.
    """
    known = versions.latest(rows).select(["property", "session_id", "event_count"])
    return _utc(answered(_STALE_SQL, named=naive(identities), known=known), MARKS)


_STALE_SQL = f"""
with counted as (select property, session_id, count(distinct seq) as n from named group by all),
stale as (
  select property, session_id from counted left join known using (property, session_id)
  where coalesce(event_count, -1) <> n
)
{_MARKS_SQL.replace("from named", "from named semi join stale using (property, session_id)")}"""


class OpenSessions:
    """The marks that no fold has seen yet. One thread measures; any may mark.

    A session is due once it has been silent for the gap by the door's clock, as far as the log is read, and was not
    marked in the last `calm` by our own: with doors whose clocks differ a session may seem silent while it speaks.
    """

    def __init__(self, gap: timedelta, calm: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap, self._calm, self._clock = gap, calm.total_seconds(), clock
        self._changed = Condition()
        self._known, self._new = FOLLOWED.empty_table(), list[pa.Table]()
        self._complete_until: datetime | None = None
        self._restored = False

    def __len__(self) -> int:
        """How many sessions are open, about: marks of the last seconds may be of the same one."""
        with self._changed:
            return sum(map(len, (self._known, *self._new)))

    @property
    def restored(self) -> bool:
        """Whether what was open before the start is known."""
        return self._restored

    def restore(self, found: Sequence[pa.Table], complete_until: datetime | None) -> None:
        """Takes up the marks found in the lake; call it before the first batch of the log."""
        for marked in found:
            self.mark(marked)
        self.advance(complete_until)
        with self._changed:
            self._restored = True

    def mark(self, marked: pa.Table) -> None:
        """Sessions of which a batch put events into the lake (`MARKS`); call it before the batch is booked."""
        if not len(marked):
            return
        now = pa.array(np.full(len(marked), self._clock(), np.float64))
        with self._changed:
            self._new.append(marked.cast(MARKS).append_column(FOLLOWED.field("marked"), now))
            self._changed.notify_all()

    def advance(self, complete_until: datetime | None) -> None:
        """Everything received before then is in the lake."""
        with self._changed:
            if complete_until and (self._complete_until is None or complete_until > self._complete_until):
                self._complete_until = complete_until
                self._changed.notify_all()

    def floor(self) -> Floor | None:
        """To be written in the transaction that books a batch, after its marks; None when nothing is known yet."""
        with self._changed:
            if not self._restored:
                raise RuntimeError("what was open before the start is not known yet: restore it first")
            parts = [part for part in (self._known, *self._new) if len(part)]
            until = self._complete_until
        if parts:
            return Floor(*(min(pc.min(part[name]).as_py() for part in parts) for name in _TIMES))
        return Floor(until, until) if until else None

    def due(self, most: int | None = None) -> pa.Table:
        """Sessions to measure now (`MARKS`), at most so many; give them to `forget` when their rows are written."""
        with self._changed:
            known, new, until = self._known, list(self._new), self._complete_until
        if new:
            known = _utc(answered(_FOLLOWED_SQL, marked=naive(pa.concat_tables([known, *new]))), FOLLOWED)
            with self._changed:
                self._known, self._new = known, self._new[len(new) :]
        if until is None:
            return MARKS.empty_table()
        silent = pc.less_equal(known["last_received_at"], pa.scalar(until - self._gap, known["last_received_at"].type))
        calm = pc.less_equal(known["marked"], self._clock() - self._calm)
        return known.filter(pc.and_(silent, calm)).select(MARKS.names)[:most]

    def forget(self, measured: pa.Table) -> None:
        """These are in their sessions' rows; what was marked since they were due stays."""
        kept = versions.without(self._known, measured)
        with self._changed:
            self._known = kept

    def wait(self, timeout_s: float) -> bool:
        """Whether a session may be due before this time is over; the log's ticks let it look again."""
        with self._changed:
            return self._changed.wait_for(self._may_be_due, timeout_s)

    def _may_be_due(self) -> bool:
        parts = [part for part in (self._known, *self._new) if len(part)]
        if self._complete_until is None or not parts:
            return False
        return min(pc.min(part["last_received_at"]).as_py() for part in parts) <= self._complete_until - self._gap


_TIMES = ("last_received_at", "first_received_at")

_FOLLOWED_SQL = """
select property, session_id, bucket, min(first_received_at) as first_received_at,
  max(last_received_at) as last_received_at, cast(sum(events) as bigint) as events, max(marked) as marked
from marked group by property, session_id, bucket"""


def _utc(rows: pa.Table, like: pa.Schema) -> pa.Table:
    return rows.cast(like).combine_chunks()
