"""Books with a key: a row that is gone, added or changed is named, and nothing else; a gap survives midnight."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.catalog.cmcd import OBSERVED, REQUESTS
from qoescope.catalog.marts import LIVE_LEAF
from qoescope.catalog.operations import REPORTS
from qoescope.catalog.schema import Table
from qoescope.compile import arrow
from qoescope.mart.jobs.ledger_live import compare_leaves
from qoescope.mart.keyed_books import differing_rows
from qoescope.sources import registry

VALUES = {"text": "x", "int": 7, "float": 2.5, "bool": False, "instant": datetime(2026, 1, 2, 3, tzinfo=UTC),
          "day": date(2026, 1, 2)}  # fmt: skip


def rows_of(table: Table, count: int) -> list[dict[str, object]]:
    return [{f.name: VALUES[f.type] for f in table.fields} | {table.key[-1]: _nth(table, n)} for n in range(count)]


def _nth(table: Table, n: int) -> object:
    return n if next(f for f in table.fields if f.name == table.key[-1]).type == "int" else f"k{n}"


def stored(table: Table, rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=arrow.schema(table))


@pytest.mark.parametrize("table", [LIVE_LEAF, OBSERVED, REQUESTS], ids=lambda table: table.name)
def test_each_column_of_each_row_counts(table: Table) -> None:
    rows = rows_of(table, 3)
    columns = [name for name in table.names if name not in table.key]
    again = stored(table, rows)
    assert differing_rows(again, again, table, columns) == []
    for f in table.fields:
        if f.name in table.key or f.type not in ("int", "float"):
            continue
        changed = [rows[0], rows[1] | {f.name: VALUES[f.type] + 1}, rows[2]]  # type: ignore[operator]
        (found,) = differing_rows(stored(table, changed), again, table, columns)
        assert (found[table.key[-1]], found["column"]) == (_nth(table, 1), f.name)
    (gone,) = differing_rows(stored(table, rows[:2]), again, table, columns)
    (more,) = differing_rows(again, stored(table, rows[1:]), table, columns)
    assert (gone["expected"], gone["found"], more["expected"], more["found"]) == ("a row", "no row", "no row", "a row")


@given(st.floats(1, 1e12), st.integers(1, 9))
def test_sums_of_floats_may_differ_by_their_rounding_only(value: float, n: int) -> None:
    (name,) = [f.name for f in LIVE_LEAF.fields if f.type == "float"][:1]
    (row,) = rows_of(LIVE_LEAF, 1)
    there, close, far = (stored(LIVE_LEAF, [row | {name: value * by}]) for by in (1, 1 + 1e-14 * n, 1 + 1e-6 * n))
    assert differing_rows(there, close, LIVE_LEAF, [name]) == []
    assert len(differing_rows(there, far, LIVE_LEAF, [name])) == 1


def test_a_leaf_that_differs_is_named_by_its_minute() -> None:
    rows = rows_of(LIVE_LEAF, 2)
    changed = [rows[0], rows[1] | {LIVE_LEAF.sums[0]: 8}]
    (said,) = map(str, compare_leaves(stored(LIVE_LEAF, changed), stored(LIVE_LEAF, rows)))
    assert said == f"marts: live_leaf x 2026-01-02 03:00:00 leaf 1 {LIVE_LEAF.sums[0]}: expected 7, found 8"


def test_delivery_read_again_is_what_was_written_in_any_order() -> None:
    lines = (Path(__file__).parents[1] / "sources/hls_js_1_7_4.cmcd").read_text().splitlines()
    at = datetime(2026, 1, 2, 3, tzinfo=UTC)
    reports = [
        {"property": "app", "session_id": "s", "mode": "event", "record": line, "bucket": 0,
         "received_at": at + timedelta(seconds=n), "session_day": at.date(), "kafka_offset": n}
        for n, line in enumerate(lines)
    ]  # fmt: skip
    once, again = (
        registry.CMCD.parse(arrow.conform(pa.Table.from_pylist(part), REPORTS), None)
        for part in (reports, reports[::-1])
    )
    for table, a, b in ((OBSERVED, once.observed, again.observed), (REQUESTS, once.requests, again.requests)):
        columns = [name for name in table.names if name not in table.key]
        assert differing_rows(a, b, table, columns) == []
        assert len(differing_rows(a.slice(0, 0), b, table, columns)) == len(b)


def test_a_leaf_that_counts_nothing_any_more_is_as_none() -> None:
    """As an erasure leaves it: what its viewer counted is taken away, the row stays."""
    here, gone = rows_of(LIVE_LEAF, 2)
    empty = gone | dict.fromkeys(LIVE_LEAF.sums, 0)
    assert compare_leaves(stored(LIVE_LEAF, [here, empty]), stored(LIVE_LEAF, [here])) == []
    assert len(compare_leaves(stored(LIVE_LEAF, [here, empty]), stored(LIVE_LEAF, [here, gone]))) == 1
