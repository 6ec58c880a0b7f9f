"""A console with marts to show: a month of the simulator's viewers until soon, made once, for each module a copy."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from qoescope.catalog.marts import LIVE_WINDOW, SESSION_MARTS
from qoescope.catalog.operations import DEAD_LETTERS, OUTCOMES, SESSION_ROWS, STREAM_PROGRESS, UNKNOWN_FIELDS
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.watch import INCIDENTS
from qoescope.compile import arrow
from qoescope.compile.cube import cube
from qoescope.compile.fold import sessions
from qoescope.connect import postgres
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import commit_files, split_parts, write_files
from qoescope.connect.postgres import Write
from qoescope.emit.events import blocks
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import simulated
from qoescope.serve.jobs import accounts
from qoescope.settings import Settings
from qoescope.stack import assembly

SESSIONS, DAYS = 100_000, 30
LASTS = timedelta(hours=2)
"""So long after they were filled the marts still have a present, which live numbers show."""
UP_S = 300.0


@dataclass(frozen=True)
class Marts:
    """A stack's folder, filled and at rest: each module has a console on a copy of its own."""

    var: Path
    token: str
    session_id: str
    """A session that stalled, with its events in the lake."""
    sessions: Path
    """Every session as it was folded, in one Parquet file."""
    count: int


@dataclass(frozen=True)
class Console:
    """A console that runs, and what is in it; people are ada (admin) and ravi (reader of demo)."""

    settings: Settings
    marts: Marts

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.settings.console_port}"


def placed(var: Path, **more: Any) -> Settings:
    """Settings of a stack in this folder, on ports that are free."""
    return Settings(var=var, postgres_port=0, console_port=0, broker_port=0, airflow_port=0, door_port=0, **more)


def made(folder: Path) -> Marts:
    """Days of simulated viewers with all the simulator's faults, in a stack that was stopped again."""
    with assembly.run_parts(placed(folder / "var"), ("postgres",)) as (here, children):
        children.wait(["postgres"], UP_S)
        path = folder / "sessions.parquet"
        session_id, count = filled(here, path)
        accounts.new_user(here, "ada", "admin", ["*"], "ada's password")
        accounts.new_user(here, "ravi", "reader", ["demo"], "ravi's password")
        token = accounts.new_token(here, "test", "demo", ["read", "export", "annotate"])
    return Marts(folder / "var", token, session_id, path, count)


@contextmanager
def console(marts: Marts, folder: Path, *beside: str, **more: Any) -> Iterator[Console]:
    """Postgres and console, and what is to run beside them, on a copy of the marts."""
    subprocess.run(["/bin/cp", "-a", "--reflink=auto", str(marts.var), str(folder / "var")], check=True)
    names = ("postgres", "console", *beside)
    with assembly.run_parts(placed(folder / "var", **more), names) as (here, children):
        children.wait(names, UP_S)
        yield Console(here, marts)
    shutil.rmtree(folder / "var")


def filled(settings: Settings, path: Path, count: int = SESSIONS, days: int = DAYS) -> tuple[str, int]:
    """Marts, lake and books with something in them; a session that stalled, and how many there are."""
    now = datetime.now(UTC)
    length, until = days * 86_400_000, now + LASTS
    run = Scenario(sessions=count, begin_ms=int(until.timestamp() * 1000) - length, length_ms=length)
    load = Load(run)
    folded: list[pa.Table] = []
    for chunk in range(run.chunks):
        for told in blocks(simulated(run, load, run.numbers(chunk))):
            folded.append(sessions(told))
            newest = told
    rows = pa.concat_tables(folded)
    pq.write_table(rows, path)
    over = pc.less(folded[-1]["started_at"], pa.scalar(now - timedelta(hours=1)).cast(folded[-1]["started_at"].type))
    late = folded[-1].filter(over).sort_by([("started_at", "descending")])
    stalled = late.filter(pc.and_(pc.greater(late["stall_count"], 1), pc.equal(late["lost_events"], 0)))
    session_id = stalled["session_id"][0].as_py()
    examples = [session_id, *late["session_id"][:9].to_pylist()]
    recent = newest.filter(pc.greater(newest["at"], pa.scalar(now - timedelta(minutes=40)).cast(newest["at"].type)))
    with postgres.connect(settings, "writer") as connection, connection.transaction():
        for write in (
            Write(SESSION_ROWS, rows.append_column("written_at", pa.repeat(pa.scalar(now), len(rows)))),
            *(Write(mart.table, cube(rows, mart)) for mart in SESSION_MARTS),
            Write(LIVE_WINDOW.table, cube(recent, LIVE_WINDOW)),
            Write(INCIDENTS, pa.Table.from_pylist([incident(now, examples)], arrow.schema(INCIDENTS))),
            Write(OUTCOMES, books(now)),
            Write(DEAD_LETTERS, pa.Table.from_pylist(letters(now), arrow.schema(DEAD_LETTERS))),
            Write(UNKNOWN_FIELDS, pa.Table.from_pylist(unknown_values(now), arrow.schema(UNKNOWN_FIELDS))),
            Write(STREAM_PROGRESS, progress(now)),
        ):
            postgres.upsert(connection, write)
    ensure_tables(settings, (EVENTS,))
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        engine.register("newest", arrow.conform(newest, EVENTS))
        once = engine.sql("select distinct on (property, session_id, seq) * from newest").to_arrow_table()
    files = [f for part in split_parts(arrow.conform(once, EVENTS)) for f in write_files(settings, EVENTS, part)]
    commit_files(open_table(settings, EVENTS), EVENTS, files, "test", 1)
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


LONG = "a text of more than 4096 bytes"


def letters(now: datetime) -> list[dict[str, Any]]:
    """Beacons that were not understood: one that never will be, and one of a player whose texts were too long."""
    event = {"seq": 1, "at": int(now.timestamp() * 1000), "type": "playback_request", "state": "idle", "state_ms": 0}
    sent = {"session": {"session_id": "long", "device_type": "web"}, "events": [{**event, "note": "x" * 5_000}]}
    return [
        {"kafka_partition": 0, "kafka_offset": 15 + i, "property": "demo", "received_at": now - timedelta(minutes=9),
         "stage": "door", "reason": reason, "detail": detail, "body": body, "count": 1, "replayed_at": None}
        for i, (reason, detail, body) in enumerate([
            ("malformed", "not JSON", b"{not JSON"), (LONG, "note", json.dumps(sent).encode()),
        ])
    ]  # fmt: skip


UNKNOWN = {"content_duration_ms": 5, "cmcd:msd": 3, "of_an_older_version": 1}
"""Values a minute that could not be meant, by field, in each of the last ten minutes, and twelve hours ago once."""


def unknown_values(now: datetime) -> list[dict[str, Any]]:
    """A player's sentinels, of demo and of a neighbour."""
    minute = now.replace(second=0, microsecond=0)
    ages = [*range(1, 11), 12 * 60]
    return [
        {"property": property_id, "minute_at": minute - timedelta(minutes=age), "field": name, "count": count}
        for property_id, fields in (("demo", UNKNOWN), ("neighbour", {"width": 9}))
        for name, count in fields.items()
        for age in ages
    ]


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
