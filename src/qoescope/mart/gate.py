"""The quality gate: a day's sessions must keep the catalog's rules before they are published to the marts."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from statistics import median
from typing import Any

import duckdb
import pyarrow as pa

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.catalog.measures import ALL
from qoescope.catalog.quality import CHECKS, DAY_RULES, FEW, LEAST_DAYS, RULE_NAMES, SHRINKS, Rule, Share, Usual
from qoescope.compile import arrow
from qoescope.compile.duck import without_zone

IDENTITY = ("property", "session_id", "seq")
STORED = pa.schema([("property", pa.string()), ("session_id", pa.string()), ("repeated_events", pa.int64())])
"""Sessions that have events in the lake, and how many of their events are repeated."""
Usuals = Mapping[tuple[str, str], float]
"""By (property, rule)."""


class BrokenDay(Mistake):
    """A day breaks a rule: it is not published, and the marts keep what they had."""


def count_stored_events(events: pa.Table) -> pa.Table:
    """`STORED` of a part of the lake's events (columns `IDENTITY`), which holds all events of its sessions."""
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.register("events", events.select(list(IDENTITY)))
        result = engine.sql(
            "select property, session_id, count(*) - count(distinct seq) as repeated_events from events group by all"
        ).to_arrow_table()
    return result.cast(STORED)


def check_sessions(
    rows: pa.Table,
    day: date,
    stored: pa.Table | None = None,
    usual: Usuals | None = None,
    published: Mapping[str, int] | None = None,
    accepted: Collection[str] = (),
    now: datetime | None = None,
) -> pa.Table:
    """One row of `checks` a property and rule.

    `stored`: what `count_stored_events` gives; None leaves those rules out. `usual`: what `usual_values` gives.
    `published`: sessions of the day in the marts, by property. `accepted` names rules that may be broken. Raises
    `UnknownName` for a rule that does not exist.
    """
    for name in accepted:
        if name not in RULE_NAMES:
            raise UnknownName("rule", name, RULE_NAMES)
    at = now or datetime.now(UTC)
    outcomes = []
    for property_id, total, results in _evaluate_rules(rows, stored):
        judged = [
            _judge(rule, total, result, (usual or {}).get((property_id, rule.name)), day < at.date())
            for rule, result in zip(DAY_RULES, results, strict=True)
        ]
        outcomes += [{"property": property_id, **row} for row in judged]
    outcomes += _check_shrinkage(rows, published or {})
    for row in outcomes:
        row |= {"day": day, "checked_at": at, "passed": row["passed"] or row["rule"] in accepted}
    return pa.Table.from_pylist(outcomes, arrow.schema(CHECKS))


def _evaluate_rules(rows: pa.Table, stored: pa.Table | None) -> list[tuple[str, int, Sequence[Any]]]:
    """(property, sessions, each rule's counts: (among, broken) or (numerator, denominator))."""
    counted = ", ".join(f"[{_rule_sql(rule)}]::double[]" for rule in DAY_RULES)
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.register("given", without_zone(rows))
        engine.register("there", STORED.empty_table() if stored is None else stored)
        engine.execute("set preserve_insertion_order = false")
        result = engine.execute(
            f"""
with placed as (
  select *, row_number() over (partition by property, viewer_id, content_id, started_at,
    case when coalesce(viewer_id, 'unknown') = 'unknown' then session_id end) as press
  from given
),
known as (
  select placed.*, $compared and there.session_id is null as is_orphan,
    coalesce(there.repeated_events, 0) as repeated_events
  from placed left join there using (property, session_id)
)
select property, count(*), {counted} from known group by property order by property""",
            {"compared": stored is not None},
        ).fetchall()
    return [(name, total, results) for name, total, *results in result]


def _rule_sql(rule: Rule) -> str:
    if isinstance(rule, Share):
        return f"count(*) filter (where {rule.among}), count(*) filter (where ({rule.among}) and ({rule.broken}))"
    return f"{_sum(rule.numerator)}, {_sum(rule.denominator) if rule.denominator else '1'}"


def _sum(names: Sequence[str]) -> str:
    measures = [ALL[name] for name in names]
    return " + ".join(f"coalesce(sum({m.of}) filter (where {m.where or 'true'}), 0)" for m in measures)


def _judge(rule: Rule, total: int, result: Sequence[float], usual: float | None, over: bool) -> dict[str, Any]:
    """A rule's row of `checks`; too few sessions break it only if the day is `over`."""
    if isinstance(rule, Share):
        among, broken = map(int, result)
        value = broken / among if among else 0.0
        most = rule.allowed if usual is None or rule.rise is None else min(rule.allowed, usual + rule.rise)
        unsure = most > 0 and among < FEW
        return _row(rule, among, broken, most, value, usual, unsure or broken <= most * among)
    numerator, denominator = result
    metric = numerator * rule.times / denominator if denominator else None
    few = total < FEW and not (rule.kind == "volume" and usual is not None and usual >= FEW)
    passed = metric is None or usual is None or few or _is_alike(rule, metric, usual, over)
    return _row(rule, total, 0 if passed else total, rule.factor, metric, usual, passed)


def _is_alike(rule: Usual, value: float, usual: float, over: bool) -> bool:
    if max(abs(value), abs(usual)) < rule.least:
        return True
    too_little = rule.both and (over or rule.kind != "volume") and value * rule.factor < usual
    return value <= usual * rule.factor and not too_little


def _row(
    rule: Rule, rows: int, broken: int, allowed: float, value: float | None, usual: float | None, passed: bool
) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "rows": rows,
        "broken": broken,
        "allowed": allowed,
        "value": value,
        "usual": usual,
        "passed": passed,
    }


def _check_shrinkage(rows: pa.Table, published: Mapping[str, int]) -> list[dict[str, Any]]:
    counts: dict[str, int] = defaultdict(int)
    for part in rows.group_by("property").aggregate([([], "count_all")]).to_pylist():
        counts[part["property"]] = part["count_all"]
    gone = {name: max(0, count - counts[name]) for name, count in published.items()}
    return [
        {
            "property": name,
            **_row(
                SHRINKS,
                published[name],
                n,
                SHRINKS.allowed,
                n / published[name],
                None,
                published[name] < FEW or n <= SHRINKS.allowed * published[name],
            ),
        }
        for name, n in gone.items()
        if published[name]
    ]


def usual_values(past: pa.Table) -> Usuals:
    """The usual value of each rule: the median of the passed `checks` of earlier days, if there are enough."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in past.select(["property", "rule", "value", "passed"]).to_pylist():
        if row["passed"] and row["value"] is not None:
            values[row["property"], row["rule"]].append(row["value"])
    return {key: median(known) for key, known in values.items() if len(known) >= LEAST_DAYS}


def describe_failures(checks: pa.Table) -> str | None:
    """The broken rules in one line; None when all are kept."""
    docs = {rule.name: rule for rule in (*DAY_RULES, SHRINKS)}
    broken = [row for row in checks.to_pylist() if not row["passed"]]
    if not broken:
        return None
    failures = "; ".join(
        f"{row['rule']} ({docs[row['rule']].doc}): {_describe(row, docs[row['rule']])}" for row in broken
    )
    return f"{broken[0]['day']} stays out of the marts, it breaks {failures}"


def _describe(row: Mapping[str, Any], rule: Rule) -> str:
    if isinstance(rule, Share):
        return f"{row['broken']} of {row['rows']} sessions of {row['property']}"
    return f"{row['property']} has {row['value']:.4g}, usually {row['usual']:.4g}"
