"""The fold: a table of events to a table of session rows; the only way in which sessions are measured.

DuckDB runs it in process, for the stream, the batch, the data set's CSV and the command line. Neither order nor
repetition of events changes a row.
"""

import re
from collections.abc import Iterable
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog import picture, scores
from qoescope.catalog.dimensions import SENT
from qoescope.catalog.schema import Field
from qoescope.catalog.sessions import DERIVED, OF_RENDITIONS, SCORES, SUMS, Sum
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.compile import arrow, sketch
from qoescope.compile.duck import ASLEEP, BELIEVED_MS, TYPES, query_arrow, without_zone

CONTEXT = ("property", "session_id", "viewer_id", "content_duration_ms", *SENT)
_UNREAD = {*CONTEXT, "session_day", "bucket", "sent_at", "clock_adjusted", "session_started_at"} - {"video_codec"}
_NEUTRAL = "('heartbeat', 'rendition_update', 'player_resize', 'cdn_change', 'visibility_change', 'error')"


def sessions(events: pa.Table, threads: int = 1) -> pa.Table:
    """One row a session, as the catalog's table `sessions`; missing optional columns of `events` get defaults.

    Only narrow columns go through the sums, with a number for each session; the context is taken at the end from each
    session's first event, so that thirty texts an event are never copied.
    """
    narrow = _narrow(events)
    repeats = query_arrow(_repeats_sql(frozenset(events.column_names)), threads, events=narrow)
    measured = query_arrow(_measured_sql(frozenset(events.column_names)), threads, events=narrow, repeats=repeats)
    contexts = _contexts(events, measured["row"])
    return arrow.conform(
        query_arrow(_derived_sql(), threads, measured=without_zone(measured), contexts=contexts), SESSIONS
    )


def _narrow(events: pa.Table) -> pa.Table:
    """The events without context: `session` numbers the session, `row` the event."""
    key = np.zeros(len(events), np.int64)
    for name in ("property", "session_id"):
        codes = events[name].combine_chunks().dictionary_encode()
        codes = codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes
        key = key * max(len(codes.dictionary), 1) + codes.indices.to_numpy(zero_copy_only=False)
    kept = events.drop_columns([name for name in events.column_names if name in _UNREAD])
    return without_zone(
        kept.append_column("session", pa.array(key)).append_column("row", pa.array(np.arange(len(events))))
    )


def _contexts(events: pa.Table, rows: pa.ChunkedArray) -> pa.Table:
    """The sessions' contexts, in the order of `rows`, the first event of each."""
    fields = {f.name: f for f in EVENTS.fields}
    first = events.select([name for name in CONTEXT if name in events.column_names]).take(rows)
    moments = without_zone(events.select(["at", "state_ms"]).take(rows))
    columns: dict[str, object] = {"first_at": moments["at"], "first_state_ms": moments["state_ms"]}
    for name in CONTEXT:
        f = fields[name]
        default = pa.scalar(f.default, arrow.TYPES[f.type])
        if name not in first.column_names:
            columns[name] = pa.repeat(default, len(rows))
        else:
            given = first[name].cast(arrow.TYPES[f.type])
            columns[name] = given if f.default is None else pc.fill_null(given, default)
    return pa.table(columns)


def _given_sql(given: frozenset[str]) -> str:
    columns = ", ".join(_column(f, given) for f in EVENTS.fields if f.name not in _UNREAD)
    return f"given as (select session, row, {columns} from events)"


@cache
def _repeats_sql(given: frozenset[str]) -> str:
    """Rows that repeat an identity: all but the first accepted."""
    return f"""
with {_given_sql(given)}
select row from given semi join (select session, seq from given group by all having count(*) > 1) using (session, seq)
qualify row_number() over (
  partition by session, seq order by received_at, kafka_partition, kafka_offset, position, row) > 1"""


def with_opinions(rows: str) -> str:
    """The renditions' rows with the `opinion` of each on its screen, and the steps to it."""
    for name, sql in picture.STEPS:
        rows = f"(select *, {sql} as {name} from {rows})"
    return rows


_PREPARED_SQL = f"""
prepared as (
  select *, {BELIEVED_MS} as t,
    case when {ASLEEP} then state_ms else 0 end as disbelieved_ms,
    cast(round(rate * 100) as bigint) as rate_percent,
    width > 0 and height > 0 and player_width is not null and player_height is not null as sized,
    least(player_width / nullif(width, 0), player_height / nullif(height, 0)) as scale
  from given anti join repeats using (row)
)"""
"""Each identity once; `t` is the believed milliseconds."""


def _column(f: Field, given: frozenset[str]) -> str:
    kind = TYPES[f.type]
    if f.name not in given:
        return f'cast({_literal(f.default)} as {kind}) as "{f.name}"'
    return (
        f'"{f.name}"' if f.default is None else f"coalesce({f.name}, cast({_literal(f.default)} as {kind})) as {f.name}"
    )


def _literal(value: str | float | bool | None) -> str:
    if value is None:
        return "null"
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


@cache
def _measured_sql(given: frozenset[str]) -> str:
    """Sums and picks by session. Most events are heartbeats while playing: rare sums skip them."""
    common, rare = [s for s in SUMS if not _rare(s)], [s for s in SUMS if _rare(s)]
    return f"""
with {_given_sql(given)},{_PREPARED_SQL},
by_rendition as (
  select session, {", ".join(picture.RENDITION)}, {_list(map(_sum, common))}, {_list(BY_RENDITION.items())}
  from prepared group by all
),
common as (select session, {_list((s.name, f"least(sum({s.name}), {s.most})::bigint") for s in common)},
    {_list((s.name, f"least({_sum(s)[1]}, {s.most})") for s in OF_RENDITIONS)},
    {_list(_COMMON.items())}
  from {with_opinions("by_rendition")} group by all),
heights as ({_HEIGHTS_SQL}),
rare as (select session, {_list(map(_sum, rare))}, {_list(_RARE.items())}
  from prepared where not ({_PLAIN}) group by all),
starts as ({_STARTS_SQL}),
traces as (
  select session, string_agg(next_cdn, ' > ' order by seq) as cdns from prepared
  where type = 'cdn_change' and next_cdn is not null group by all
)
select common.*, main_height, {_list((s.name, f"least(coalesce({s.name}, 0), {s.most})") for s in rare)},
  {_list(_RARE_KNOWN.items())},
  coalesce(carried_startup_ms, complete_startup_ms) as startup_raw_ms, content_startup_raw_ms, cdns
from common left join rare using (session) left join heights using (session) left join starts using (session)
  left join traces using (session)"""


@cache
def _derived_sql() -> str:
    """Derived values, from sums, picks and contexts."""
    return f"""
with known as (
  select *, cdn || coalesce(' > ' || cdns, '') as cdn_trace,
    coalesce(request_at, first_at - to_milliseconds(first_state_ms)) as started_at
  from measured positional join contexts
),
{_derived()}
select * replace ({", ".join(f"cast(round({s}, 2) as decimal(5, 2)) as {s}" for s in SCORES)}),
  cast(started_at as date) as day, hour(started_at) as hour, isodow(started_at) - 1 as day_of_week,
  {sketch.register_sql("viewer_id")} as viewer_register
from derived_{len(DERIVED)}"""


def _list(columns: Iterable[tuple[str, str]]) -> str:
    return ",\n    ".join(f"{sql} as {name}" for name, sql in columns)


def _sum(s: Sum) -> tuple[str, str]:
    where = f" filter (where {s.where})" if s.where else ""
    return s.name, f"coalesce(sum({s.of}){where}, 0)::bigint"


def _rare(s: Sum) -> bool:
    """Whether heartbeats while playing never add to it: its condition names another type or state."""
    return bool(re.search(r"type = '(?!heartbeat)|state = '(?!playing)", s.where))


def _derived() -> str:
    """One step a derived value, so that each sees those before it."""
    weights = " + ".join(f"case when {name} is null then 0 else {w} end" for name, w in scores.SCORE_WEIGHTS.items())
    steps = ["derived_0 as (from known)"]
    for i, d in enumerate(DERIVED, 1):
        sql = d.sql
        if d.name == "experience_score_v1":
            sql = sql.format(**scores.SCORE_WEIGHTS).replace("score_weight", f"nullif({weights}, 0)")
            sql = f"coalesce({sql}, success_score)"
        elif d.name == "is_good":
            sql = sql.format(
                good_startup_ms=scores.GOOD_STARTUP_MS,
                good_stall_share=scores.GOOD_STALL_SHARE,
                good_picture=scores.GOOD_PICTURE,
                good_bitrate=_good_bitrate(),
            )
        steps.append(f"derived_{i} as (select *, {sql} as {d.name} from derived_{i - 1})")
    return ",\n".join(steps)


def _good_bitrate() -> str:
    cases = " ".join(f"when '{device}' then {kbps}" for device, kbps in scores.GOOD_BITRATE_KBPS.items())
    return f"case device_type {cases} else {scores.GOOD_BITRATE_ELSE_KBPS} end"


_BEGUN = "type = 'playback_start' and state in ('starting', 'idle')"
_CONTENT_BEGUN = "type = 'playback_start' and not ad"
_ASKED = "type = 'playback_request' and state <> 'paused'"
_FAILED = "type = 'playback_fail'"
_AD_EDGE = (
    "(type in ('ad_break_start', 'ad_break_end') "
    "or (type = 'playback_finish' and ad and coalesce(reason, 'finished') = 'finished'))"
)
_STALL_WORD = (
    f"(type = 'playback_stall' and state in ('playing', 'stalled')) or (type in {_NEUTRAL} and state = 'stalled') "
    f"or ({_AD_EDGE} and state = 'stalled')"
)

_PLAIN = "type = 'heartbeat' and state = 'playing'"

BY_RENDITION = {
    "row": "arg_min(row, seq)",
    "first_seq": "min(seq)",
    "last_seq": "max(seq)",
    "scale_max": "max(scale) filter (where state = 'playing' and not ad and sized and t > 0)",
    "shown_ms": "coalesce(sum(t) filter (where state = 'playing' and not ad), 0)",
    "playhead_max_ms": "max(playhead_ms) filter (where not ad)",
    "first_received_at": "min(received_at)",
    "last_received_at": "max(received_at)",
}

_COMMON = {
    "row": "arg_min(row, first_seq)",
    "last_seq": "max(last_seq)",
    "playhead_max_ms": "max(playhead_max_ms)",
    "first_received_at": "min(first_received_at)",
    "last_received_at": "max(last_received_at)",
    "upscale_max": "case when max(scale_max) is not null then round(greatest(max(scale_max) - 1, 0), 4) end",
}

_RARE = {
    "rare_count": "count(*)",
    "rare_last_seq": "max(seq)",
    "request_at": f'arg_min("at", seq) filter (where {_ASKED})',
    "start_seq": f"min(seq) filter (where {_BEGUN})",
    "carried_startup_ms": f"arg_min_null(startup_ms, seq) filter (where {_BEGUN})",
    "content_start_seq": f"min(seq) filter (where {_CONTENT_BEGUN})",
    "carried_wait_ms": "max(startup_ms) filter (where state = 'starting')",
    "fail_class": f"arg_min_null(error_class, seq) filter (where {_FAILED})",
    "fail_code": f"arg_min_null(error_code, seq) filter (where {_FAILED})",
    "first_error_code": "arg_min(error_code, seq) filter (where type = 'error')",
    "has_failed": f"bool_or({_FAILED})",
    "has_finished": "bool_or(type = 'playback_finish' and coalesce(reason, 'finished') = 'finished' and not ad)",
    "has_exited": "bool_or(type = 'playback_finish' and reason = 'exited')",
    "exited_stalled": "bool_or(type = 'playback_finish' and reason = 'exited' and state = 'stalled')",
    "stalled_word": f"arg_max({_STALL_WORD}, seq)",
    "was_attempt": "bool_or(type = 'playback_request' or state <> 'idle')",
    "was_play": "bool_or(type = 'playback_start' or state in ('playing', 'stalled', 'seeking', 'resuming'))",
    "startup_hidden": "bool_or(state = 'starting' and hidden and t > 0)",
    "startup_disbelieved": "bool_or(state = 'starting' and disbelieved_ms > 0)",
}

_BOOLS = ("has_failed", "has_finished", "has_exited", "exited_stalled", "startup_hidden", "startup_disbelieved")
_PLAIN_TOO = "event_count > coalesce(rare_count, 0)"
_RARE_KNOWN = (
    {name: f"coalesce({name}, false)" for name in _BOOLS}
    | {n: n for n in ("request_at", "start_seq", "content_start_seq", "carried_wait_ms")}
    | {n: n for n in ("fail_class", "fail_code", "first_error_code")}
    | {
        "is_attempt": f"coalesce(was_attempt, false) or {_PLAIN_TOO}",
        "is_play": f"coalesce(was_play, false) or {_PLAIN_TOO}",
        "last_word_stalled": "coalesce(rare_last_seq = last_seq and stalled_word, false)",
    }
)
"""In a session without rare events, nothing rare is true."""

_HEIGHTS_SQL = """
  select session, max(struct_pack(ms := ms, height := height)).height as main_height from (
    select session, height, sum(shown_ms) as ms from by_rendition where height is not null group by all having ms > 0
  ) group by all"""

_STARTS_SQL = """
  select session,
    case when count(*) filter (where seq <= start_seq) = any_value(start_seq) then
      coalesce(sum(t) filter (where seq <= start_seq and state = 'starting'), 0)::bigint end as complete_startup_ms,
    case when count(*) filter (where seq <= content_start_seq) = any_value(content_start_seq)
      and not bool_or(seq <= content_start_seq and not ad and state = 'resuming' and disbelieved_ms > 0) then
      coalesce(sum(t) filter (where seq <= content_start_seq and not ad and state in ('starting', 'resuming')), 0)
      ::bigint end as content_startup_raw_ms
  from prepared join (select session, start_seq, content_start_seq from rare) as firsts using (session)
  where seq <= greatest(start_seq, content_start_seq) group by all"""
