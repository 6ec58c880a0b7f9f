"""The gate: rules that a day's sessions must keep before they may go from the lake to the marts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.errors import Mistake
from qoescope.catalog.operations import CHECKS
from qoescope.compile import arrow
from qoescope.compile.duck import naive


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that rows must keep; `broken` is SQL over a session's row, `allowed` the share that may break it."""

    name: str
    doc: str
    broken: str
    allowed: float = 0.0


_TIMES = ("starting_ms", "play_ms", "ad_play_ms", "stall_ms", "seek_ms", "resume_ms", "paused_ms", "watched_ms")

RULES = (
    Rule("no_negative_time", "no time is negative", " or ".join(f"{name} < 0" for name in _TIMES)),
    Rule("watched_is_its_parts", "watched time is the sum of its states",
         "watched_ms <> starting_ms + play_ms + ad_play_ms + stall_ms + seek_ms + resume_ms"),
    Rule("one_outcome", "every attempt has exactly one outcome", "is_attempt and start_outcome is null"),
    Rule("played_means_play", "who played saw a frame", "(start_outcome = 'played') <> is_play and is_attempt"),
    Rule("stalls_have_time", "stalled time without a stall is rare: its start was lost",
         "stall_ms > 0 and stall_count = 0 and lost_events = 0", 0.01),
    Rule("scores_in_range", "scores lie between 0 and 100", "experience_score not between 0 and 100"),
    Rule("startup_in_range", "startup lies between 0 and five minutes", "startup_ms not between 0 and 300000"),
    Rule("few_lost_events", "few sessions lost more than a tenth of their events",
         "lost_events * 10 > event_count and source <> 'import'", 0.25),
    Rule("device_known", "devices are known", f"device_type = '{UNKNOWN}'", 0.25),
    Rule("no_longer_than_a_day", "no session is longer than a day", "session_ms > 86400000", 0.001),
)  # fmt: skip

FEW = 200
"""Below so many rows a share says little: a rule that allows a share is not held against them."""


class BrokenDay(Mistake):
    """A day that breaks a rule: it stays out of the marts, which keep what they had."""


def checked(rows: pa.Table, day: date, rules: Sequence[Rule] = RULES, now: datetime | None = None) -> pa.Table:
    """One row of `checks` a rule."""
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.register("rows", naive(rows))
        counts = ", ".join(f"count(*) filter (where {rule.broken})" for rule in rules)
        ((total, *broken),) = engine.sql(f"select count(*), {counts} from rows").fetchall()
    found = [
        {
            "day": day, "rule": rule.name, "rows": total, "broken": count, "allowed": rule.allowed,
            "passed": count <= rule.allowed * total or (rule.allowed > 0 and total < FEW),
            "checked_at": now or datetime.now(UTC),
        }
        for rule, count in zip(rules, broken, strict=True)
    ]  # fmt: skip
    return pa.Table.from_pylist(found, arrow.schema(CHECKS))


def complaint(checks: pa.Table) -> str | None:
    """The rules that were broken, in a line; None when all were kept."""
    docs = {rule.name: rule.doc for rule in RULES}
    broken = [row for row in checks.to_pylist() if not row["passed"]]
    if not broken:
        return None
    said = "; ".join(
        f"{row['rule']} ({docs[row['rule']]}): {row['broken']} of {row['rows']} sessions" for row in broken
    )
    return f"{broken[0]['day']} stays out of the marts, it breaks {said}"
