"""DuckDB: the engine in this process, what the catalog's types are called there, and how Arrow's times reach it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb
import pyarrow as pa

from qoescope.catalog.events import LONGEST_INTERVAL_MS
from qoescope.catalog.events import WATCHED as WATCHED_STATES
from qoescope.catalog.schema import Type

types: dict[Type, str] = {
    "text": "varchar",
    "int": "bigint",
    "float": "double",
    "bool": "boolean",
    "instant": "timestamp",
    "day": "date",
    "score": "decimal(5, 2)",
    "score_sum": "decimal(18, 2)",
    "ints": "bigint[]",
    "sketch": "integer[]",
    "bytes": "blob",
    "json": "varchar",
}

WATCHED = "state in (" + ", ".join(f"'{state}'" for state in WATCHED_STATES) + ")"
"""Whether an event's interval was watched."""

ASLEEP = f"{WATCHED} and state_ms > {LONGEST_INTERVAL_MS}"
"""Whether it is disbelieved: a sleeping device."""

BELIEVED_MS = f"case when {ASLEEP} then 0 else state_ms end"


def naive(rows: pa.Table) -> pa.Table:
    """The same rows with UTC times as plain timestamps, so that no session time zone can move a day."""
    for i, f in enumerate(rows.schema):
        if pa.types.is_timestamp(f.type):
            rows = rows.set_column(i, f.name, rows[f.name].cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us")))
    return rows


@contextmanager
def connected(threads: int = 1) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with tables and names of its own, to an engine that the process keeps.

    An engine takes 20 ms to start, which is more than most small batches take to be read.
    """
    with _engine(os.getpid(), threads).cursor() as connection:
        yield connection


@cache
def _engine(process: int, threads: int) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": threads})
