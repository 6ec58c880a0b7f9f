"""How fast people are answered: API, pages and the marts behind them, beside the same questions over single sessions.

`python bench/serve.py --sessions 200000 --days 30` starts a Postgres and a console of its own, fills them with viewers
of the simulator and prints one line a question: median and 95th percentile in milliseconds, and how much longer the
peers take over single sessions: Postgres itself, and DuckDB on a file with the same rows. Of pages also how long the
first answer took; the others may be given again for a moment, as they are to people. Then the questions once more, by
twenty people at once who never pause: all about the same days, and each about days of their own.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.marts import LIVE_WINDOW, QUALITY_DAY, QUALITY_HOUR
from qoescope.catalog.operations import SESSION_ROWS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.compile import ask as compiled
from qoescope.compile.buckets import bucket_sql
from qoescope.compile.cube import cube
from qoescope.compile.fold import sessions
from qoescope.connect import postgres, records
from qoescope.connect.ask import ask
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.connect.postgres import Write
from qoescope.emit.events import blocks
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import simulated
from qoescope.serve.jobs import accounts
from qoescope.serve.store.store import open_store
from qoescope.settings import Settings
from qoescope.stack import assembly

UP_S = 120.0
CROWD, ROUNDS = 20, 5
LEAST_DAYS = 10
TILES = (
    "plays",
    "viewers",
    "startup_p50_ms",
    "startup_p95_ms",
    "rebuffer_ratio",
    "experience_score",
    "good_session_ratio",
)
QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("seven metrics, whole range", {"metrics": TILES}),
    ("seven metrics by day", {"metrics": TILES, "every": "day"}),
    ("one metric by hour", {"metrics": ("rebuffer_ratio",), "every": "hour"}),
    ("three metrics by provider", {"metrics": ("plays", "rebuffer_ratio", "startup_p95_ms"), "by": ("isp",)}),
    ("three metrics by content", {"metrics": ("plays", "rebuffer_ratio", "startup_p95_ms"), "by": ("content_id",)}),
    ("one metric by device, one country",
     {"metrics": ("good_session_ratio",), "by": ("device_type",), "where": {"country_code": ["US"]}}),
)  # fmt: skip
IN_DUCKDB = {
    "plays": "count_if(is_play)",
    "viewers": "approx_count_distinct(viewer_id)",
    "startup_p50_ms": "quantile_cont(startup_ms, 0.5)",
    "startup_p95_ms": "quantile_cont(startup_ms, 0.95)",
    "rebuffer_ratio": "sum(stall_ms) / sum(watched_ms)",
    "experience_score": "avg(experience_score)",
    "good_session_ratio": "count_if(is_good) / count(is_good)",
    "ebvs_ratio": "count_if(start_outcome = 'exited') / count_if(is_attempt)",
    "start_failure_ratio": "count_if(start_outcome = 'failed_technical') / count_if(is_attempt)",
    "startup_unknown_ratio": "count_if(is_play and startup_ms is null) / count_if(is_play)",
}
"""The metrics as one asks DuckDB for them."""
PAGES = (
    "/",
    "/live",
    "/explore",
    "/explore?by=isp&m=startup_p95_ms",
    "/sessions",
    "/engagement",
    "/experiments",
    "/incidents",
    "/health",
)


def filled(settings: Settings, count: int, days: float, beside: duckdb.DuckDBPyConnection) -> str:
    """A range of simulated viewers until now, in sessions and marts, and the same sessions in DuckDB.

    Live windows and the lake hold the newest of their events. Answers one of the sessions of which it holds all.
    """
    length, until = int(days * 86_400_000), datetime.now(UTC)
    run = Scenario(sessions=count, begin_ms=int(until.timestamp() * 1000) - length, length_ms=length)
    load = Load(run)
    with postgres.connect(settings, "writer") as connection:
        for chunk in range(run.chunks):
            for told in blocks(simulated(run, load, run.numbers(chunk))):
                rows = sessions(told)
                beside.register("folded", rows)
                beside.execute("create table if not exists sessions as from folded limit 0")
                beside.execute("insert into sessions from folded")
                with connection.transaction():
                    postgres.upsert(
                        connection,
                        Write(SESSION_ROWS, rows.append_column("written_at", pa.repeat(pa.scalar(until), len(rows)))),
                    )
                    for mart in (QUALITY_HOUR, QUALITY_DAY):
                        postgres.upsert(connection, Write(mart.table, cube(rows, mart)))
        recent = told.filter(pc.greater(told["at"], pa.scalar(until - timedelta(hours=1)).cast(told["at"].type)))
        with connection.transaction():
            postgres.upsert(connection, Write(LIVE_WINDOW.table, cube(recent, LIVE_WINDOW)))
    beside.register("newest", told)
    placed = f"select * replace ({bucket_sql('session_id', settings.lake_buckets)} as bucket) from newest"  # noqa: S608
    events = arrow.conform(beside.sql(placed).to_arrow_table(), EVENTS)
    ensure_tables(settings, (EVENTS,))
    append_files(open_table(settings, EVENTS), EVENTS, write_files(settings, EVENTS, events), {})
    identity: str = rows["session_id"][0].as_py()
    return identity


def once(work: Callable[[], object]) -> float:
    """How long the work takes, in milliseconds."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def timed(work: Callable[[], object], times: int) -> list[float]:
    """The first try's time, and then those of the others."""
    return [once(work) for _ in range(times + 1)]


def told(what: str, taken: list[float], **peers: list[float]) -> None:
    """One line of the result; the first try stands for itself."""
    first, *later = taken
    median, p95 = statistics.median(later), sorted(later)[max(0, round(0.95 * len(later)) - 1)]
    slow = {name: statistics.median(times[1:]) for name, times in peers.items()}
    beside = [f"{name.replace('_', ' ')} {took:8.1f} ({took / median:,.1f}x)" for name, took in slow.items()]
    print(f"{what:44} median {median:8.1f} ms   p95 {p95:8.1f} ms   {'   '.join(beside) or f'first {first:8.1f} ms'}")


def main() -> None:
    """Fills, asks, and says how long it took."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--sessions", type=int, default=100_000)
    options.add_argument("--days", type=float, default=30.0)
    options.add_argument("--times", type=int, default=20)
    given = options.parse_args()
    if given.days < LEAST_DAYS:
        options.error(f"--days must be at least {LEAST_DAYS}: twenty people ask about days of their own")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            var=Path(folder) / "var", postgres_port=0, console_port=0, broker_port=0, airflow_port=0, door_port=0
        )
        with (
            assembly.run_parts(settings, ("postgres", "console")) as (here, children),
            duckdb.connect(Path(folder) / "sessions.duckdb") as beside,
        ):
            beside.execute("set timezone = 'UTC'")
            children.wait(["postgres"], UP_S)
            session_id = filled(here, given.sessions, given.days, beside)
            accounts.new_user(here, "bench", "admin", ["*"], "bench")
            children.wait(["console"], UP_S)
            asked(here, given.days, given.times, beside)
            loaded(here, given.days, given.times, session_id)
            crowd(here, given.days)


def asked(settings: Settings, days: float, times: int, beside: duckdb.DuckDBPyConnection) -> None:
    """The marts, and the same questions over sessions: in Postgres, and in DuckDB."""
    store = open_store(settings)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    between = today - timedelta(days=days - 1), today + timedelta(days=1)
    for what, question in QUESTIONS:
        checked = compiled.question(
            question["metrics"],
            between,
            by=question.get("by", ()),
            where=question.get("where"),
            every=question.get("every"),
        )
        slow = compiled._plan_over_sessions(checked)  # noqa: SLF001
        marts = timed(partial(ask, store.reader, "demo", between=between, **question), times)
        over_sessions = timed(partial(records.query, store.reader, "demo", slow.sql, slow.parameters), 3)
        in_duckdb = timed(partial(_in_duckdb, beside, checked), 5)
        told(what, marts, over_sessions=over_sessions, in_DuckDB=in_duckdb)
    store.reader.close()
    store.writer.close()


def _in_duckdb(engine: duckdb.DuckDBPyConnection, question: compiled.Question) -> None:
    step = [f"time_bucket(interval '1 {question.every}', started_at)"] if question.every else []
    keys = [*step, *question.by]
    tests = [f"list_contains({list(values)}, {name})" for name, values in question.where.items()]
    values = ", ".join([*keys, *(IN_DUCKDB[metric.name] for metric in question.metrics)])
    tests = ["started_at >= ?", "started_at < ?", *tests]
    grouped = "group by all" if keys else ""
    sql = f"select {values} from sessions where {' and '.join(tests)} {grouped}"  # noqa: S608
    engine.execute(sql, list(question.between)).fetchall()


def loaded(settings: Settings, days: float, times: int, session_id: str) -> None:
    """Pages as the browser asks for them once its scripts are there; that of a session reads its events in the lake."""
    span = next(name for name, length in (("24h", 1), ("7d", 7), ("30d", 30), ("90d", 90)) if days <= length)
    url = f"http://127.0.0.1:{settings.console_port}"
    with httpx.Client(base_url=url, timeout=60, headers={"Origin": url}) as client:
        client.post("/sign-in", data={"name": "bench", "password": "bench"})
        wanted = next(d for d in client.get("/_dash-dependencies").json() if "_pages_content" in d["output"])
        for page in (*PAGES, f"/sessions/{session_id}"):
            path, _, query = page.partition("?")
            search = "?" + "&".join(filter(None, (f"t={span}", query)))
            body = _request(wanted, path, search)
            told(f"page {page.replace(session_id, '<id>')}", timed(partial(_answered, client, body), times))


def crowd(settings: Settings, days: float) -> None:
    """The questions through the API, by so many people at once: about the same days, then each about their own."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    tokens = [accounts.new_token(settings, f"bench {i}", "demo") for i in range(CROWD)]

    def asks(token: str, later: int, earlier: int) -> list[float]:
        start, end = today - timedelta(days=days - 1 - later), today + timedelta(days=1 - earlier)
        span = {"from": f"{start:%Y-%m-%dT%H:%M}", "to": f"{end:%Y-%m-%dT%H:%M}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.console_port}/api/v1", timeout=60,
                          headers={"Authorization": f"Bearer {token}"}) as client:  # fmt: skip
            return [once(partial(_asked, client, question, span)) for _ in range(ROUNDS) for _, question in QUESTIONS]

    own = [(i % 5, i // 5) for i in range(CROWD)]
    with ThreadPoolExecutor(CROWD) as people:
        for what, days_of in (("the same days", [(0, 0)] * CROWD), ("days of their own", own)):
            took = people.map(asks, tokens, *zip(*days_of, strict=True))
            told(f"{CROWD} people at once, {what}", [one for each in took for one in each])


def _asked(client: httpx.Client, question: dict[str, Any], span: dict[str, str]) -> None:
    path = "breakdown" if "by" in question else "timeseries" if "every" in question else "overall"
    filters = [f"{name}:{','.join(values)}" for name, values in question.get("where", {}).items()]
    asked = span | {"metric": question["metrics"], "by": question.get("by", ()), "filter": filters}
    step = {"step": question["every"]} if "every" in question else {}
    client.get(f"/{path}", params=asked | step).raise_for_status()


def _answered(client: httpx.Client, body: str) -> int:
    answer = client.post("/_dash-update-component", content=body, headers={"Content-Type": "application/json"})
    return len(answer.raise_for_status().content)


def _request(wanted: dict[str, Any], path: str, search: str) -> str:
    names = [part.split(".") for part in wanted["output"].strip(".").split("...")]
    values = {"pathname": path, "search": search}
    inputs = [
        {"id": "_pages_location", "property": i["property"], "value": values[i["property"]]} for i in wanted["inputs"]
    ]
    outputs = [{"id": name, "property": kind} for name, kind in names]
    changed = ["_pages_location.pathname", "_pages_location.search"]
    return json.dumps(
        {"output": wanted["output"], "outputs": outputs, "inputs": inputs, "changedPropIds": changed, "state": []}
    )


if __name__ == "__main__":
    main()
