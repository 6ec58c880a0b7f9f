"""Bench of a day: events of the lake to sessions and to the hour's marts, beside DuckDB and Polars over the same files.

The DuckDB peer is one plain query a step, on all cores: repeats removed by their number, every measure of a
session as an aggregate over its events, then every measure of the mart by grouping sets. It has the catalog's
definitions, so that all of its measures are compared with ours. The Polars peer is a lazy query on its streaming engine
with the sums of a session, without scores and first frames, and those of the mart that follow from them.
Long because a day is made, folded and counted three times.
usage: python bench/fold.py [millions of events, such as 1,10]
"""

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog import picture
from qoescope.catalog import sessions as c
from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.marts import QUALITY_HOUR
from qoescope.catalog.measures import HISTOGRAM_EDGES_MS, Measure
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.compile.adding import add_cubes
from qoescope.compile.cube import _row_sql, cube
from qoescope.compile.duck import ASLEEP, BELIEVED_MS
from qoescope.compile.fold import _RARE, BY_RENDITION, CONTEXT, _derived, _sum, seen, sessions
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table, table_uri
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.settings import Settings

CORES = psutil.cpu_count() or 1
DAY = date(2026, 1, 2)
EACH, AT_ONCE = 30, 10_000
"""Events a session, and sessions written at once."""
BUCKETS = 8
WATCHED = ("starting", "play", "ad_play", "stall", "seek", "resume")
DIMS = sorted({name for grouping in QUALITY_HOUR.groupings for name in grouping})
SUMMED = [m for m in QUALITY_HOUR.measures if m.type not in ("ints", "sketch")]
PLAIN = [m for m in SUMMED if m.name in ("attempts", "plays", "stalled_plays")
         or (not m.where and m.of in {"watched_ms", *(s.name for s in c.SUMS)})]  # fmt: skip
"""Measures of the mart that follow from a session's sums."""


def made(first: int, sessions: int) -> pa.Table:
    """Events of a day's sessions, one in fifty of them twice."""
    with duckdb.connect() as engine:
        rows = engine.sql(f"""
select 'app' as property, md5('s' || s) as session_id, e + 1 as seq,
  timestamp '{DAY} 00:00:00' + to_seconds(hash(s) % 80000 + e * 10) as "at",
  case when e = 0 then 'playback_request' when e = 1 then 'playback_start' when e = {EACH - 1} and s % 3 = 0
    then 'playback_finish' when e % 9 = 5 then 'playback_stall' when e % 9 = 6 then 'playback_start'
    when e % 13 = 7 then 'rendition_update' else 'heartbeat' end as type,
  case when e = 0 then 'idle' when e = 1 then 'starting' when e % 9 = 6 then 'stalled' else 'playing' end as state,
  case when e = 0 then 0 when e = 1 then 500 + s % 3000 when e % 9 = 6 then 800 else 9000 + s % 900 end as state_ms,
  1500 + 1500 * (e // 10) as bitrate_kbps, 1500 + 1500 * (s % 3) as next_bitrate_kbps,
  360 * (1 + e // 10) as height, 640 * (1 + e // 10) as width, 1920 as player_width, 1080 as player_height,
  e * 9000 as playhead_ms, 'v1:' || md5('v' || s % 50000) as viewer_id, 3600000 as content_duration_ms,
  ['smart_tv', 'mobile', 'web'][1 + s % 3] as device_type, ['tizen', 'ios', 'windows'][1 + s % 3] as os,
  'v16.' || s % 7 as app_version, ['kt', 'cox', 'dt'][1 + s % 3] as isp, ['KR', 'US', 'DE'][1 + s % 3] as country_code,
  ['a', 'b'][1 + s % 2] as cdn, 'pop' || s % 20 as cdn_pop, 't' || s % 300 as content_id, 'vod' as content_type,
  timestamp '{DAY} 08:00:00' as received_at, s as kafka_offset, e as position, date '{DAY}' as session_day,
  s % {BUCKETS} as bucket
from range({first}, {first + sessions}) as a(s), range({EACH}) as b(e), range(2) as c(again)
where again = 0 or (s + e) % 50 = 0""").to_arrow_table()  # noqa: S608
    return arrow.conform(rows, EVENTS)


def written(settings: Settings, events: int) -> int:
    """Writes about so many events; answers how many rows lie in the lake."""
    ensure_tables(settings, [EVENTS])
    files, sessions = [], round(events / EACH)
    for first in range(0, sessions, AT_ONCE):
        files += write_files(settings, EVENTS, made(first, min(AT_ONCE, sessions - first)))
    append_files(open_table(settings, EVENTS), EVENTS, files, {"made": datetime.now(UTC).isoformat()})
    return sum(f.rows for f in files)


def ours(settings: Settings) -> tuple[int, pa.Table]:
    """How many sessions there are, and the mart; a bucket a task, as many tasks at once as there are cores."""
    found = list_files(open_table(settings, EVENTS), [DAY])

    def part(bucket: int) -> tuple[int, pa.Table]:
        rows = sessions(read_rows(settings, EVENTS, [f for f in found if f.bucket == bucket]))
        return len(rows), cube(rows, QUALITY_HOUR)

    with ThreadPoolExecutor(CORES) as tasks:
        parts = list(tasks.map(part, sorted({f.bucket for f in found})))
    return sum(count for count, _ in parts), add_cubes([mart for _, mart in parts], QUALITY_HOUR.table)


def files_of(settings: Settings) -> str:
    """The day's files."""
    return f"{table_uri(settings, EVENTS)}/session_day={DAY}/*/*.parquet"


def listed(columns: dict[str, str] | list[tuple[str, str]]) -> str:
    """As SQL names what it selects."""
    return ", ".join(f"{sql} as {name}" for name, sql in dict(columns).items())


def sessions_sql(files: str) -> str:
    """Sessions in plain SQL."""
    picks = {name: sql for name, sql in (BY_RENDITION | _RARE).items() if name not in ("row", "shown_ms")}
    context = {name: f"any_value({name})" for name in CONTEXT[2:]}
    return f"""
with accepted as (
  select * from read_parquet('{files}')
  qualify row_number() over (
    partition by property, session_id, seq order by received_at, kafka_partition, kafka_offset, position) = 1
),
prepared as (
  select *, {BELIEVED_MS} as t, case when {ASLEEP} then state_ms else 0 end as disbelieved_ms,
    cast(round(rate * 100) as bigint) as rate_percent,
    width > 0 and height > 0 and player_width is not null and player_height is not null as sized,
    least(player_width / nullif(width, 0), player_height / nullif(height, 0)) as scale
  from accepted
),
measured as (
  select property, session_id, {listed([_sum(s) for s in c.SUMS])}, {listed(picks)}, {listed(context)},
    arg_min("at", seq) as first_at, arg_min(state_ms, seq) as first_state_ms, count(*) as n,
    string_agg(next_cdn, ' > ' order by seq) filter (where type = 'cdn_change') as cdns
  from prepared group by property, session_id
),
heights as (
  select property, session_id, max(struct_pack(ms := ms, height := height)).height as main_height from (
    select property, session_id, height, sum(t) as ms from prepared
    where state = 'playing' and not ad and height is not null group by all having ms > 0
  ) group by all
),
pictures as (
  select property, session_id, {listed([_sum(s) for s in c.OF_RENDITIONS])} from {
        seen(f'''(
    select property, session_id, {", ".join(picture.RENDITION)}, sum(t) as shown_ms from prepared
    where state = 'playing' and not ad group by all)''')
    } group by all
),
starts as (
  select property, session_id,
    sum(t) filter (where seq <= start_seq and state = 'starting') as complete_startup_ms,
    sum(t) filter (where seq <= content_start_seq and not ad and state in ('starting', 'resuming'))
      as content_startup_raw_ms
  from prepared join (select property, session_id, start_seq, content_start_seq from measured)
    using (property, session_id)
  where seq <= greatest(start_seq, content_start_seq) group by all
),
known as (
  select * replace (coalesce(has_failed, false) as has_failed, coalesce(has_finished, false) as has_finished,
      coalesce(has_exited, false) as has_exited, coalesce(startup_hidden, false) as startup_hidden,
      coalesce(startup_disbelieved, false) as startup_disbelieved, coalesce(picture_known_ms, 0) as picture_known_ms,
      coalesce(picture_gap_ms, 0) as picture_gap_ms),
    greatest(scale_max - 1, 0) as upscale_max, was_attempt as is_attempt, was_play as is_play,
    stalled_word as last_word_stalled, coalesce(carried_startup_ms, complete_startup_ms) as startup_raw_ms,
    cdn || coalesce(' > ' || cdns, '') as cdn_trace,
    coalesce(request_at, first_at - to_milliseconds(first_state_ms)) as started_at
  from measured left join heights using (property, session_id) left join starts using (property, session_id)
    left join pictures using (property, session_id)
),
{_derived()}
select *, cast(started_at as date) as day from derived_{len(c.DERIVED)}"""  # noqa: S608


def mart_sql() -> str:
    """The mart in plain SQL; a sketch is DuckDB's own."""

    def one(m: Measure) -> str:
        where = f" filter (where {m.where})" if m.where else ""
        if m.type == "sketch":
            return f"approx_count_distinct(viewer_id){where}"
        if m.type == "ints":
            edges = ", ".join(map(str, HISTOGRAM_EDGES_MS))
            return f"histogram({m.of}, [{edges}]){where}"
        return f"sum({_row_sql(m)})"

    sets = ", ".join(f"({', '.join(('property', 'starts_at', *grouping))})" for grouping in QUALITY_HOUR.groupings)
    keys = ", ".join(DIMS)
    known = ", ".join(f"coalesce({name}, '{UNKNOWN}') as {name}" for name in DIMS)
    return f"""
select property, starts_at, grouping({keys}) as grouped, {keys},
  {listed([(m.name, one(m)) for m in QUALITY_HOUR.measures])}
from (select * replace ({known}), time_bucket(interval '1 hour', started_at) as starts_at from sessions)
group by grouping sets ({sets})"""  # noqa: S608


def duckdb_peer(settings: Settings) -> tuple[int, pa.Table]:
    """The same of two plain statements."""
    with duckdb.connect(config={"threads": CORES}) as engine:
        engine.execute(f"create table sessions as {sessions_sql(files_of(settings))}")
        ((count,),) = engine.execute("select count(*) from sessions").fetchall()
        return count, engine.sql(mart_sql()).to_arrow_table()


def polars_sums() -> list[pl.Expr]:
    """A session's sums; Polars' SQL knows all but `greatest` of a number and a column."""
    scaled = {"upscale_ms": pl.col("scale") - 1, "downscale_ms": 1 - pl.col("scale")}
    found = []
    for s in c.SUMS:
        if s.of == "1":
            found.append((pl.sql_expr(s.where).sum() if s.where else pl.len()).cast(pl.Int64).alias(s.name))
            continue
        value = pl.sql_expr(s.of) if s.name not in scaled else (
            (scaled[s.name].clip(0) * pl.col("t") + 0.5).floor().cast(pl.Int64)
        )  # fmt: skip
        found.append((value.filter(pl.sql_expr(s.where)) if s.where else value).sum().alias(s.name))
    return found


def polars_peer(settings: Settings) -> tuple[int, pa.Table]:
    """The sums of sessions and of the mart, by lazy queries."""
    identity = ["property", "session_id", "seq"]
    col = pl.col
    events = (
        pl.scan_parquet(files_of(settings), hive_partitioning=True)
        .sort([*identity, "received_at", "kafka_partition", "kafka_offset", "position"])
        .unique(identity, keep="first", maintain_order=True)
        .with_columns(
            pl.sql_expr(f"{BELIEVED_MS} as t"),
            pl.sql_expr(f"case when {ASLEEP} then state_ms else 0 end as disbelieved_ms"),
            rate_percent=(col("rate") * 100).round().cast(pl.Int64),
            sized=(col("width") > 0) & (col("height") > 0) & col("player_width").is_not_null()
            & col("player_height").is_not_null(),
            scale=pl.min_horizontal(col("player_width") / col("width"), col("player_height") / col("height")),
        )
    )  # fmt: skip
    shown = col("type").eq("playback_start") | col("state").is_in(["playing", "stalled", "seeking", "resuming"])
    asked = col("type").eq("playback_request") | col("state").ne("idle")
    request = col("at").filter(col("type").eq("playback_request") & col("state").ne("paused")).first()
    first = col("at").first() - pl.duration(milliseconds=col("state_ms").first())
    known = ("viewer_id", "content_duration_ms", *(name for name in DIMS if name in CONTEXT))
    folded = (
        events.group_by("property", "session_id")
        .agg(*polars_sums(), shown.any().alias("is_play"), asked.any().alias("is_attempt"),
             pl.coalesce(request, first).alias("started_at"), *(col(name).first() for name in known))
        .with_columns(
            watched_ms=pl.sum_horizontal(f"{part}_ms" for part in WATCHED),
            starts_at=col("started_at").dt.truncate("1h"),
        )
        .collect(engine="streaming")
    )  # fmt: skip
    measures = [(pl.sql_expr(m.where) if m.where else col(m.of)).sum().cast(pl.Int64).alias(m.name) for m in PLAIN]
    viewers = col("viewer_id").filter(col("is_attempt")).approx_n_unique().alias("viewers")
    parts = [
        folded.lazy().group_by("property", "starts_at", *grouping).agg(*measures, viewers)
        for grouping in QUALITY_HOUR.groupings if set(grouping) <= set(CONTEXT)
    ]  # fmt: skip
    return len(folded), pl.concat(pl.collect_all(parts, engine="streaming"), how="diagonal").to_arrow()


def differences(mine: tuple[int, pa.Table], theirs: tuple[int, pa.Table], measures: list[Measure]) -> Iterator[str]:
    """Measures of which the totals of all hours differ, and the number of sessions if it does."""
    if mine[0] != theirs[0]:
        yield f"sessions: {mine[0]} and {theirs[0]}"
    own, other = mine[1].filter(pc.field("grouping") == ""), theirs[1]
    for name in set(DIMS) & set(other.column_names):
        other = other.filter(pc.field(name).is_null())
    for m in measures:
        one, two = (float(pc.sum(rows[m.name]).as_py() or 0) for rows in (own, other))
        two /= 100 if m.type == "score_sum" else 1
        if abs(one - two) > 1e-4 * abs(one):
            yield f"{m.name}: {one} and {two}"


def seconds(work: Callable[[Settings], Any], settings: Settings) -> tuple[float, float, Any]:
    """(wall, processor) seconds of a run, and what it answers."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work(settings)
    return time.perf_counter() - wall, time.process_time() - cpu, answer


def measured(events: int) -> dict[str, float]:
    """Prints each one's time over so many events; answers wall seconds a million."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(var=Path(folder), lake_buckets=BUCKETS)
        rows = written(settings, events)
        works = {"qoescope, all measures": ours, "plain DuckDB, all measures": duckdb_peer,
                 f"Polars, {len(c.SUMS)} sums a session and {len(PLAIN) + 1} a slice": polars_peer}  # fmt: skip
        taken, answers = {}, {}
        for name, work in works.items():
            wall, cpu, answers[name] = seconds(work, settings)
            taken[name] = wall / rows * 1e6
            print(f"{name}: {rows / wall:,.0f} events/s, {rows / cpu:,.0f} events a processor second", flush=True)
        mine, duck, polars = answers.values()
        for name, other, measures in (("DuckDB", duck, SUMMED), ("Polars", polars, PLAIN)):
            different = list(differences(mine, other, measures))
            print(f"{name} and qoescope differ in {len(different)} of {len(measures)} measures", *different, sep="\n  ")
        one, two, three = taken.values()
        print(f"{rows:,} events on {CORES} threads: time over DuckDB's {one / two:.2f}, over Polars' {one / three:.2f}")
    return taken


def main() -> None:
    """Prints each size, and how the time of an event grows from the first to the last."""
    sizes = [float(n) for n in (sys.argv[1] if len(sys.argv) > 1 else "1,10").split(",")]
    print(f"machine: load {psutil.getloadavg()[0]:.1f} before")
    taken = [measured(round(n * 1e6)) for n in sizes]
    for name, first in taken[0].items():
        last, much = taken[-1][name], f"{sizes[0]:g} and {sizes[-1]:g} million"
        print(f"{name}: {first:.2f} and {last:.2f} s a million at {much}, {last / first:.2f} times")


if __name__ == "__main__":
    main()
