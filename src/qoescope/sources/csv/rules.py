"""Rules of the data set's CSV: its columns, what a cell can mean, and the SQL that judges each row."""

import pycountry

from qoescope.catalog.bounds import LONGEST_STATE_MS, MOST_DROPPED, MOST_KBPS, MOST_PIXELS, MOST_STALLS
from qoescope.catalog.data_set import COLUMNS, HEIGHTS
from qoescope.catalog.dimensions import DIMENSION_BY_NAME

_COUNTS = ("rebuffer_count", "frames_dropped", "hour", "day_of_week")
_ROUNDED = ("startup_time_ms", "rebuffer_duration_ms", "bitrate_kbps")
_WHOLE = (*_COUNTS, *_ROUNDED)
NUMBERS = (*_WHOLE, "session_duration_sec")
_NEEDED = ("rebuffer_count", "rebuffer_duration_ms", "frames_dropped", "session_duration_sec")
ROUNDED_BY_MS = 1000
"""A session's length is told in seconds."""

MOST = {
    "startup_time_ms": LONGEST_STATE_MS,
    "rebuffer_count": MOST_STALLS,
    "rebuffer_duration_ms": LONGEST_STATE_MS,
    "bitrate_kbps": MOST_KBPS,
    "frames_dropped": MOST_DROPPED,
    "session_duration_sec": LONGEST_STATE_MS // 1000,
}
"""What a cell can mean at most."""

_HEIGHTS_BY_NAME = " ".join(f"when '{name.lower()}' then {height}" for name, height in HEIGHTS.items())
_LINES = r"^(?:[0-9]+\s*x\s*)?([0-9]{2,5})p?$"
"""A resolution by its lines, or by width and lines."""
HEIGHT_SQL = (
    f"case lower(resolution) {_HEIGHTS_BY_NAME} "
    f"else try_cast(regexp_extract(lower(resolution), '{_LINES}', 1) as bigint) end"
)

RULES: tuple[tuple[str, str], ...] = (
    ("session_id is empty or too long", "coalesce(length(session_id), 0) not between 1 and 200"),
    ("timestamp is not a time", "started is null or year(started) not between 1990 and 2099"),
    *((f"{name} is not a number", f"given_{name} is not null and {name} is null") for name in NUMBERS),
    *((f"{name} is not a whole number", f"{name} <> try_cast(given_{name} as double)") for name in _COUNTS),
    *((f"{name} is empty", f"given_{name} is null") for name in _NEEDED),
    *((f"{name} is negative", f"{name} < 0") for name in NUMBERS),
    *((f"{name} is beyond all reason", f"{name} > {most}") for name, most in MOST.items()),
    (
        "rebuffering in a session that never started",
        "startup_time_ms is null and bitrate_kbps is null and (rebuffer_count > 0 or rebuffer_duration_ms > 0)",
    ),
    (
        "rebuffering is longer than the session",
        f"rebuffer_duration_ms > session_duration_sec * 1000 + {ROUNDED_BY_MS}",
    ),
    (
        "resolution is unknown",
        f"resolution is not null and coalesce({HEIGHT_SQL}, 0) not between 1 and {MOST_PIXELS}",
    ),
    ("hour is another than in timestamp", "hour not in (hour(started), hour(wall))"),
    ("day_of_week is another than in timestamp", "day_of_week not in (isodow(started) - 1, isodow(wall) - 1)"),
)
"""(reason, SQL that is true of a row that breaks the rule); the first that applies is the reason given."""

_TEXTS = [name for name in COLUMNS if name not in NUMBERS and name != "timestamp"]
_NO_TEXT = ("\\n", "null")
_NO_NUMBER = (*_NO_TEXT, "na", "n/a", "<na>", "#n/a", "none", "nil", "-")
"""What exporters write for nothing, in lower case; as a text, NA is a country and none is a word."""
_COUNTRIES = tuple(country.alpha_2 for country in pycountry.countries)
_ZONE = r"\s*(?:[Zz]|UTC|GMT|([+-])(0[0-9]|1[0-4]):?([0-5][0-9])?)$"
"""What may follow a time: how far it is from UTC. A time without it is UTC."""
_FORM = r"\d{4}-\d{1,2}-\d{1,2}([Tt ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?)?"
"""A day, or a time of it. The engine alone would also read the name of a zone, and drop it."""
_FINER = r"([.,]\d{1,6})\d*$"
"""Parts of a second; the engine has microseconds."""
_WALL = (
    f"case when contains(told, ':') then translate(regexp_replace(regexp_replace(told, '{_ZONE}', ''), "
    rf"'{_FINER}', '\1'), 't,', 'T.') else told end"
)
_OFFSET = f"case when contains(told, ':') then regexp_extract(told, '{_ZONE}', ['sign', 'hours', 'minutes']) end"
_EPOCH = r"\d{10}(\.\d+)?|\d{13}(\.\d+)?|\d{16}"
"""Seconds, milliseconds or microseconds since 1970, of our time."""
_GREATEST = 1e15


def _number(text: str) -> str:
    """The number in a text, as far as 64 bits go; null for what is none, NaN and infinity among them."""
    number = f"try_cast({text} as double)"
    bounded = f"least(greatest({number}, -{_GREATEST}), {_GREATEST})"
    return f"case when isfinite({number}) and not contains({text}, '_') then {bounded} end"


def _given(name: str, nothing: tuple[str, ...]) -> str:
    """The cell without spaces around it; null where it says nothing."""
    words = ", ".join(f"'{word}'" for word in ("", *nothing))
    return f"case when lower(trim({name})) not in ({words}) then trim({name}) end"


def _text(name: str) -> str:
    """The cell as the catalog spells its values."""
    given = _given(name, _NO_TEXT)
    dimension = DIMENSION_BY_NAME.get(name)
    if name == "country_code":
        return f"case when upper({given}) in {_COUNTRIES} then upper({given}) end"
    if name == "isp":
        return f"lower({given})"
    if dimension is None or not dimension.values:
        return given
    word = f"replace(replace(lower({given}), ' ', '_'), '-', '_')"
    other = "'other'" if "other" in dimension.values else "null"
    return (
        f"case when {word} in {dimension.values} then {word} "
        f"when {given} is not null and {word} <> 'unknown' then {other} end"
    )


def _known(name: str) -> str:
    value = _number(f"given_{name}")
    return f"{value} as {name}" if name == "session_duration_sec" else f"cast(round({value}) as bigint) as {name}"


ROWS_SQL = f"""
create temp table judged as
with given as (
  select line, concat_ws(',', {", ".join(f'"{n}"' for n in COLUMNS)}) as content,
    case when regexp_full_match(told, '{_EPOCH}')
        then make_timestamp(cast(cast(told as double) * power(10, 16 - length(split_part(told, '.', 1))) as bigint))
      when regexp_full_match({_WALL}, '{_FORM}') then try_cast({_WALL} as timestamp) end as wall, {_OFFSET} as zone,
    {", ".join(f"{_text(name)} as {name}" for name in _TEXTS)},
    {", ".join(f"{_given(name, _NO_NUMBER)} as given_{name}" for name in NUMBERS)}
  from (select *, trim("timestamp") as told from lines)
),
known as (
  select *, {", ".join(map(_known, NUMBERS))},
    wall - to_minutes(coalesce(try_cast(zone.sign || '1' as bigint), 1)
      * (60 * coalesce(try_cast(zone.hours as bigint), 0) + coalesce(try_cast(nullif(zone.minutes, '') as bigint), 0)))
      as started
  from given
)
select *, case {" ".join(f"when {broken} then '{reason}'" for reason, broken in RULES)} end as reason,
  row_number() over (partition by session_id, reason is null order by line) as again
from known"""
