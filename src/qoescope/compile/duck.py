"""DuckDB in this process: its types, queries over Arrow tables, and Arrow's times as plain timestamps."""

import atexit
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache

import duckdb
import pyarrow as pa

from qoescope.catalog.events import LONGEST_INTERVAL_MS, WATCHED_STATES
from qoescope.catalog.schema import Type

TYPES: dict[Type, str] = {
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
"""SQL: whether an event's interval was watched."""

ASLEEP = f"{WATCHED} and state_ms > {LONGEST_INTERVAL_MS}"
"""SQL: whether an interval is not believed, since the device slept."""

BELIEVED_MS = f"case when {ASLEEP} then 0 else state_ms end"


def without_zone(rows: pa.Table) -> pa.Table:
    """The rows with UTC times as plain timestamps, so that no session time zone can shift a day."""
    for i, f in enumerate(rows.schema):
        if pa.types.is_timestamp(f.type):
            rows = rows.set_column(i, f.name, rows[f.name].cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us")))
    return rows


@contextmanager
def open_cursor(threads: int = 1) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with tables of its own, to an engine that the process keeps.

    Starting an engine takes 20 ms, more than reading most small batches.
    """
    with _engine(os.getpid(), threads).cursor() as connection:
        yield connection


def query_arrow(sql: str, threads: int = 1, **tables: pa.Table) -> pa.Table:
    """The result of a statement over these tables.

    Prepared plans are cached for tables of the same columns: planning is most of a small batch's cost. Thread-safe.
    """
    idle = _idle(os.getpid(), sql, threads, tuple((name, rows.schema) for name, rows in tables.items()))
    try:
        plan = idle.pop()
    except IndexError:  # the first one, or one for each thread
        plan = _Plan(sql, threads, tables)
    rows = plan.answer(tables)
    idle.append(plan)
    return rows


@lru_cache(maxsize=256)
def _idle(process: int, sql: str, threads: int, columns: tuple[tuple[str, pa.Schema], ...]) -> list["_Plan"]:
    return []


atexit.register(_idle.cache_clear)  # connections want to be closed while there is an interpreter


class _Plan:
    """A prepared statement over tables that are given later."""

    def __init__(self, sql: str, threads: int, tables: Mapping[str, pa.Table]) -> None:
        self._given = {name: _TableSlot(rows) for name, rows in tables.items()}
        self._connection = _engine(os.getpid(), threads).cursor()
        for name, given in self._given.items():
            self._connection.register(name, given)
        self._connection.execute(f"prepare planned as {sql}")

    def answer(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """The result over these tables; keeps none of them."""
        for name, given in self._given.items():
            given.rows = tables[name].combine_chunks()  # rows of small chunks come back in another order
        rows = self._connection.sql("execute planned").to_arrow_table()
        for given in self._given.values():
            given.rows = given.rows.schema.empty_table()
        return rows


@dataclass(slots=True)
class _TableSlot:
    """A registered table whose rows are exchanged before each execution."""

    rows: pa.Table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


@cache
def _engine(process: int, threads: int) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": threads})
