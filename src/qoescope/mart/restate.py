"""Restatements: a part of a day measured again from all of its events; what is the same stays as it is."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.compile import versions


@dataclass(frozen=True, slots=True)
class Part:
    """A bucket of a day after its restatement."""

    rows: pa.Table
    """All of its session rows, one a session: rows of the lake's sessions."""
    changed: int
    """Sessions that came, went or changed."""
    squashed: int
    """Older versions that are left out."""
    events: int


def restated(events: pa.Table, before: pa.Table, now: datetime, silent_since: datetime | None) -> Part:
    """The part's session rows.

    `silent_since`: sessions with an event received later are open and stay as they are; None when nothing streams.
    Imported sessions have no events, and stay.
    """
    last = versions.latest(before)
    open_ids = _heard_since(events, silent_since)
    closed = versions.without(events, open_ids)
    new = versions.versions(closed, last, now)
    kept = versions.without(last, new)
    imported = pc.equal(kept["source"], "import")
    gone = versions.without(versions.without(kept.filter(pc.invert(imported)), closed), open_ids)
    kept = versions.without(kept, gone)
    rows = pa.concat_tables([new, kept])
    return Part(rows, len(new) + len(gone), len(before) - len(last), len(events))


def _heard_since(events: pa.Table, since: datetime | None) -> pa.Table:
    heard = events.slice(0, 0) if since is None else events.filter(pc.greater(events["received_at"], pa.scalar(since)))
    return heard.select(list(versions.KEY))
