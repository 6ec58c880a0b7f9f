"""SQL of sums, squares and products over viewers or sessions, for significance tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from qoescope.catalog.dimensions import DIMENSION_BY_NAME, UNKNOWN
from qoescope.catalog.errors import UnknownName
from qoescope.catalog.measures import ALL
from qoescope.catalog.metrics import Ratio
from qoescope.compile.ask import Between, Plan
from qoescope.compile.ddl import SCHEMA
from qoescope.compile.sketch import REGISTERS

BUCKETS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "startup_ms": ("startup_ms", (1000, 2000, 4000, 8000)),
    "stall_share": ("stall_ms / nullif(shown_ms, 0.0)", (1e-9, 0.002, 0.01, 0.03)),
    "stall_share_around": (
        "(around_stall_ms - stall_ms) / nullif(around_shown_ms - shown_ms, 0.0)",
        (0.0005, 0.001, 0.002, 0.005),
    ),
    "bitrate_avg_kbps": ("bitrate_avg_kbps", (800, 1500, 3000, 5000)),
}
"""What plays are bucketed by, and the buckets' edges. A play's own stall share depends on its length; that of the
others on the same provider and CDN on that day does not."""
_AROUND = ("isp", "cdn", "day")


def conditions(between: Between, where: Mapping[str, Sequence[str]]) -> tuple[list[str], dict[str, Any]]:
    """(conditions on sessions, their bound values) of a time range and of filters as `ask` takes them."""
    given: dict[str, Any] = {
        "from": between[0],
        "to": between[1],
        "first": between[0].date(),
        "last": between[1].date(),
    }
    found = ["day between %(first)s and %(last)s", "started_at >= %(from)s", "started_at < %(to)s"]
    for i, (name, values) in enumerate(where.items()):
        column = name.removeprefix("!")
        given[f"where_{i}"] = list(values)
        test = f"{dimension(column)} = any(%(where_{i})s)"
        found.append(f"not ({test})" if name.startswith("!") else test)
    return found, given


def dimension(name: str) -> str:
    """The dimension's value in a session's row, never null. Raises `UnknownName`."""
    if name not in DIMENSION_BY_NAME:
        raise UnknownName("dimension", name, DIMENSION_BY_NAME)
    return f"coalesce({name}, '{UNKNOWN}')"


def _each(names: Sequence[str]) -> str:
    """The sum of these measures over one session."""
    parts = []
    for name in names:
        measure = ALL[name]
        value = f"coalesce({measure.of}, 0)" if measure.of != "1" else "1"
        parts.append(f"case when {measure.where} then {value} else 0 end" if measure.where else value)
    return " + ".join(parts)


def arms(
    metrics: Sequence[Ratio],
    by: str,
    values: Sequence[str],
    between: Between,
    where: Mapping[str, Sequence[str]],
    share: float = 1.0,
) -> Plan:
    """By value of the dimension, the number of viewers, and per metric Σx, Σy, Σx², Σxy, Σy² over viewers.

    A viewer's x and y are the metric's two sums over their sessions; a session of an unknown viewer counts as a viewer.
    `share` samples that part of all viewers, by their hash.
    """
    tests, given = conditions(between, where)
    given |= {"values": list(values), "below": round(share * REGISTERS)}
    tests += [f"{dimension(by)} = any(%(values)s)", "is_attempt"]
    if share < 1:
        tests.append("(viewer_register >> 6) < %(below)s")
    sums = ", ".join(
        f"sum(({_each(of)})::double precision) as {name}{i}"
        for i, m in enumerate(metrics)
        for name, of in (("x", m.numerator), ("y", m.denominator))
    )
    moments = ", ".join(
        f"sum(x{i}) as x{i}, sum(y{i}) as y{i}, sum(x{i} * x{i}) as xx{i}, "
        f"sum(x{i} * y{i}) as xy{i}, sum(y{i} * y{i}) as yy{i}"
        for i in range(len(metrics))
    )
    unit = f"case when viewer_id = '{UNKNOWN}' then session_id else viewer_id end"
    sql = (
        f"with units as (select {dimension(by)} as arm, {unit} as unit, {sums} from {SCHEMA}.sessions "
        f"where {' and '.join(tests)} group by 1, 2) "
        f"select arm, count(*) as units, {moments} from units group by 1 order by 1"
    )
    return Plan("sessions", sql, given)


def watched_plays(
    held: Sequence[str], between: Between, where: Mapping[str, Sequence[str]], share: float = 1.0
) -> Plan:
    """Plays by bucket of each quality and by the dimensions `held`: number, minutes, squares, completions.

    One row a (quality, bucket, stratum), all from one scan; `share` samples that part of the table's pages.
    """
    tests, given = conditions(between, where)
    given |= {f"edges_{i}": [float(edge) for edge in edges] for i, (_, edges) in enumerate(BUCKETS.values())}
    sample = f" tablesample system ({100 * share:.3f}) repeatable (1)" if share < 1 else ""
    strata = ", ".join(f"{dimension(name)} as {name}" for name in held)
    buckets = ", ".join(
        f"width_bucket(({of})::double precision, %(edges_{i})s::double precision[]) as b{i}"
        for i, (of, _) in enumerate(BUCKETS.values())
    )
    names = ", ".join(held)
    sets = ", ".join(f"(b{i}, {names})" for i in range(len(BUCKETS)))
    chosen = " ".join(f"when grouping(b{i}) = 0 then '{name}'" for i, name in enumerate(BUCKETS))
    bucket = ", ".join(f"b{i}" for i in range(len(BUCKETS)))
    sql = f"""
with plays as materialized (
  select {", ".join(_AROUND)}, {strata}, startup_ms, bitrate_avg_kbps, is_complete,
    play_ms / 60000.0::double precision as minutes,
    stall_ms::double precision as stall_ms, (play_ms + ad_play_ms + stall_ms)::double precision as shown_ms
  from {SCHEMA}.sessions{sample} where {" and ".join(tests)} and is_play
), around as (
  select {", ".join(_AROUND)}, sum(stall_ms) as around_stall_ms, sum(shown_ms) as around_shown_ms
  from plays group by {", ".join(_AROUND)}
), bucketed as (
  select {", ".join(f"p.{name}" for name in held)}, minutes, is_complete, {buckets}
  from plays p join around using ({", ".join(_AROUND)})
)
select case {chosen} end as quality, coalesce({bucket}) as bucket, {names}, count(*) as plays, sum(minutes) as minutes,
  sum(minutes * minutes) as squares, count(*) filter (where is_complete) as completed, count(is_complete) as measured
from bucketed group by grouping sets ({sets})"""
    return Plan("sessions", sql, given)
