"""Events: each accepted identity once in the lake, the first one; repeats, conflicts and late ones are told apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qoescope.catalog.bounds import DAY_MS
from qoescope.catalog.events import IN_TABLES
from qoescope.catalog.operations import QUARANTINE
from qoescope.compile import arrow, tallies
from qoescope.compile.duck import answered, naive

IDENTITY = ("property", "session_id", "seq")
PLACE = ("kafka_partition", "kafka_offset", "position")
SAID = tuple(column for name, column in IN_TABLES.items() if name not in ("seq", "at"))
"""What two events of one identity must say alike to be repeats; not `at`, which the door may have adjusted."""
KNOWN = (*IDENTITY, *PLACE, *SAID)
"""What must be known of a stored event to judge another one of its identity."""

NEW, OWN, LATE, REPEAT, CONFLICT = range(5)
"""An event's fate; `OWN` was written by an earlier try of the same batch."""

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a batch of events."""

    fresh: pa.Table
    """New rows of `events`."""
    held: pa.Table
    """Events of this batch that `events` holds once it is written: more than `fresh` when the batch comes again."""
    late: pa.Table
    conflicts: pa.Table
    """Rows of `quarantine`: an identity that is there with another body."""
    counts: pa.Table
    """(property, minute_at, lake, late, quarantined, accepted, duplicate): what to add to the books."""


def hashes(rows: pa.Table) -> Hashes:
    """One number an identity; equal identities have equal ones, also in another process with this DuckDB."""
    return both_hashes(rows)[0] if len(rows) else np.array([], np.uint64)


def both_hashes(rows: pa.Table) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """The same, and one number a session alike."""
    found = answered(_HASHES, given=rows.select(list(IDENTITY)))
    identities, sessions = (np.asarray(found[name].to_numpy(), dtype=np.uint64) for name in ("h", "s"))
    return identities, sessions.view(np.int64)


_HASHES = "select hash(property, session_id, seq) as h, hash(property, session_id) as s from given"


def suspects(
    events: pa.Table, mine: Hashes, buckets: Sequence[int], stored: Sequence[Hashes]
) -> tuple[list[bool], pa.Table]:
    """For each stored file whether it may hold one of the events, and the events that may be in one of them.

    A file is given by its bucket and the hashes of its identities, in order; `mine` are the events'. False alarms are
    rare and do no harm.
    """
    places = events["bucket"].to_numpy()
    wanted = {bucket: np.unique(mine[places == bucket]) for bucket in np.unique(places)}
    met = [np.array([], np.uint64)]
    files = []
    for bucket, one in zip(buckets, stored, strict=True):
        sought = wanted.get(bucket, met[0])
        there = one.take(one.searchsorted(sought), mode="clip") == sought if len(one) else np.zeros(len(sought), bool)
        files.append(bool(there.any()))
        if files[-1]:
            met.append(sought[there])
    return files, events.filter(pa.array(np.isin(mine, np.concatenate(met))))


def judged(events: pa.Table, mine: Hashes, known: pa.Table, late_after_days: int) -> Judged:
    """Each event's fate. `known` holds stored rows of these identities (columns `KNOWN`); more rows do no harm.

    `mine` are the events' hashes. A late one is kept aside, unless it repeats what is stored: in this batch or before,
    so that a batch which comes again is judged alike.
    """
    received_ms, at_ms = (events[n].cast(pa.int64()).to_numpy() // 1000 for n in ("received_at", "at"))
    late = received_ms - at_ms > late_after_days * DAY_MS
    verdict = np.where(late, LATE, NEW)
    if (doubtful := _doubtful(mine, hashes(known))).any():
        ids = naive(events.select([*KNOWN, "at", "received_at"]))
        ids = ids.append_column("row", pa.array(np.arange(len(events)))).append_column("late", pa.array(late))
        told = answered(_VERDICTS, ids=ids.filter(pa.array(doubtful)), known=known.select(list(KNOWN)))
        verdict[told["row"].to_numpy()] = told["verdict"].to_numpy()
    own, aside, conflict = (events.filter(pa.array(verdict == fate)) for fate in (OWN, LATE, CONFLICT))
    new = verdict == NEW
    fresh = events if new.all() else events.filter(pa.array(new))
    reasons = pa.repeat(pa.scalar("conflict"), len(conflict))
    return Judged(
        fresh,
        pa.concat_tables([fresh, own]) if len(own) else fresh,
        aside,
        arrow.conform(conflict.append_column("reason_kept", reasons), QUARANTINE),
        _counts(events, verdict),
    )


def _doubtful(mine: Hashes, known: Hashes) -> npt.NDArray[np.bool_]:
    """Which identities may be there already, or more than once; nearly all are neither."""
    values, times = np.unique(mine, return_counts=True)
    return np.isin(mine, np.append(values[times > 1], known))


_BODY = f"hash({', '.join(SAID)}) as body"

_VERDICTS = f"""
with new as (select *, {_BODY} from ids), old as (select *, {_BODY} from known),
first as (
  select property, session_id, seq, row, late, body from new
  qualify row_number() over (
    partition by property, session_id, seq order by late, kafka_partition, kafka_offset, position) = 1
),
mine as (select distinct {", ".join((*IDENTITY, *PLACE, "body"))} from old),
there as (select property, session_id, seq, any_value(body) as body from old group by property, session_id, seq)
select new.row, case
  when mine.seq is not null then {OWN}
  when there.seq is not null then case when there.body = new.body then {REPEAT} else {CONFLICT} end
  when first.late then {LATE}
  when first.row = new.row then {NEW}
  when first.body = new.body then {REPEAT}
  else {CONFLICT} end as verdict
from new left join mine using ({", ".join((*IDENTITY, *PLACE, "body"))})
left join there on (new.property, new.session_id, new.seq) = (there.property, there.session_id, there.seq)
left join first on (new.property, new.session_id, new.seq) = (first.property, first.session_id, first.seq)
"""


def _counts(events: pa.Table, verdict: npt.NDArray[np.int64]) -> pa.Table:
    """(property, minute_at, lake, late, quarantined, accepted, duplicate) of the verdicts."""
    repeats = (verdict == REPEAT).astype(np.int64)
    counts = {
        "lake": np.isin(verdict, (NEW, OWN)), "late": verdict == LATE, "quarantined": verdict == CONFLICT,
        "accepted": -repeats, "duplicate": repeats,
    }  # fmt: skip
    keys = {"property": events["property"], "minute_at": tallies.minutes(events["received_at"])}
    rows = pa.table(keys | {name: np.asarray(count, np.int64) for name, count in counts.items()})
    summed = rows.group_by(list(keys)).aggregate([(name, "sum") for name in counts])
    return summed.select([*keys, *(f"{name}_sum" for name in counts)]).rename_columns([*keys, *counts])


def kept_counts(unreadable: pa.Table, reports: pa.Table) -> pa.Table:
    """(property, minute_at, quarantined, reports) of what is kept beside the events: it was accepted, too."""
    if not len(unreadable) and not len(reports):
        return pa.table({})
    kept, said = (naive(rows.select(["property", "received_at"])) for rows in (unreadable, reports))
    return answered(_KEPT, unreadable=kept, reports=said)


_KEPT = """
select property, time_bucket(interval '1 minute', received_at) as minute_at, sum(q)::bigint as quarantined,
  sum(r)::bigint as reports
from (select *, 1 as q, 0 as r from unreadable union all select *, 0 as q, 1 as r from reports) group by all
"""
