"""A console with marts to show: Postgres and console as children, filled by the simulator until soon."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.marts import LIVE_WINDOW, SESSION_MARTS
from qoescope.catalog.operations import DEAD_LETTERS, OUTCOMES, SESSION_ROWS, STREAM_PROGRESS
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.watch import INCIDENTS
from qoescope.compile import arrow
from qoescope.compile.cube import cube
from qoescope.compile.fold import sessions
from qoescope.connect import lake, postgres
from qoescope.connect.postgres import Write
from qoescope.emit.events import blocks
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import simulated
from qoescope.serve import jobs
from qoescope.settings import Settings
from qoescope.stack import assembly

SESSIONS, DAYS = 2_500, 2
UP_S = 120.0


@dataclass(frozen=True)
class Console:
    """A console that runs, who may sign in, and what is in it."""

    settings: Settings
    token: str
    session_id: str
    sessions: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.settings.console_port}"


@contextmanager
def console(folder: Path, count: int = SESSIONS, days: int = DAYS) -> Iterator[Console]:
    """Postgres and console with days of simulated viewers; people ada (admin) and ravi (reader of demo)."""
    settings = Settings(var=folder / "var", postgres_port=0, console_port=0, broker_port=0, airflow_port=0, door_port=0)
    with assembly.running(settings, ("postgres", "console")) as (here, children):
        children.wait(["postgres"], UP_S)
        session_id, count = filled(here, count, days)
        jobs.new_user(here, "ada", "admin", ["*"], "ada's password")
        jobs.new_user(here, "ravi", "reader", ["demo"], "ravi's password")
        token = jobs.new_token(here, "test", "demo", ["read", "export", "annotate"])
        children.wait(["console"], UP_S)
        yield Console(here, token, session_id, count)


def filled(settings: Settings, count: int, days: int) -> tuple[str, int]:
    """Marts, lake and books with something in them; a session that stalled, and how many there are."""
    now = datetime.now(UTC)
    length = days * 86_400_000
    until = now + timedelta(minutes=30)
    run = Scenario(sessions=count, begin_ms=int(until.timestamp() * 1000) - length, length_ms=length)
    told = pa.concat_tables(list(blocks(simulated(run, Load(run), run.numbers(0)))))
    if "property" not in told.column_names:
        told = told.append_column("property", pa.repeat(pa.scalar("demo"), len(told)))
    rows = sessions(told)
    stalled = rows.filter(pc.and_(pc.greater(rows["stall_count"], 1), pc.equal(rows["lost_events"], 0)))
    session_id = stalled["session_id"][0].as_py()
    examples = [session_id, *rows["session_id"][:9].to_pylist()]
    recent = told.filter(pc.greater(told["at"], pa.scalar(now - timedelta(minutes=40)).cast(told["at"].type)))
    with postgres.connect(settings, "writer") as connection, connection.transaction():
        for write in (
            Write(SESSION_ROWS, rows.append_column("written_at", pa.repeat(pa.scalar(now), len(rows)))),
            *(Write(mart.table, cube(rows, mart)) for mart in SESSION_MARTS),
            Write(LIVE_WINDOW.table, cube(recent, LIVE_WINDOW)),
            Write(INCIDENTS, pa.Table.from_pylist([incident(now, examples)], arrow.schema(INCIDENTS))),
            Write(OUTCOMES, books(now)),
            Write(DEAD_LETTERS, pa.Table.from_pylist([letter(now)], arrow.schema(DEAD_LETTERS))),
            Write(STREAM_PROGRESS, progress(now)),
        ):
            postgres.upsert(connection, write)
    one = told.filter(pc.equal(told["session_id"], session_id))
    lake.ensure(settings, (EVENTS,))
    first = one.group_by("seq").aggregate([("position", "min")]).num_rows
    once = pa.concat_tables(
        [one.filter(pc.equal(one["seq"], seq)).slice(0, 1) for seq in pc.unique(one["seq"]).to_pylist()]
    )
    assert len(once) == first
    files = [f for part in lake.partitions(arrow.conform(once, EVENTS)) for f in lake.write(settings, EVENTS, part)]
    lake.commit(lake.opened(settings, EVENTS), EVENTS, files, "test", 1)
    return session_id, len(rows)


QUERY = """select date_trunc('minute', started_at) as minute, sum(start_failures_technical) as sum_0,
  sum(attempts) as sum_1 from sessions
where "app_version" = 'v18.9.8' and "device_type" = 'web' group by 1 order by 1"""


def incident(now: datetime, examples: list[str]) -> dict[str, Any]:
    """One open incident as the monitor writes it."""
    onset = now.replace(second=0, microsecond=0) - timedelta(minutes=47)
    minutes = [onset + timedelta(minutes=m) for m in range(-20, 45)]
    chart = [
        {"at": m.isoformat(), "value": (0.31 if m >= onset else 0.021) * (1 + (m.minute * 37 % 11 - 5) / 40),
         "audience": 40.0} for m in minutes
    ]  # fmt: skip
    rival = {
        "slice": {"device_type": "web"},
        "score": 41.0,
        "excess": 200.0,
        "alone": 0.04,
        "reason": "outside v18.9.8 nothing changed",
    }
    said = (
        f"Since {onset:%H:%M}, 31 % of plays on web with v18.9.8 fail to start, 2.1 % is normal; 4,812 viewers so far."
    )
    return {
        "property": "demo", "id": "one", "version": 3, "source": "live", "state": "confirmed", "severity": "critical",
        "metrics": "start_failure_ratio", "slice": json.dumps({"device_type": "web", "app_version": "v18.9.8"}),
        "slice_name": "web with v18.9.8", "opened_at": onset + timedelta(minutes=3), "onset_at": onset,
        "confirmed_at": onset + timedelta(minutes=5), "last_seen_at": now, "closed_at": None, "actual": 0.31,
        "actual_low": 0.27, "actual_high": 0.35, "expected": 0.021, "lift": 14.8, "n": 812.0, "excess": 240.0,
        "affected_sessions": 5774, "viewers": 4812, "lost_watch_hours": 1491.7, "share": 0.93, "score": 88.0,
        "confidence": 0.9999, "persistence": 1.0, "story": said, "rivals": json.dumps([rival]),
        "sessions": json.dumps(examples), "query": QUERY, "chart": json.dumps(chart), "memory": "{}",
        "updated_at": now,
    }  # fmt: skip


def letter(now: datetime) -> dict[str, Any]:
    """A beacon that was not understood."""
    return {
        "kafka_partition": 0, "kafka_offset": 15, "property": "demo", "received_at": now - timedelta(minutes=9),
        "stage": "door", "reason": "malformed", "detail": "not JSON", "body": b"{not JSON",
        "count": 1, "replayed_at": None,
    }  # fmt: skip


def books(now: datetime) -> pa.Table:
    """A day of balanced books."""
    minute = now.replace(second=0, microsecond=0)
    rows = [
        {f.name: 0 for f in OUTCOMES.fields if f.type == "int"}
        | {"property": "demo", "minute_at": minute - timedelta(minutes=m), "received": 1030 + m % 90,
           "accepted": 1000 + m % 90, "duplicate": 28, "invalid": 2, "lake": 1000 + m % 90}
        for m in range(24 * 60)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, arrow.schema(OUTCOMES))


def progress(now: datetime) -> pa.Table:
    """Streams that keep up."""
    names = ("events", "live", "sessions")
    rows = [{"stream": n, "complete_until": now - timedelta(seconds=3), "version": 7, "updated_at": now} for n in names]
    return pa.Table.from_pylist(rows, arrow.schema(STREAM_PROGRESS))
