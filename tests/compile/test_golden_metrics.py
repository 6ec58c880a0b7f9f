"""Golden vectors: every number's meaning, checked case by case."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from qoescope.catalog.marts import LIVE_WINDOW, QUALITY_DAY
from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.compile.cube import cube
from qoescope.compile.fold import sessions
from qoescope.compile.metrics import evaluate, quantile

GOLDEN = json.loads((Path(__file__).parent.parent / "golden/metrics.json").read_text())
CASES: dict[str, list[dict[str, Any]]] = {
    kind: [c for c in GOLDEN["cases"] if c["kind"] == kind] for kind in ("session", "aggregate", "quantile", "live")
}


def named(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[c["name"] for c in cases])


def events(case: dict[str, Any], property_id: str = "app", name: str | None = None) -> pa.Table:
    """The case's events as rows of the lake."""
    rows = []
    for event in case["events"]:
        row = {"property": property_id, **case.get("session", {}), **event}
        if name:
            row["session_id"] = name
        if "cdn" in event:
            row["event_cdn"] = row.pop("cdn")
        rows.append(row | {"at": event["at"] * 1000})
    names = {name for row in rows for name in row}
    table = pa.table({name: [row.get(name) for row in rows] for name in sorted(names)})
    i = table.column_names.index("at")
    return table.set_column(i, "at", table["at"].cast(pa.timestamp("us", tz="UTC")))


def joined(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def plain(name: str, found: Any) -> Any:
    """A value as the golden file writes it."""
    if name == "started_at":
        return round(found.timestamp() * 1000)
    if name == "day":
        return str(found)
    return float(found) if isinstance(found, Decimal) else found


def totals(rows: pa.Table) -> dict[str, dict[str, Any]]:
    """The measures of each property's total."""
    return {r["property"]: r for r in rows.to_pylist() if r["grouping"] == ""}


def check_metrics(expected: dict[str, Any], measures: dict[str, Any]) -> None:
    found = {name: evaluate(METRIC_BY_NAME[name], measures) for name in expected}
    assert found == {n: pytest.approx(v, abs=5.1e-3 if "_score" in n else 5.1e-7) for n, v in expected.items()}


@pytest.fixture(scope="module")
def together() -> pa.Table:
    """The events of all session cases, each case a property of its own."""
    return joined([events(case, case["name"]) for case in CASES["session"]])


@pytest.fixture(scope="module")
def folded(together: pa.Table) -> pa.Table:
    return sessions(together)


@named(CASES["session"])
def test_a_session_has_the_measures_it_should(case: dict[str, Any], folded: pa.Table) -> None:
    (row,) = folded.filter(pc.field("property") == case["name"]).to_pylist()
    assert {name: plain(name, row[name]) for name in case["expected"]} == case["expected"]


def test_a_session_alone_has_the_metrics_it_should(folded: pa.Table) -> None:
    found = totals(cube(folded, QUALITY_DAY))
    for case in CASES["session"]:
        if "metrics" in case:
            check_metrics(case["metrics"], found[case["name"]])


def test_order_and_repetition_change_nothing(together: pa.Table, folded: pa.Table) -> None:
    backwards = together.take(list(range(len(together) - 1, -1, -1)))
    again = sessions(joined([backwards, together]))
    assert again.sort_by("property").equals(folded.sort_by("property"))


def test_sets_of_sessions_add_up() -> None:
    by_name = {c["name"]: c for c in CASES["session"]}
    found = totals(cube(sessions(joined([
        events(by_name[name], case["name"], f"{name} {i}")
        for case in CASES["aggregate"] for i, name in enumerate(case["sessions"])
    ])), QUALITY_DAY))  # fmt: skip
    for case in CASES["aggregate"]:
        row = found[case["name"]]
        expected = dict(case["expected"]["measures"])
        viewers, histogram = expected.pop("viewers"), expected.pop("startup_histogram")
        assert {name: plain(name, row[name]) for name in expected} == expected
        assert {str(i): n for i, n in enumerate(row["startup_histogram"]) if n} == histogram
        assert evaluate(METRIC_BY_NAME["viewers"], row) == viewers
        check_metrics(case["expected"]["metrics"], row)


@named(CASES["quantile"])
def test_a_quantile_is_read_from_the_histogram(case: dict[str, Any]) -> None:
    histogram = [case["expected"]["histogram"].get(str(i), 0) for i in range(62)]
    found = {f"startup_p{round(q * 100)}_ms": quantile(histogram, q) for q in (0.5, 0.95)}
    assert found == {name: v for name, v in case["expected"].items() if name != "histogram"}


@named(CASES["live"])
def test_a_live_window_counts_what_ended_in_it(case: dict[str, Any]) -> None:
    table = sessions_once(events(case))
    start, length = case["window"]["start_at"] * 1000, case["window"]["length_ms"] * 1000
    at = table["at"].cast(pa.int64()).to_pylist()
    inside = table.filter(pa.array([start <= t < start + length for t in at]))
    rows = [r for r in cube(inside, LIVE_WINDOW).to_pylist() if r["grouping"] == ""]
    measures: dict[str, Any] = {}
    for name in (m.name for m in LIVE_WINDOW.measures):
        parts = [r[name] for r in rows]
        if name.endswith("histogram"):
            measures[name] = [sum(column) for column in zip(*parts, strict=True)]
        else:
            measures[name] = sum(parts, [] if isinstance(parts[0], list) else 0)
    for name, expected in case["expected"].items():
        found = evaluate(METRIC_BY_NAME[name], measures) if name in METRIC_BY_NAME else measures[name]
        assert found == pytest.approx(expected, abs=5.1e-7), name


def sessions_once(table: pa.Table) -> pa.Table:
    """The events without repeats, as the stream hands them to its windows, with every column a window reads."""
    seen: set[tuple[str, int]] = set()
    keep = []
    for row in table.select(["session_id", "seq"]).to_pylist():
        keep.append((row["session_id"], row["seq"]) not in seen)
        seen.add((row["session_id"], row["seq"]))
    return arrow.conform(with_places(table.filter(pa.array(keep))), EVENTS)


def with_places(table: pa.Table) -> pa.Table:
    """The rows with the columns that only a stored event has."""
    n = len(table)
    days = table["at"].cast(pa.date32())
    return (
        table.append_column("received_at", table["at"])
        .append_column("session_day", days)
        .append_column("bucket", pa.array([0] * n, pa.int64()))
    )
