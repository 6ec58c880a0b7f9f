"""Open sessions: what the lake holds of sessions that have new events since their row was last computed.

A mark says that a batch stored events of a session, how many, and when the first and the last were received. Marks
are the only state, about sixty bytes a session.
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
from qoescope.compile.duck import query_arrow, without_zone

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
"""Marks, and when the last one was made, by our own monotonic clock."""


@dataclass(frozen=True, slots=True)
class RestartPoint:
    """From where a restart has to look for marks in the lake."""

    closed_until: datetime
    """Each event received before is in its session's row."""
    open_since: datetime
    """No open session has an event received before this that is not in its row."""


def marks(rows: pa.Table) -> pa.Table:
    """The marks (`MARKS`) of stored events or reports."""
    if not len(rows):
        return MARKS.empty_table()
    named = rows.select(["property", "session_id", "bucket", "received_at"])
    return _cast(query_arrow(_MARKS_SQL, named=without_zone(named)), MARKS)


_MARKS_SQL = """
select property, session_id, bucket, min(received_at) as first_received_at, max(received_at) as last_received_at,
  count(*) as events
from named group by property, session_id, bucket"""


def stale_marks(identities: pa.Table, rows: pa.Table) -> pa.Table:
    """Marks of the sessions without a row, or whose row counts another number of events than are stored.

    `identities` has (property, session_id, seq, bucket, received_at) of all events of a part of the lake.
    """
    known = versions.latest(rows).select(["property", "session_id", "event_count"])
    return _cast(query_arrow(_STALE_SQL, named=without_zone(identities), known=known), MARKS)


_STALE_SQL = f"""
with counted as (select property, session_id, count(distinct seq) as n from named group by all),
stale as (
  select property, session_id from counted left join known using (property, session_id)
  where coalesce(event_count, -1) <> n
)
{_MARKS_SQL.replace("from named", "from named semi join stale using (property, session_id)")}"""


class OpenSessions:
    """Marks of events that are in no session row yet. One thread folds sessions; any thread may add marks.

    A session is due once it has been silent for `gap` by the collector's clock, as far as the log is read, and was not
    marked within `calm` by our own clock: collectors' clocks may differ.
    """

    def __init__(self, gap: timedelta, calm: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap, self._calm, self._clock = gap, calm.total_seconds(), clock
        self._changed = Condition()
        self._known, self._new = FOLLOWED.empty_table(), list[pa.Table]()
        self._complete_until: datetime | None = None
        self._restored = False

    def __len__(self) -> int:
        """The approximate number of open sessions: recent marks may belong to the same session."""
        with self._changed:
            return sum(map(len, (self._known, *self._new)))

    @property
    def restored(self) -> bool:
        """Whether the sessions that were open before the start are known."""
        return self._restored

    def restore(self, marks: Sequence[pa.Table], complete_until: datetime | None) -> None:
        """Adds the marks found in the lake; call it before the first batch of the log."""
        for marked in marks:
            self.mark(marked)
        self.advance(complete_until)
        with self._changed:
            self._restored = True

    def mark(self, marked: pa.Table) -> None:
        """Adds marks (`MARKS`) of a batch; call it before the batch is booked."""
        if not len(marked):
            return
        now = pa.array(np.full(len(marked), self._clock(), np.float64))
        with self._changed:
            self._new.append(marked.cast(MARKS).append_column(FOLLOWED.field("marked"), now))
            self._changed.notify_all()

    def advance(self, complete_until: datetime | None) -> None:
        """Everything received before `complete_until` is in the lake."""
        with self._changed:
            if complete_until and (self._complete_until is None or complete_until > self._complete_until):
                self._complete_until = complete_until
                self._changed.notify_all()

    def restart_point(self) -> RestartPoint | None:
        """Where a restart must begin, to be stored with a batch, after its marks; None when nothing is known."""
        with self._changed:
            if not self._restored:
                raise RuntimeError("what was open before the start is not known yet: restore it first")
            parts = [part for part in (self._known, *self._new) if len(part)]
            until = self._complete_until
        if parts:
            return RestartPoint(*(min(pc.min(part[name]).as_py() for part in parts) for name in _TIMES))
        return RestartPoint(until, until) if until else None

    def due(self, most: int | None = None) -> pa.Table:
        """Marks of sessions to fold now, at most so many; pass them to `forget` once their rows are written."""
        with self._changed:
            known, new, until = self._known, list(self._new), self._complete_until
        if new:
            known = _cast(query_arrow(_FOLLOWED_SQL, marked=without_zone(pa.concat_tables([known, *new]))), FOLLOWED)
            with self._changed:
                self._known, self._new = known, self._new[len(new) :]
        if until is None:
            return MARKS.empty_table()
        silent = pc.less_equal(known["last_received_at"], pa.scalar(until - self._gap, known["last_received_at"].type))
        calm = pc.less_equal(known["marked"], self._clock() - self._calm)
        return known.filter(pc.and_(silent, calm)).select(MARKS.names)[:most]

    def forget(self, measured: pa.Table) -> None:
        """Removes marks that are in their sessions' rows; marks made since then stay."""
        kept = versions.exclude_sessions(self._known, measured)
        with self._changed:
            self._known = kept

    def wait(self, timeout_s: float) -> bool:
        """Waits until a session may be due; False when none is within `timeout_s`."""
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


def _cast(rows: pa.Table, like: pa.Schema) -> pa.Table:
    return rows.cast(like).combine_chunks()
