"""Sessions of the data set's CSV: each row is told as a player would, and measured by the one fold."""

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.data_set import COLUMNS
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.compile import agents, arrow, fold
from qoescope.compile.buckets import bucket_sql
from qoescope.sources.csv import rows
from qoescope.sources.csv.rules import HEIGHT_SQL, NUMBERS, ROWS_SQL
from qoescope.sources.packing import is_overlong

PIECE_MS = 240_000
"""Longest interval that a row is told in: a longer one would be taken for a sleeping device."""
OF_AGENT = ("device_type", "os", "os_version", "browser", "browser_version")
LONGEST_KEPT = 4096
"""Characters of a row that is kept aside."""
EVENTS_AT_ONCE = 100_000
"""Events that are in memory at once, but for those of one row: a row tells of thousands of stalls in a few digits."""
_CHUNKS_SQL = f"""
create temp table chosen as
select *, cast(sum(4 + 2 * rebuffer_count + (session_duration_sec * 1000 + rebuffer_duration_ms) // {PIECE_MS})
  over (order by line) // $at_once as bigint) as chunk
from judged where reason is null and again = 1"""
"""The rows that become sessions, in chunks by the most events that each may make."""


@dataclass(frozen=True, slots=True)
class CsvSessions:
    """A file, taken apart."""

    rows: int
    sessions: pa.Table
    """Rows of the catalog's `sessions`, each session once, with `bucket` beside."""
    repeated: int
    quarantined: pa.Table
    """(line, reason, content)."""


def csv_sessions(file: Iterable[str], tenant: str, buckets: int) -> CsvSessions:
    """The sessions of a CSV's lines, and its rows that broke a rule; raises `Mistake` where a column is missing."""
    lines, ragged = _read(file)
    with duckdb.connect(config={"threads": 2}) as engine:
        engine.register("lines", lines)
        engine.register("agents", _with_agents(lines))
        engine.execute(ROWS_SQL)
        broken = engine.sql("select line, reason, content from judged where reason is not null").to_arrow_table()
        ((repeated,),) = engine.sql("select count(*) from judged where reason is null and again > 1").fetchall()
        engine.execute(_CHUNKS_SQL, {"at_once": EVENTS_AT_ONCE})
        chunks = engine.sql("select distinct chunk from chosen order by chunk").fetchall() or [(0,)]
        kept = pa.concat_tables([_sessions_of(engine, chunk, tenant, buckets) for (chunk,) in chunks])
    quarantined = pa.concat_tables([broken, ragged.cast(broken.schema)])
    placed = arrow.conform(kept, SESSIONS).append_column("bucket", kept["bucket"])
    return CsvSessions(len(lines) + len(ragged), placed, repeated, quarantined)


def _sessions_of(engine: duckdb.DuckDBPyConnection, chunk: int, tenant: str, buckets: int) -> pa.Table:
    """The sessions of one chunk of `chosen`, whose events alone are in memory."""
    chosen = {"chunk": chunk}
    events = engine.sql(_events_sql(buckets), params={"property": tenant, **chosen}).to_arrow_table()
    engine.register("folded", fold.sessions(arrow.conform(events, EVENTS), threads=2))
    return engine.sql(_told_sql(buckets), params=chosen).to_arrow_table()


def _read(file: Iterable[str]) -> tuple[pa.Table, pa.Table]:
    """(rows as text with their line, rows with another number of cells)."""
    lines = enumerate((line if is_overlong(line) else line.replace("\0", "") for line in file), 1)
    delimiter, names = rows.header(lines, COLUMNS)
    whole, places, ragged = [], [], []
    for number, row, text in rows.rows(lines, delimiter):
        if isinstance(row, str):
            ragged.append((number, row, text[:LONGEST_KEPT].replace("\0", "")))
        elif not any(map(str.strip, row)):
            continue
        elif len(row) == len(names):
            whole.append(row)
            places.append(number)
        else:
            ragged.append((number, f"{len(row)} cells, not {len(names)}", text[:LONGEST_KEPT]))
    columns = list(zip(*whole, strict=True)) if whole else [()] * len(names)
    table = pa.table({name: pa.array(columns[names.index(name)], pa.string()) for name in COLUMNS})
    if delimiter == ";":
        table = _with_points(table)
    line, reason, content = zip(*ragged, strict=True) if ragged else ((), (), ())
    left = {
        "line": pa.array(line, pa.int64()),
        "reason": pa.array(reason, pa.string()),
        "content": pa.array(content, pa.string()),
    }
    return table.append_column("line", pa.array(places, pa.int64())), pa.table(left)


def _with_points(table: pa.Table) -> pa.Table:
    """Numbers with a point where they have a comma: where cells lie between semicolons, that is the decimal sign."""
    for place, name in enumerate(table.column_names):
        if name in NUMBERS:
            table = table.set_column(
                place, name, pc.replace_substring_regex(table[name], r"^([^,]*),([^,]*)$", r"\1.\2")
            )
    return table


def _with_agents(lines: pa.Table) -> pa.Table:
    """(user_agent, what the agent tells) of each distinct one: the data set's `os_version` holds agents."""
    distinct = [text for text in pc.unique(pc.utf8_trim_whitespace(lines["os_version"])).to_pylist() if text]
    known = [dict(agents.device_fields(text)) for text in distinct]
    columns = {name: pa.array([row.get(name) for row in known], pa.string()) for name in OF_AGENT}
    return pa.table({"agent": pa.array(distinct, pa.string()), **{f"agent_{n}": c for n, c in columns.items()}})


def _events_sql(buckets: int) -> str:
    """What a player would have said: the press, the start, playing cut by its stalls. Parts of a time add up to it."""
    context = (
        "user_id as viewer_id, coalesce(device_type, agent_device_type) as device_type, agent_os as os, "
        "agent_os_version as os_version, agent_browser as browser, agent_browser_version as browser_version, "
        "pieces.os_version as user_agent, app_version, network_type, country_code, isp, cdn_pop, content_id"
    )
    return f"""
{_steps_sql()}
select $property as property, session_id,
  row_number() over (partition by session_id order by step, part) + case when is_play and startup_time_ms is null
    then 1 else 0 end as seq,
  started + to_milliseconds(coalesce(sum(ms) over (partition by session_id order by step, part), 0)::bigint) as "at",
  type, state, ms as state_ms, case when state = 'playing' then bitrate_kbps end as bitrate_kbps,
  case when state = 'playing' then height end as height,
  case when step = 0 then frames_dropped else 0 end as dropped_frames,
  case when type = 'playback_start' and state = 'starting' then startup_time_ms end as startup_ms, {context},
  'import' as source, started as received_at, cast(started as date) as session_day,
  {bucket_sql("session_id", buckets)} as bucket
from said join pieces using (session_id) left join agents on pieces.os_version = agents.agent"""


def _steps_sql() -> str:
    """`pieces`: rows with their parts; `said`: what each says, step by step, as long as a player may be in a state."""
    return f"""with kept as (
  select * replace (case when rebuffer_duration_ms > 0 then greatest(rebuffer_count, 1) else rebuffer_count end
      as rebuffer_count),  -- its beginning was lost, and it took place all the same
    cast(round(session_duration_sec * 1000) as bigint) as session_ms,
    startup_time_ms is not null or bitrate_kbps is not null or resolution is not null as is_play
  from chosen where chunk = $chunk
),
timed as (
  select *, greatest(0, session_ms - coalesce(startup_time_ms, 0) - rebuffer_duration_ms) as play_ms,
    {HEIGHT_SQL} as height from kept
),
pieces as (
  select *, greatest(rebuffer_count, cast(ceil(play_ms / {PIECE_MS}) as bigint), 1) as parts,
    cast(ceil(session_ms / {PIECE_MS}) as bigint) as waits,
    cast(ceil(rebuffer_duration_ms / greatest(rebuffer_count, 1) / {PIECE_MS}) as bigint) as stall_parts
  from timed
),
said as (
  select session_id, 0 as step, 0 as part, 'playback_request' as type, 'idle' as state, 0 as ms from pieces
  union all select session_id, 1, 0, 'playback_start', 'starting', startup_time_ms
    from pieces where startup_time_ms is not null
  union all select session_id, 1, part, 'heartbeat', 'starting', {_share("session_ms", "waits", "part")}
    from (select *, unnest(range(waits)) as part from pieces where not is_play)
  union all select session_id, 2 + 2 * part, 0,
    case when part < rebuffer_count then 'playback_stall' else 'heartbeat' end,
    'playing', {_share("play_ms", "parts", "part")}
    from (select *, unnest(range(parts)) as part from pieces where is_play)
  union all select session_id, 3 + 2 * part, piece,
    case when piece = greatest(stall_parts, 1) - 1 then 'playback_start' else 'heartbeat' end, 'stalled',
    {_share(_share("rebuffer_duration_ms", "rebuffer_count", "part"), "greatest(stall_parts, 1)", "piece")}
    from (select *, unnest(range(greatest(stall_parts, 1))) as piece from (
      select *, unnest(range(rebuffer_count)) as part from pieces where is_play))
)"""


def _share(total: str, parts: str, part: str) -> str:
    """One of `parts` whole numbers that add up to the total."""
    return f"(({part} + 1) * ({total}) // nullif({parts}, 0) - {part} * ({total}) // nullif({parts}, 0))"


def _told_sql(buckets: int) -> str:
    """What a CSV cannot tell is null or 0: how a play ended, and how many events there were."""
    return f"""
select folded.* replace (
    case when is_play then null else close_reason end as close_reason, 0 as event_count, 0 as lost_events,
    null as content_startup_ms,
    coalesce(folded.bitrate_avg_kbps, judged.bitrate_kbps) as bitrate_avg_kbps,
    coalesce(folded.main_height, {HEIGHT_SQL}) as main_height,
    null as first_received_at, null as last_received_at, judged.started as started_at),
  {bucket_sql("folded.session_id", buckets)} as bucket
from folded join (select * from chosen where chunk = $chunk) as judged using (session_id)"""
