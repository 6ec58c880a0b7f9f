"""What deploy/ says in SQL, said to a real Postgres: its roles, and every query of the board as Grafana's role."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from qoescope.catalog.marts import LIVE_WINDOW, QUALITY_HOUR, Mart
from qoescope.catalog.measures import BUCKETS
from qoescope.catalog.metrics import METRIC_BY_NAME, Distinct, DistinctRatio
from qoescope.compile import arrow, dashboard, grafana, metrics
from qoescope.connect import postgres
from qoescope.connect.postgres import Write
from qoescope.settings import Settings, environment
from qoescope.stack import assembly
from qoescope.stack.postgres import program

pytestmark = pytest.mark.live
DEPLOY = Path(__file__).parents[2] / "deploy"
START = datetime(2026, 1, 2, 12, tzinfo=UTC)
STEPS = 3
Connection = psycopg.Connection[Any]


def rows(mart: Mart, property_id: str) -> list[dict[str, Any]]:
    """Steps of time of the whole and of one device, each with numbers that can be told apart."""
    made: list[dict[str, Any]] = []
    for step in range(STEPS):
        at = START + timedelta(seconds=step * mart.every_s)
        for grouping, name in (("", ""), ("device_type", "web")):
            row: dict[str, Any] = {"property": property_id, "day": at.date(), "starts_at": at, "grouping": grouping,
                                   "value_1": name, "value_2": ""}  # fmt: skip
            for place, m in enumerate(mart.measures):
                if m.type == "ints":
                    row[m.name] = [(bucket * (step + 2)) % 5 for bucket in range(BUCKETS)]
                elif m.type == "sketch":
                    row[m.name] = [index * 64 + 1 + index % 7 for index in range(400 * (step + 1))]
                else:
                    number = 7 * place + 3 + step
                    row[m.name] = Decimal(number) if m.type == "score_sum" else number
            made.append(row)
    return made


def written(mart: Mart, property_id: str) -> Write:
    """The rows, to be written."""
    return Write(mart.table, pa.Table.from_pylist(rows(mart, property_id), arrow.schema(mart.table)))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A connection as Grafana makes it, to a server with the numbers of two properties."""
    settings = Settings(var=tmp_path_factory.mktemp("deploy") / "var", postgres_port=0)
    with assembly.run_parts(settings, ["postgres"]) as (placed, children):
        children.wait(["postgres"], 300)
        folder = placed.var / "secrets"
        subprocess.run(["/bin/sh", DEPLOY / "secrets.sh", folder], check=True)
        for _ in range(2):
            _as_superuser(placed, folder)
        with postgres.connect(placed, "writer") as writer:
            for number, property_id in enumerate(("demo", "other")):
                writes = [
                    Write(mart.table, pa.Table.from_pylist(rows(mart, property_id)))
                    for mart in (QUALITY_HOUR, LIVE_WINDOW)
                ]
                postgres.write_batch(writer, "test", number, writes)
        password = (folder / "grafana.password").read_text()
        where = f"host=127.0.0.1 port={placed.postgres_port} dbname=qoescope user=qoescope_grafana password={password}"
        with psycopg.connect(where, autocommit=True) as connection:
            yield connection


def _as_superuser(settings: Settings, folder: Path) -> None:
    more = {"QOESCOPE_SECRETS": str(folder), "PGPASSWORD": (folder / "super.password").read_text()}
    place = ["-h", "127.0.0.1", "-p", str(settings.postgres_port), "-U", "super", "postgres"]
    done = subprocess.run(
        [program("psql"), "-XqAt", "-f", DEPLOY / "postgres/roles.sql", *place], env=environment(more), check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def spoken(query: str) -> str:
    """The query with Grafana's macros filled in for the day."""
    first, last = f"'{START.date()}T00:00:00Z'", f"'{START.date()}T23:59:59Z'"
    query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 between {first} and {last}", query)
    return query.replace("$__timeFrom()", first).replace("$__timeTo()", last).replace("$dimension", "device_type")


def test_every_query_of_the_board_is_answered(reader: Connection) -> None:
    board = json.loads(dashboard.board())
    queries = [target["rawSql"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(queries) > 20
    for query in queries:
        reader.execute(spoken(query).encode()).fetchall()


@pytest.mark.parametrize("name", sorted(METRIC_BY_NAME))
def test_metric_is_what_ask_answers(reader: Connection, name: str) -> None:
    metric = METRIC_BY_NAME[name]
    mart = LIVE_WINDOW if name.startswith("live_") else QUALITY_HOUR
    found = dict(reader.execute(spoken(grafana.sql(metric)).encode()).fetchall())
    whole = [row for row in rows(mart, "demo") if row["grouping"] == ""]
    assert sorted(found) == [row["starts_at"] for row in whole]
    for step, row in enumerate(whole):
        seen = dict(row)
        if isinstance(metric, Distinct | DistinctRatio) and metric.look_back_s:
            seen[metric.sketch] = [r for one in whole[: step + 1] for r in one[metric.sketch]]
        value = metrics.evaluate(metric, seen)
        assert float(found[row["starts_at"]]) == pytest.approx(float(value or 0), rel=1e-9)


def test_grafana_sees_one_property_and_may_not_write(reader: Connection) -> None:
    assert reader.execute("select distinct property from quality_hour").fetchall() == [("demo",)]
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.execute("delete from quality_hour")
    reader.execute("set default_transaction_read_only = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("delete from quality_hour")
