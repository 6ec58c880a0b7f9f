"""Folds a part of a day again from all of its events; unchanged sessions keep their version."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.compile import versions


@dataclass(frozen=True, slots=True)
class RestatedBucket:
    """A bucket of a day after its restatement."""

    rows: pa.Table
    """All of its session rows, one a session."""
    changed: int
    """Sessions that were added, removed or changed."""
    squashed: int
    """Older versions that were dropped."""
    events: int


def restate_bucket(events: pa.Table, before: pa.Table, now: datetime, silent_since: datetime | None) -> RestatedBucket:
    """The part's session rows, folded again.

    Sessions with an event received after `silent_since` are open and stay as they are; None when nothing streams.
    Imported sessions have no events, and stay.
    """
    last = versions.latest(before)
    open_ids = _open_sessions(events, silent_since)
    closed = versions.exclude_sessions(events, open_ids)
    new = versions.versions(closed, last, now)
    kept = versions.exclude_sessions(last, new)
    imported = pc.equal(kept["source"], "import")
    gone = versions.exclude_sessions(versions.exclude_sessions(kept.filter(pc.invert(imported)), closed), open_ids)
    kept = versions.exclude_sessions(kept, gone)
    rows = pa.concat_tables([new, kept])
    return RestatedBucket(rows, len(new) + len(gone), len(before) - len(last), len(events))


def _open_sessions(events: pa.Table, since: datetime | None) -> pa.Table:
    arrivals = (
        events.slice(0, 0) if since is None else events.filter(pc.greater(events["received_at"], pa.scalar(since)))
    )
    return arrivals.select(list(versions.KEY))
