"""Poisons: days of simulated viewers, and what must never reach the people who read their numbers."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa

from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.connect.lake.reading import list_files
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import replace_parts, write_files
from qoescope.emit.events import blocks
from qoescope.emit.scenario import DAY_MS, Load, Scenario
from qoescope.emit.simulation import simulated
from qoescope.settings import Settings


def viewers(first: date, days: int, sessions: int) -> pa.Table:
    """Events of viewers over some days, each once; a day is one bucket, so that a restatement is one fold."""
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    run = Scenario(sessions, int(begin.timestamp() * 1000), days * DAY_MS, faults=())
    told = arrow.conform(pa.concat_tables(list(blocks(simulated(run, Load(run), run.numbers(0))))), EVENTS)
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        engine.register("told", told)
        return arrow.conform(
            engine.sql(
                "select distinct on (property, session_id, seq) * replace (0::bigint as bucket) from told"
            ).to_arrow_table(),
            EVENTS,
        )


def replaced(settings: Settings, day: date, events: pa.Table) -> None:
    """The lake has these events of the day, and no others."""
    delta = open_table(settings, EVENTS)
    buckets = sorted({f.bucket for f in list_files(delta, [day])} | set(events["bucket"].unique().to_pylist()))
    replace_parts(delta, EVENTS, day, buckets, write_files(settings, EVENTS, events), {})


def altered(events: pa.Table, name: str, sql: str) -> pa.Table:
    """The events with another value in a column."""
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        engine.register("events", events)
        return arrow.conform(engine.sql(f"select * replace ({sql} as {name}) from events").to_arrow_table(), EVENTS)


def half_without(events: pa.Table, name: str) -> pa.Table:
    """Half of the sessions do not say it."""
    return altered(events, name, f"case when hash(session_id) % 2 = 0 then {name} else 'unknown' end")


def flood(events: pa.Table) -> pa.Table:
    """Everything once more, under other names of sessions."""
    return pa.concat_tables([events, altered(events, "session_id", "session_id || '-again'")])


def slow(events: pa.Table) -> pa.Table:
    """Starts take ten times as long."""
    longer = altered(events, "state_ms", "case when state = 'starting' then 10 * state_ms else state_ms end")
    return altered(longer, "startup_ms", "10 * startup_ms")


POISONS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "content_id_filled": lambda events: half_without(events, "content_id"),
    "one_press_one_session": flood,
    "usual_startup_avg_ms": slow,
}
"""By the rule that each breaks."""
