"""DuckDB: what the catalog's types are called there, and how Arrow's times reach it."""

import pyarrow as pa

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


def naive(rows: pa.Table) -> pa.Table:
    """The same rows with UTC times as plain timestamps, so that no session time zone can move a day."""
    for i, f in enumerate(rows.schema):
        if pa.types.is_timestamp(f.type):
            rows = rows.set_column(i, f.name, rows[f.name].cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us")))
    return rows
