"""Finds each event's fate: new, repeated, late, or in conflict with a stored event of the same identity."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qoescope.catalog.bounds import DAY_MS
from qoescope.catalog.events import IN_TABLES
from qoescope.catalog.operations import QUARANTINE
from qoescope.compile import arrow, tallies
from qoescope.compile.duck import query_arrow, without_zone

IDENTITY = ("property", "session_id", "seq")
LOG_POSITION = ("kafka_partition", "kafka_offset", "position")
COMPARED_COLUMNS = tuple(column for name, column in IN_TABLES.items() if name not in ("seq", "at"))
"""Columns in which two events of one identity must agree to be repeats; not `at`, which may be adjusted."""
JUDGING_COLUMNS = (*IDENTITY, *LOG_POSITION, *COMPARED_COLUMNS)
"""Columns of a stored event that are needed to judge another one of its identity."""

NEW, OWN, LATE, REPEAT, CONFLICT = range(5)
"""An event's fate; `OWN` was written by an earlier try of the same batch."""

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class JudgedBatch:
    """The fates of a batch of events."""

    fresh: pa.Table
    """New rows of `events`."""
    stored: pa.Table
    """Events of this batch that `events` holds once it is written: more than `fresh` when a batch is retried."""
    late: pa.Table
    conflicts: pa.Table
    """Rows of `quarantine`: their identity is stored with other content."""
    counts: pa.Table
    """(property, minute_at, lake, late, quarantined, accepted, duplicate): what to add to the books."""


def identity_hashes(rows: pa.Table) -> Hashes:
    """One hash an identity; stable across processes with the same version of DuckDB."""
    return identity_and_session_hashes(rows)[0] if len(rows) else np.array([], np.uint64)


def identity_and_session_hashes(rows: pa.Table) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """(hashes of identities, hashes of sessions), one each a row."""
    matched = query_arrow(_HASHES, given=rows.select(list(IDENTITY)))
    identities, sessions = (np.asarray(matched[name].to_numpy(), dtype=np.uint64) for name in ("h", "s"))
    return identities, sessions.view(np.int64)


_HASHES = "select hash(property, session_id, seq) as h, hash(property, session_id) as s from given"


def find_suspects(
    events: pa.Table, hashes: Hashes, buckets: Sequence[int], stored: Sequence[Hashes]
) -> tuple[list[bool], pa.Table]:
    """(for each stored file whether it may hold one of the events, the events that may be stored).

    A file is given by its bucket and the sorted hashes of its identities; `hashes` are the events'. False positives are
    rare and harmless.
    """
    places = events["bucket"].to_numpy()
    wanted = {bucket: np.unique(hashes[places == bucket]) for bucket in np.unique(places)}
    hits = [np.array([], np.uint64)]
    files = []
    for bucket, one in zip(buckets, stored, strict=True):
        sought = wanted.get(bucket, hits[0])
        there = one.take(one.searchsorted(sought), mode="clip") == sought if len(one) else np.zeros(len(sought), bool)
        files.append(bool(there.any()))
        if files[-1]:
            hits.append(sought[there])
    return files, events.filter(pa.array(np.isin(hashes, np.concatenate(hits))))


def judge_events(events: pa.Table, hashes: Hashes, known: pa.Table, late_after_days: int) -> JudgedBatch:
    """Each event's fate. `known` has stored rows of these identities (`JUDGING_COLUMNS`); others do no harm.

    `hashes` are the events'. A late event is set aside unless it repeats one that is stored, in this batch or before,
    so that a batch that is retried is judged alike.
    """
    received_ms, at_ms = (events[n].cast(pa.int64()).to_numpy() // 1000 for n in ("received_at", "at"))
    late = received_ms - at_ms > late_after_days * DAY_MS
    verdict = np.where(late, LATE, NEW)
    if (doubtful := _find_doubtful(hashes, identity_hashes(known))).any():
        ids = without_zone(events.select([*JUDGING_COLUMNS, "at", "received_at"]))
        ids = ids.append_column("row", pa.array(np.arange(len(events)))).append_column("late", pa.array(late))
        verdicts = query_arrow(_VERDICTS, ids=ids.filter(pa.array(doubtful)), known=known.select(list(JUDGING_COLUMNS)))
        verdict[verdicts["row"].to_numpy()] = verdicts["verdict"].to_numpy()
    own_rows, late_rows, conflict = (events.filter(pa.array(verdict == fate)) for fate in (OWN, LATE, CONFLICT))
    new = verdict == NEW
    fresh = events if new.all() else events.filter(pa.array(new))
    reasons = pa.repeat(pa.scalar("conflict"), len(conflict))
    return JudgedBatch(
        fresh,
        pa.concat_tables([fresh, own_rows]) if len(own_rows) else fresh,
        late_rows,
        arrow.conform(conflict.append_column("reason_kept", reasons), QUARANTINE),
        _count_verdicts(events, verdict),
    )


def _find_doubtful(hashes: Hashes, known: Hashes) -> npt.NDArray[np.bool_]:
    """Which identities may be stored already, or occur twice; nearly all are neither."""
    values, times = np.unique(hashes, return_counts=True)
    return np.isin(hashes, np.append(values[times > 1], known))


_BODY = f"hash({', '.join(COMPARED_COLUMNS)}) as body"

_VERDICTS = f"""
with new as (select *, {_BODY} from ids), old as (select *, {_BODY} from known),
first as (
  select property, session_id, seq, row, late, body from new
  qualify row_number() over (
    partition by property, session_id, seq order by late, kafka_partition, kafka_offset, position) = 1
),
mine as (select distinct {", ".join((*IDENTITY, *LOG_POSITION, "body"))} from old),
there as (select property, session_id, seq, any_value(body) as body from old group by property, session_id, seq)
select new.row, case
  when mine.seq is not null then {OWN}
  when there.seq is not null then case when there.body = new.body then {REPEAT} else {CONFLICT} end
  when first.late then {LATE}
  when first.row = new.row then {NEW}
  when first.body = new.body then {REPEAT}
  else {CONFLICT} end as verdict
from new left join mine using ({", ".join((*IDENTITY, *LOG_POSITION, "body"))})
left join there on (new.property, new.session_id, new.seq) = (there.property, there.session_id, there.seq)
left join first on (new.property, new.session_id, new.seq) = (first.property, first.session_id, first.seq)
"""


def _count_verdicts(events: pa.Table, verdict: npt.NDArray[np.int64]) -> pa.Table:
    """(property, minute_at, lake, late, quarantined, accepted, duplicate) of the verdicts."""
    repeats = (verdict == REPEAT).astype(np.int64)
    counts = {
        "lake": np.isin(verdict, (NEW, OWN)),
        "late": verdict == LATE,
        "quarantined": verdict == CONFLICT,
        "accepted": -repeats,
        "duplicate": repeats,
    }
    keys = {"property": events["property"], "minute_at": tallies.minutes(events["received_at"])}
    rows = pa.table(keys | {name: np.asarray(count, np.int64) for name, count in counts.items()})
    summed = rows.group_by(list(keys)).aggregate([(name, "sum") for name in counts])
    return summed.select([*keys, *(f"{name}_sum" for name in counts)]).rename_columns([*keys, *counts])


def count_kept(unreadable: pa.Table, reports: pa.Table) -> pa.Table:
    """(property, minute_at, quarantined, reports) of records that were accepted and are not events."""
    if not len(unreadable) and not len(reports):
        return pa.table({})
    unreadable_rows, report_rows = (
        without_zone(rows.select(["property", "received_at"])) for rows in (unreadable, reports)
    )
    return query_arrow(_KEPT, unreadable=unreadable_rows, reports=report_rows)


_KEPT = """
select property, time_bucket(interval '1 minute', received_at) as minute_at, sum(q)::bigint as quarantined,
  sum(r)::bigint as reports
from (select *, 1 as q, 0 as r from unreadable union all select *, 0 as q, 1 as r from reports) group by all
"""
