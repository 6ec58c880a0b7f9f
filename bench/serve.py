"""How fast people are answered: API, pages and the marts behind them, beside the same questions over single sessions.

`python bench/serve.py --sessions 200000 --days 30` starts a Postgres and a console of its own, fills them with viewers
of the simulator and prints one line a question: median and 95th percentile in milliseconds, and how much longer the
peer takes; of pages also how long the first answer took; and the questions once more, by twenty people at once.
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

import httpx
import pyarrow as pa

from qoescope.catalog.marts import QUALITY_DAY, QUALITY_HOUR
from qoescope.catalog.operations import SESSION_ROWS
from qoescope.compile import ask as compiled
from qoescope.compile.cube import cube
from qoescope.compile.fold import sessions
from qoescope.connect import postgres, records
from qoescope.connect.postgres import Write
from qoescope.emit.events import blocks
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import simulated
from qoescope.serve import jobs
from qoescope.settings import Settings
from qoescope.stack import assembly

UP_S = 120.0
CROWD, ROUNDS = 20, 5
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
PAGES = (
    "/",
    "/explore",
    "/explore?by=isp&m=startup_p95_ms",
    "/sessions",
    "/engagement",
    "/experiments",
    "/incidents",
    "/health",
)


def filled(settings: Settings, count: int, days: float) -> None:
    """A range of simulated viewers until now, in sessions and marts."""
    length, until = int(days * 86_400_000), datetime.now(UTC)
    run = Scenario(sessions=count, begin_ms=int(until.timestamp() * 1000) - length, length_ms=length)
    load = Load(run)
    with postgres.connect(settings, "writer") as connection:
        for chunk in range(run.chunks):
            for told in blocks(simulated(run, load, run.numbers(chunk))):
                rows = sessions(told)
                with connection.transaction():
                    postgres.upsert(
                        connection,
                        Write(SESSION_ROWS, rows.append_column("written_at", pa.repeat(pa.scalar(until), len(rows)))),
                    )
                    for mart in (QUALITY_HOUR, QUALITY_DAY):
                        postgres.upsert(connection, Write(mart.table, cube(rows, mart)))


def once(work: Callable[[], object]) -> float:
    """How long the work takes, in milliseconds."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def timed(work: Callable[[], object], times: int) -> list[float]:
    """The first try's time, and then those of the others."""
    return [once(work) for _ in range(times + 1)]


def told(what: str, taken: list[float], peer: list[float] | None = None) -> None:
    """One line of the result; the first try stands for itself."""
    first, *later = taken
    median, p95 = statistics.median(later), sorted(later)[max(0, round(0.95 * len(later)) - 1)]
    slow = statistics.median(peer[1:]) if peer else 0
    beside = f"over sessions {slow:8.1f} ({slow / median:,.0f}x)" if peer else f"first {first:8.1f} ms"
    print(f"{what:44} median {median:8.1f} ms   p95 {p95:8.1f} ms   {beside}")


def main() -> None:
    """Fills, asks, and says how long it took."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--sessions", type=int, default=100_000)
    options.add_argument("--days", type=float, default=30.0)
    options.add_argument("--times", type=int, default=20)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            var=Path(folder) / "var", postgres_port=0, console_port=0, broker_port=0, airflow_port=0, door_port=0
        )
        with assembly.running(settings, ("postgres", "console")) as (here, children):
            children.wait(["postgres"], UP_S)
            filled(here, given.sessions, given.days)
            jobs.new_user(here, "bench", "admin", ["*"], "bench")
            children.wait(["console"], UP_S)
            asked(here, given.days, given.times)
            loaded(here, given.days, given.times)
            crowd(here, given.days)


def asked(settings: Settings, days: float, times: int) -> None:
    """The marts, and the same questions over sessions."""
    desk = jobs.desk(settings)
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
        slow = compiled._over_sessions(checked)  # noqa: SLF001
        marts = timed(partial(desk.ask, "demo", between=between, **question), times)
        peer = timed(partial(records.query, desk.reader, "demo", slow.sql, slow.parameters), 3)
        told(what, marts, peer)
    desk.reader.close()
    desk.writer.close()


def loaded(settings: Settings, days: float, times: int) -> None:
    """Pages as the browser asks for them once its scripts are there."""
    span = next(name for name, length in (("24h", 1), ("7d", 7), ("30d", 30), ("90d", 90)) if days <= length)
    url = f"http://127.0.0.1:{settings.console_port}"
    with httpx.Client(base_url=url, timeout=60, headers={"Origin": url}) as client:
        client.post("/sign-in", data={"name": "bench", "password": "bench"})
        wanted = next(d for d in client.get("/_dash-dependencies").json() if "_pages_content" in d["output"])
        for page in PAGES:
            path, _, query = page.partition("?")
            search = "?" + "&".join(filter(None, (f"t={span}", query)))
            body = _request(wanted, path, search)
            told(f"page {page}", timed(partial(_answered, client, body), times))


def crowd(settings: Settings, days: float) -> None:
    """The questions through the API, by so many people at once."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    span = {"from": f"{today - timedelta(days=days - 1):%Y-%m-%dT%H:%M}",
            "to": f"{today + timedelta(days=1):%Y-%m-%dT%H:%M}"}  # fmt: skip

    def asks(token: str) -> list[float]:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.console_port}/api/v1", timeout=60,
                          headers={"Authorization": f"Bearer {token}"}) as client:  # fmt: skip
            return [once(partial(_asked, client, question, span)) for _ in range(ROUNDS) for _, question in QUESTIONS]

    tokens = [jobs.new_token(settings, f"bench {i}", "demo") for i in range(CROWD)]
    with ThreadPoolExecutor(CROWD) as people:
        told(f"any of them, {CROWD} people at once", [took for one in people.map(asks, tokens) for took in one])


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
