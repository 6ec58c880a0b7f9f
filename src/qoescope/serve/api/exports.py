"""Exports: rows as files that other programs read: CSV, Parquet, Arrow."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qoescope.serve.api.answers import MetricAnswer

KINDS = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for a formula."""


def flat(answer: MetricAnswer) -> list[dict[str, Any]]:
    """An answer's rows with a column each: time, dimensions, metrics, then the measures that they are made of."""
    timed = answer.asked.step is not None
    return [
        ({"starts_at": row.starts_at} if timed else {})
        | dict(row.dimensions)
        | dict(row.metrics)
        | {name: value for name, value in row.measures.items() if not isinstance(value, list)}
        for row in answer.rows
    ]


def file(rows: Sequence[Mapping[str, Any]], form: str) -> tuple[bytes, str]:
    """The rows as a file of this form, and its media type."""
    if form == "csv":
        return text(rows).encode(), KINDS[form]
    table, sink = pa.Table.from_pylist([dict(row) for row in rows]), pa.BufferOutputStream()
    if form == "parquet":
        pq.write_table(table, sink, compression="zstd")
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue().to_pybytes(), KINDS[form]


def text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV; null is an empty cell, and no cell is a formula."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\r\n")
    if rows:
        writer.writerow(rows[0].keys())
        writer.writerows([cell(value) for value in row.values()] for row in rows)
    return sink.getvalue()


def cell(value: object) -> str | int | float:
    """One cell: texts that a spreadsheet would run are quoted with an apostrophe."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | float():
            return value
        case Decimal():
            return str(value)
        case datetime():
            return value.isoformat()
        case _:
            text = str(value)
            return "'" + text if text.startswith(FORMULA) else text
