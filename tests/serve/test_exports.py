"""Exports: files that other programs read, and no spreadsheet runs."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.serve.api import exports

ROWS = [
    {"starts_at": datetime(2026, 1, 31, tzinfo=UTC), "isp": "=cmd()", "rebuffer_ratio": 0.5, "plays": 3},
    {"starts_at": datetime(2026, 2, 1, tzinfo=UTC), "isp": "jio", "rebuffer_ratio": None, "plays": 4},
]


def test_null_is_an_empty_cell_and_a_formula_is_a_text() -> None:
    lines = exports.text(ROWS).splitlines()
    assert lines == [
        "starts_at,isp,rebuffer_ratio,plays",
        "2026-01-31T00:00:00+00:00,'=cmd(),0.5,3",
        "2026-02-01T00:00:00+00:00,jio,,4",
    ]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_tables_come_back_as_they_went(form: str) -> None:
    body, kind = exports.file(ROWS, form)
    table = pq.read_table(io.BytesIO(body)) if form == "parquet" else pa.ipc.open_stream(body).read_all()
    assert table.column("plays").to_pylist() == [3, 4]
    assert table.column("isp").to_pylist() == ["=cmd()", "jio"]
    assert form in kind


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1, max_size=5))
def test_no_cell_of_text_begins_as_a_formula(values: list[str]) -> None:
    rows = [{"a": value} for value in values]
    read = list(csv.reader(io.StringIO(exports.text(rows))))
    assert not any(line and line[0].startswith(("=", "+", "-", "@")) for line in read)


def test_numbers_keep_their_sign() -> None:
    assert exports.cell(-1.5) == -1.5
    assert exports.cell(Decimal("20.80")) == "20.80"
    assert exports.cell(True) == "true"


def test_no_rows_are_an_empty_file() -> None:
    assert exports.text([]) == ""
