"""Recomputed: every mart once more, by SQL written by hand over the lake's own files; nothing of `compile` is used."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from qoescope.catalog.marts import LEAF_DIMENSIONS, Grouping
from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.connect import postgres
from qoescope.connect.lake.tables import table_uri
from qoescope.settings import Settings

SCORES = (
    "success_score",
    "picture_score",
    "stalling_score",
    "start_score",
    "experience_score",
    "startup_score",
    "smoothness_score",
    "quality_score",
    "experience_score_v1",
)
SESSIONS = {
    "attempts": "count(*) filter (is_attempt)",
    "plays": "count(*) filter (is_play)",
    "start_failures_technical": "count_if(start_outcome = 'failed_technical')",
    "start_failures_business": "count_if(start_outcome = 'failed_business')",
    "exits_before_start": "count_if(start_outcome = 'exited')",
    "early_exits": "count(*) filter (start_outcome = 'exited' and exit_wait_ms < 1000)",
    "hidden_exits": "count_if(start_outcome = 'exited_hidden')",
    "play_failures_technical": "count(*) filter (is_play and close_reason = 'failed' and error_class = 'technical')",
    "play_failures_business": "count(*) filter (is_play and close_reason = 'failed' and error_class = 'business')",
    "plays_finished": "count(*) filter (is_play and close_reason = 'finished')",
    "plays_exited": "count(*) filter (is_play and close_reason = 'exited')",
    "plays_timed_out": "count(*) filter (is_play and close_reason = 'timed_out')",
    "stalled_plays": "count(*) filter (is_play and stall_count >= 1)",
    "stall_exits": "count(*) filter (ended_in_stall)",
    **{name: f"sum({name})" for name in (
        "starting_ms", "play_ms", "ad_play_ms", "stall_ms", "ad_stall_ms", "seek_ms", "resume_ms", "paused_ms",
        "watched_ms", "media_ms", "hidden_ms", "discarded_ms", "dropped_frames", "bitrate_kbps_ms", "bitrate_known_ms",
        "upscale_ms", "downscale_ms", "size_known_ms", "lost_events", "startup_ms", "content_startup_ms",
        "content_seen_ms")},
    "stalls": "sum(stall_count)",
    "seeks": "sum(seek_count)",
    "switches_up": "sum(switch_up_count)",
    "switches_down": "sum(switch_down_count)",
    "errors": "sum(error_count)",
    "events": "sum(event_count)",
    "startups": "count(startup_ms)",
    "startups_unknown": "count(*) filter (is_play) - count(*) filter (is_play and startup_ms is not null)",
    "content_startups": "count(content_startup_ms)",
    "measured_plays": "count(content_duration_ms) filter (is_play)",
    "completions": "count(*) filter (is_complete)",
    "content_ms": "sum(content_duration_ms) filter (is_play)",
    **{f"{name}_sum": f"sum({name})" for name in SCORES},
    **{f"{name}_count": f"count({name})" for name in SCORES},
    "good_sessions": "count(*) filter (is_good)",
    "judged_sessions": "count(is_good)",
}  # fmt: skip
"""Measures of sessions, as aggregates; histograms and sketches are compared apart."""

_WATCHED = "state in ('starting', 'playing', 'stalled', 'seeking', 'resuming')"
_MS = f"(case when {_WATCHED} and state_ms > 300000 then 0 else state_ms end)"
_CONTENT = "(state = 'playing' and not ad)"
_TECHNICAL = "(type = 'playback_fail' and error_class is distinct from 'business')"
_LEFT = "(type = 'playback_finish' and reason = 'exited' and state = 'starting')"
_WAIT = "ifnull(startup_ms, state_ms)"
_FIRST = "(type = 'playback_start' and state in ('starting', 'idle'))"
_SHOWN = f"({_FIRST} and not hidden)"

WINDOWS = {
    "live_events": "count(*)",
    "live_watched_ms": f"sum({_MS}) filter ({_WATCHED})",
    "live_stall_ms": f"sum({_MS}) filter (state = 'stalled')",
    "live_stalls": "count_if(type = 'playback_stall' and state = 'playing')",
    "live_start_failures": f"count_if({_TECHNICAL} and state = 'starting')",
    "live_play_failures": f"count_if({_TECHNICAL} and state <> 'starting')",
    "live_exits_before_start": f"count_if({_LEFT} and {_WAIT} >= 1000)",
    "live_bitrate_kbps_ms": f"sum(bitrate_kbps * {_MS}) filter ({_CONTENT})",
    "live_bitrate_known_ms": f"sum({_MS}) filter ({_CONTENT} and bitrate_kbps is not null)",
}
"""Measures of events by ten seconds."""

LEAVES = {
    "attempts": "count_if(type = 'playback_request' and state = 'idle')",
    "starts": f"count_if({_FIRST})",
    "start_failures": f"count_if({_TECHNICAL} and state = 'starting')",
    "start_failures_business": "count_if(type = 'playback_fail' and error_class = 'business' and state = 'starting')",
    "exits_before_start": f"count_if({_LEFT})",
    "early_exits": f"count_if({_LEFT} and {_WAIT} < 1000)",
    "play_failures": f"count_if({_TECHNICAL} and state <> 'starting')",
    "plays_ended": "count_if(type in ('playback_finish', 'playback_fail') and state not in ('starting', 'idle'))",
    "events": "count(*)",
    "intervals": f"count_if({_WATCHED})",
    "watched_ms": f"sum({_MS}) filter ({_WATCHED})",
    "play_ms": f"sum({_MS}) filter ({_CONTENT})",
    "stall_ms": f"sum({_MS}) filter (state = 'stalled')",
    "stalls": "count_if(type = 'playback_stall' and state = 'playing')",
    "stall_ms_sq": f"sum({_MS}::double ** 2) filter (state = 'stalled')",
    "watched_ms_sq": f"sum({_MS}::double ** 2) filter ({_WATCHED})",
    "startups": f"count_if({_SHOWN})",
    "startup_log_sum": f"sum(ln(greatest({_WAIT}, 1))) filter ({_SHOWN})",
    "startup_log_sq": f"sum(ln(greatest({_WAIT}, 1)) ** 2) filter ({_SHOWN})",
    "bitrates": f"count_if({_CONTENT} and bitrate_kbps > 0)",
    "bitrate_log_sum": f"sum(ln(bitrate_kbps)) filter ({_CONTENT} and bitrate_kbps > 0)",
    "bitrate_log_sq": f"sum(ln(bitrate_kbps) ** 2) filter ({_CONTENT} and bitrate_kbps > 0)",
}
"""Measures of events by minute and leaf, but for events lost within a record."""

_R20 = (100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900)
EDGES = [*_R20, *(10 * edge for edge in _R20), *(100 * edge for edge in _R20), 100_000]
HISTOGRAMS = {"startup_histogram": "startup_ms",
              "exit_wait_histogram": "case when start_outcome = 'exited' then exit_wait_ms end"}  # fmt: skip
RATIOS = {
    "rebuffer_ratio": "sum(stall_ms) / sum(watched_ms)",
    "connection_rebuffer_ratio": "sum(stall_ms) / sum(play_ms + ad_play_ms + stall_ms)",
    "start_failure_ratio": "count_if(start_outcome = 'failed_technical') / count(*)",
    "ebvs_ratio": "count_if(start_outcome = 'exited') / count(*)",
    "failure_ratio": "count_if(start_outcome = 'failed_technical' or "
    "(is_play and close_reason = 'failed' and error_class = 'technical')) / count(*)",
    "stalls_per_minute": "60000 * sum(stall_count) / sum(watched_ms)",
    "startup_avg_ms": "avg(startup_ms)",
    "bitrate_avg_kbps": "sum(bitrate_kbps_ms) / sum(bitrate_known_ms)",
    "experience_score": "sum(experience_score::double) / count(experience_score)",
    "good_session_ratio": "count_if(is_good) / count(is_good)",
    "startup_unknown_ratio": "count_if(is_play and startup_ms is null) / count_if(is_play)",
}
"""Metrics of attempts, written by hand from their definitions."""


def opened(settings: Settings, property_id: str) -> duckdb.DuckDBPyConnection:
    """DuckDB with `events`, `sessions` (the last version of each) and `attempts` of a property, out of the files."""
    engine = duckdb.connect()
    engine.execute("set timezone = 'UTC'")
    for table in (EVENTS, SESSION_VERSIONS):
        files = DeltaTable(table_uri(settings, table)).file_uris()
        names = [file.removeprefix("file://") for file in files]
        engine.read_parquet(names, hive_partitioning=True).filter(f"property = '{property_id}'").to_table(
            f"all_{table.name}"
        )
    for name, order in (("events", "kafka_partition"), ("sessions", "version desc")):
        key = "property, session_id" + (", seq" if name == "events" else "")
        engine.execute(
            f"create table {name} as from all_{name} "
            f"qualify row_number() over (partition by {key} order by {order}) = 1"
        )
    engine.execute("create view attempts as from sessions where is_attempt")
    return engine


def cubed(source: str, step: str, at: str, groupings: Sequence[Grouping], measures: dict[str, str]) -> str:
    """One row a (step, grouping, values), all groupings one below the other."""
    parts = []
    for grouping in groupings:
        one, two = (f"ifnull({name}, 'unknown')" for name in (*grouping, "''", "''")[:2])
        parts.append(
            f"select time_bucket(interval '{step}', {at})::timestamp as starts_at, '{','.join(grouping)}' as grouping, "
            f"{one} as value_1, {two} as value_2, {', '.join(f'{sql} as {name}' for name, sql in measures.items())} "
            f"from {source} group by all"
        )
    return " union all ".join(parts)


def leaves() -> str:
    """One row a minute and leaf."""
    lost = "sum(greatest(seq - before - 1, 0))"
    measures = ", ".join(f"{sql} as {name}" for name, sql in (*LEAVES.items(), ("lost_events", lost)))
    return f"""
select time_bucket(interval '1 minute', "at")::timestamp as starts_at, {", ".join(LEAF_DIMENSIONS)}, {measures}
from (select *, lag(seq) over (partition by session_id, kafka_partition, kafka_offset order by seq) as before
  from events) group by all"""


def differing(
    engine: duckdb.DuckDBPyConnection, settings: Settings, mart: Table, property_id: str, again: str,
    keys: Sequence[str],
) -> list[tuple[object, ...]]:  # fmt: skip
    """(keys…, measure, the mart's, ours) where they are not one: integers exactly, floats to 1e-9 of their size."""
    names = [f.name for f in mart.fields if f.name not in {*mart.key, *keys} and f.type not in ("ints", "sketch")]
    engine.register("theirs", in_postgres(settings, mart, property_id, [*keys, *names]))
    engine.execute(f"create or replace temp table again as {again}")
    near = {f.name: f.type == "float" for f in mart.fields}
    compared = " union all ".join(
        f"select {', '.join(keys)}, '{n}' as measure, ifnull(m.{n}, 0) as mart, ifnull(a.{n}, 0) as ours "
        f"from theirs m full join again a using ({', '.join(keys)}) where "
        + ("abs(mart - ours) > 1e-9 * greatest(1, abs(ours))" if near[n] else "mart <> ours")
        for n in names
    )
    return engine.sql(f"{compared} limit 5").fetchall()


def in_postgres(settings: Settings, mart: Table, property_id: str, names: Sequence[str]) -> pa.Table:
    """Columns of a mart's rows as Postgres has them; times are UTC without a zone."""
    told = ", ".join(f"{n} at time zone 'UTC'" if n == "starts_at" else f'"{n}"' for n in names)
    with postgres.connect(settings, "writer") as connection:
        rows = connection.execute(f"select {told} from {mart.name} where property = %s".encode(), (property_id,))
        columns = list(zip(*rows.fetchall(), strict=True)) or [()] * len(names)
    return pa.table({name: list(column) for name, column in zip(names, columns, strict=True)})
