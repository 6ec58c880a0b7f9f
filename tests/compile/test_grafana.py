"""The board's SQL gives what `compile.metrics` gives; DuckDB stands in for Postgres, whose dialect it follows here."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from qoescope.catalog.marts import LIVE_WINDOW, QUALITY_HOUR, Mart
from qoescope.catalog.measures import BUCKETS
from qoescope.catalog.metrics import METRIC_BY_NAME, Distinct, DistinctRatio
from qoescope.compile import arrow, dashboard, grafana, metrics, sketch

START = datetime(2026, 1, 2, 12, tzinfo=UTC)
STEPS = 8


@cache
def rows(mart: Mart) -> pa.Table:
    """Steps of time of the whole, seeded: sums, histograms and sketches as they may be."""
    draw = np.random.default_rng(7)
    made: list[dict[str, Any]] = []
    for step in range(STEPS):
        at = START + timedelta(seconds=step * mart.every_s)
        row: dict[str, Any] = {"property": "app", "day": at.date(), "starts_at": at, "grouping": "", "value_1": "",
                               "value_2": ""}  # fmt: skip
        for m in mart.measures:
            if m.type == "ints":
                row[m.name] = (draw.integers(0, 9, BUCKETS) * (draw.random(BUCKETS) < 0.2)).tolist()
            elif m.type == "sketch":
                places = np.unique(draw.integers(0, sketch.REGISTERS, 30 * (step + 1) ** 3))
                row[m.name] = (places * 64 + draw.geometric(0.5, len(places))).tolist()
            else:
                row[m.name] = int(draw.integers(1, 10_000))
        made.append(row)
    return arrow.conform(pa.Table.from_pylist(made, arrow.schema(mart.table)), mart.table)


def answered(query: str, **tables: pa.Table) -> dict[Any, dict[str, Any]]:
    """The query's rows by their key; Grafana's macros say the whole time."""
    plain = re.sub(r"\$__time(From|To)\(\)::timestamptz::date", "date '2026-01-02'", query)
    plain = plain.replace("$__timeFilter(starts_at)", "true")
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.execute("set timezone = 'UTC'")
        for name, table in tables.items():
            engine.register(name, table)
        found = engine.sql(plain).to_arrow_table().to_pylist()
    return {next(iter(row.values())): row for row in found}


def window(table: pa.Table, step: int, look_back_s: int) -> dict[str, Any]:
    """A step's row, its sketches joined with those of the steps before."""
    row: dict[str, Any] = table.slice(step, 1).to_pylist()[0]
    for f in LIVE_WINDOW.table.fields:
        if f.type == "sketch" and look_back_s:
            first = max(0, step - look_back_s // LIVE_WINDOW.every_s)
            row[f.name] = [r for part in table.slice(first, step - first + 1)[f.name].to_pylist() for r in part]
    return row


@pytest.mark.parametrize("name", sorted(METRIC_BY_NAME))
def test_each_metric_over_time_is_what_ask_answers(name: str) -> None:
    metric = METRIC_BY_NAME[name]
    mart = LIVE_WINDOW if name.startswith("live_") else QUALITY_HOUR
    table = rows(mart)
    found = answered(grafana.sql(metric), **{mart.name: table})
    look_back_s = metric.look_back_s if isinstance(metric, Distinct | DistinctRatio) else 0
    for step, at in enumerate(table["starts_at"].to_pylist()):
        expected = metrics.evaluate(metric, window(table, step, look_back_s))
        assert found[at][name] == pytest.approx(expected, rel=1e-9), (at, expected)


def test_viewers_of_the_whole_time_are_merged_not_added() -> None:
    table = rows(QUALITY_HOUR)
    found = answered(grafana.sql(METRIC_BY_NAME["viewers"], grafana.ALL), quality_hour=table)
    joined = np.array([r for part in table["viewers"].to_pylist() for r in part], np.int32)
    assert found["all"]["viewers"] == sketch.estimate(joined)


def test_an_empty_time_has_no_rows_and_no_error() -> None:
    for name, mart in (("startup_p50_ms", QUALITY_HOUR), ("viewers", QUALITY_HOUR), ("live_ebvs_ratio", LIVE_WINDOW)):
        assert answered(grafana.sql(METRIC_BY_NAME[name]), **{mart.name: rows(mart).slice(0, 0)}) == {}


def test_a_quantile_is_in_exactly_one_bucket_at_the_edges() -> None:
    table = rows(QUALITY_HOUR).slice(0, 1)
    place = table.column_names.index("startup_histogram")
    for bucket in (0, 1, 30, BUCKETS - 1):
        only = [0] * BUCKETS
        only[bucket] = 10
        alone = table.set_column(place, table.schema.field(place), pa.array([only], pa.list_(pa.int64())))
        found = answered(grafana.sql(METRIC_BY_NAME["startup_p50_ms"]), quality_hour=alone)
        assert [row["startup_p50_ms"] for row in found.values()] == [metrics.quantile(only, 0.5)]


def test_panels_fit_the_board_and_do_not_overlap() -> None:
    board = json.loads(dashboard.board())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= dashboard.WIDTH
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
