"""Rules of the data set's CSV: its columns, what a cell can mean, and the SQL that judges each row."""

from qoescope.catalog.bounds import LONGEST_STATE_MS, MOST_DROPPED, MOST_KBPS, MOST_STALLS
from qoescope.catalog.data_set import COLUMNS, HEIGHTS

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
    (
        "rebuffering in a session that never started",
        "startup_time_ms is null and bitrate_kbps is null and (rebuffer_count > 0 or rebuffer_duration_ms > 0)",
    ),
    ("resolution is unknown", f"resolution is not null and resolution not in {tuple(HEIGHTS)}"),
    ("hour is another than in timestamp", "hour not in (hour(started), hour(wall))"),
    ("day_of_week is another than in timestamp", "day_of_week not in (isodow(started) - 1, isodow(wall) - 1)"),
)
"""(reason, SQL that is true of a row that breaks the rule); the first that applies is the reason given."""

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
    number = f"try_cast({text} as double)"
    return f"case when isfinite({number}) then least(greatest({number}, -{_GREATEST}), {_GREATEST}) end"


ROWS_SQL = f"""
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
