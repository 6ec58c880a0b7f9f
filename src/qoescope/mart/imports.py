"""Imports: the data set's CSV as session rows. Each row is told as a player would, and measured by the one fold."""

import csv
from dataclasses import dataclass
from typing import TextIO

import duckdb
import pyarrow as pa

from qoescope.catalog.bounds import LONGEST_STATE_MS, MOST_DROPPED, MOST_KBPS, MOST_STALLS
from qoescope.catalog.errors import Mistake
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.compile import arrow, fold
from qoescope.compile.buckets import bucket_sql
from qoescope.mart import csv_rows

COLUMNS = (
    "session_id", "user_id", "timestamp", "device_type", "os_version", "app_version", "content_id", "startup_time_ms",
    "rebuffer_count", "rebuffer_duration_ms", "bitrate_kbps", "resolution", "frames_dropped", "session_duration_sec",
    "network_type", "country_code", "isp", "cdn_pop", "hour", "day_of_week",
)  # fmt: skip
HEIGHTS = {"4K": 2160, "1080p": 1080, "720p": 720, "480p": 480}
PIECE_MS = 240_000
"""Longest interval that a row is told in: a longer one would be taken for a sleeping device."""

_WHOLE = ("startup_time_ms", "rebuffer_count", "rebuffer_duration_ms", "bitrate_kbps", "frames_dropped")
_NUMBERS = (*_WHOLE, "session_duration_sec", "hour", "day_of_week")
_NEEDED = ("rebuffer_count", "rebuffer_duration_ms", "frames_dropped", "session_duration_sec")

MOST = {
    "startup_time_ms": LONGEST_STATE_MS,
    "rebuffer_count": MOST_STALLS,
    "rebuffer_duration_ms": LONGEST_STATE_MS,
    "bitrate_kbps": MOST_KBPS,
    "frames_dropped": MOST_DROPPED,
    "session_duration_sec": LONGEST_STATE_MS // 1000,
}
"""What a cell can mean at most."""

RULES: tuple[tuple[str, str], ...] = (
    ("session_id is empty or too long", "coalesce(length(session_id), 0) not between 1 and 200"),
    ("timestamp is not a time", "started is null or year(started) not between 1990 and 2099"),
    *((f"{name} is not a number", f"given_{name} is not null and {name} is null") for name in _NUMBERS),
    *((f"{name} is empty", f"given_{name} is null") for name in _NEEDED),
    *((f"{name} is negative", f"{name} < 0") for name in _NUMBERS),
    *((f"{name} is beyond all reason", f"{name} > {most}") for name, most in MOST.items()),
    ("rebuffering in a session that never started",
     "startup_time_ms is null and bitrate_kbps is null and (rebuffer_count > 0 or rebuffer_duration_ms > 0)"),
    ("resolution is unknown", f"resolution is not null and resolution not in {tuple(HEIGHTS)}"),
    ("hour is another than in timestamp", "hour not in (hour(started), hour(wall))"),
    ("day_of_week is another than in timestamp", "day_of_week not in (isodow(started) - 1, isodow(wall) - 1)"),
)  # fmt: skip
"""(reason, SQL that is true of a row that breaks the rule); the first that applies is the reason given."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A file, taken apart."""

    rows: int
    sessions: pa.Table
    """Rows of the catalog's `sessions`, each session once, with `bucket` beside."""
    repeated: int
    quarantined: pa.Table
    """(line, reason, content)."""


def imported(file: TextIO, tenant: str, buckets: int) -> Imported:
    """The sessions of a CSV, and its rows that broke a rule. Raises `Mistake` for other columns than the data set's."""
    lines, ragged = _read(file)
    with duckdb.connect(config={"threads": 2}) as engine:
        engine.register("lines", lines)
        engine.execute(_ROWS_SQL)
        broken = engine.sql("select line, reason, content from judged where reason is not null").to_arrow_table()
        ((repeated,),) = engine.sql("select count(*) from judged where reason is null and again > 1").fetchall()
        events = engine.sql(_events_sql(buckets), params={"property": tenant}).to_arrow_table()
        sessions = fold.sessions(arrow.conform(events, EVENTS), threads=2)
        engine.register("folded", sessions)
        kept = engine.sql(_told_sql(buckets)).to_arrow_table()
    quarantined = pa.concat_tables([broken, ragged.cast(broken.schema)])
    rows = arrow.conform(kept, SESSIONS).append_column("bucket", kept["bucket"])
    return Imported(len(lines) + len(ragged), rows, repeated, quarantined)


def _read(file: TextIO) -> tuple[pa.Table, pa.Table]:
    """(rows as text with their line, rows with another number of cells)."""
    lines = enumerate((line.replace("\0", "") for line in file), 1)
    header = next(csv.reader([next(lines, (0, ""))[1].removeprefix("\ufeff")]), [])
    if tuple(name.strip() for name in header) != COLUMNS:
        missing = [name for name in COLUMNS if name not in header]
        raise Mistake(
            "this is no streaming telemetry: its first line must name "
            + (f"{', '.join(missing)}, too" if missing else f"exactly {', '.join(COLUMNS)}, in this order")
        )
    rows, places, ragged = [], [], []
    for number, row, text in csv_rows.rows(lines):
        if isinstance(row, str):
            ragged.append((number, row, text[:4096]))
        elif len(row) == len(COLUMNS):
            rows.append(row)
            places.append(number)
        elif row:
            ragged.append((number, f"{len(row)} cells, not {len(COLUMNS)}", text[:4096]))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(COLUMNS)
    table = pa.table({name: pa.array(c, pa.string()) for name, c in zip(COLUMNS, columns, strict=True)})
    line, reason, content = zip(*ragged, strict=True) if ragged else ((), (), ())
    left = {
        "line": pa.array(line, pa.int64()),
        "reason": pa.array(reason, pa.string()),
        "content": pa.array(content, pa.string()),
    }
    return table.append_column("line", pa.array(places, pa.int64())), pa.table(left)


_TEXTS = [name for name in COLUMNS if name not in _NUMBERS and name != "timestamp"]
_ZONE = r"\s*(?:[Zz]|UTC|GMT|([+-])(0[0-9]|1[0-4]):?([0-5][0-9])?)$"
"""What may follow a time: how far it is from UTC. A time without it is UTC."""
_FORM = r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?"
"""A day, or a time of it. The engine alone would also read the name of a zone, and drop it."""
_WALL = f"case when contains(told, ':') then regexp_replace(told, '{_ZONE}', '') else told end"
_OFFSET = f"case when contains(told, ':') then regexp_extract(told, '{_ZONE}', ['sign', 'hours', 'minutes']) end"
_GREATEST = 1e15


def _number(text: str) -> str:
    """The number in a text, as far as 64 bits go; null for what is none, NaN and infinity among them."""
    said = f"try_cast({text} as double)"
    return f"case when isfinite({said}) then least(greatest({said}, -{_GREATEST}), {_GREATEST}) end"


_ROWS_SQL = f"""
create temp table judged as
with given as (
  select line, concat_ws(',', {", ".join(f'"{n}"' for n in COLUMNS)}) as content,
    case when regexp_full_match({_WALL}, '{_FORM}') then try_cast({_WALL} as timestamp) end as wall, {_OFFSET} as zone,
    {", ".join(f"nullif(trim({name}), '') as {name}" for name in _TEXTS)},
    {", ".join(f"nullif(trim({name}), '') as given_{name}" for name in _NUMBERS)}
  from (select *, trim("timestamp") as told from lines)
),
known as (
  select *, {
    ", ".join(
        f"{_number(f'given_{name}')} as {name}"
        if name == "session_duration_sec"
        else f"cast(round({_number(f'given_{name}')}) as bigint) as {name}"
        for name in _NUMBERS
    )
},
    wall - to_minutes(coalesce(try_cast(zone.sign || '1' as bigint), 1)
      * (60 * coalesce(try_cast(zone.hours as bigint), 0) + coalesce(try_cast(nullif(zone.minutes, '') as bigint), 0)))
      as started
  from given
)
select *, case {" ".join(f"when {broken} then '{reason}'" for reason, broken in RULES)} end as reason,
  row_number() over (partition by session_id, reason is null order by line) as again
from known"""


def _events_sql(buckets: int) -> str:
    """What a player would have said: the press, the start, playing cut by its stalls. Parts of a time add up to it."""
    context = (
        "user_id as viewer_id, device_type, os_version as user_agent, app_version, network_type, country_code, isp, "
        "cdn_pop, content_id"
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
from said join pieces using (session_id)"""


def _steps_sql() -> str:
    """`pieces`: rows with their parts; `said`: what each says, step by step, as long as a player may be in a state."""
    cases = " ".join(f"when '{name}' then {height}" for name, height in HEIGHTS.items())
    return f"""with kept as (
  select * replace (case when rebuffer_duration_ms > 0 then greatest(rebuffer_count, 1) else rebuffer_count end
      as rebuffer_count),  -- its beginning was lost, and it took place all the same
    cast(round(session_duration_sec * 1000) as bigint) as session_ms,
    startup_time_ms is not null or bitrate_kbps is not null or resolution is not null as is_play
  from judged where reason is null and again = 1
),
timed as (
  select *, greatest(0, session_ms - coalesce(startup_time_ms, 0) - rebuffer_duration_ms) as play_ms,
    case resolution {cases} end as height from kept
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
    coalesce(folded.bitrate_avg_kbps, judged.bitrate_kbps) as bitrate_avg_kbps,
    null as first_received_at, null as last_received_at, judged.started as started_at),
  {bucket_sql("folded.session_id", buckets)} as bucket
from folded join (select * from judged where reason is null and again = 1) as judged using (session_id)"""
