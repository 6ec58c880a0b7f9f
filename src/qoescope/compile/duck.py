"""DuckDB: the engine in this process, what the catalog's types are called there, and how Arrow's times reach it."""

import atexit
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache

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


def answered(sql: str, threads: int = 1, **tables: pa.Table) -> pa.Table:
    """What a statement says of these tables.

    Its plan is kept in this process for tables of the same columns: to plan is most of what a small batch costs.
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
    """A statement that is planned, over names whose tables are given later."""

    def __init__(self, sql: str, threads: int, tables: Mapping[str, pa.Table]) -> None:
        self._given = {name: _Given(rows) for name, rows in tables.items()}
        self._connection = _engine(os.getpid(), threads).cursor()
        for name, given in self._given.items():
            self._connection.register(name, given)
        self._connection.execute(f"prepare planned as {sql}")

    def answer(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """What it says of the tables; it keeps none of them."""
        for name, given in self._given.items():
            given.rows = tables[name].combine_chunks()  # rows of small chunks come back in another order
        rows = self._connection.sql("execute planned").to_arrow_table()
        for given in self._given.values():
            given.rows = given.rows.schema.empty_table()
        return rows


@dataclass(slots=True)
class _Given:
    """Another table each time; DuckDB asks for its rows when it needs them."""

    rows: pa.Table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


@cache
def _engine(process: int, threads: int) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": threads})
