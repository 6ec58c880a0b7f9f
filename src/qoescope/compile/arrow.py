"""The catalog's tables as Arrow schemas, and tables conformed to them."""

import pyarrow as pa

from qoescope.catalog.schema import Field, Table, Type

TYPES: dict[Type, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "instant": pa.timestamp("us", tz="UTC"),
    "day": pa.date32(),
    "score": pa.decimal128(5, 2),
    "score_sum": pa.decimal128(18, 2),
    "ints": pa.list_(pa.int64()),
    "sketch": pa.list_(pa.int32()),
    "bytes": pa.binary(),
    "json": pa.string(),
}


def field(f: Field) -> pa.Field:
    """The field in Arrow."""
    return pa.field(f.name, TYPES[f.type], nullable=f.nullable)


def schema(table: Table) -> pa.Schema:
    """The table's columns in its order."""
    return pa.schema([field(f) for f in table.fields])


def conform(rows: pa.Table, table: Table) -> pa.Table:
    """The rows with exactly the table's columns, order and types; a missing column gets its default.

    Raises `KeyError` for a missing column without a default.
    """
    columns = []
    for f in table.fields:
        if f.name in rows.column_names:
            columns.append(rows[f.name].cast(TYPES[f.type]))
        elif f.default is not None or f.nullable:
            columns.append(pa.repeat(pa.scalar(f.default, TYPES[f.type]), len(rows)))
        else:
            raise KeyError(f"{table.name}.{f.name} is missing")
    return pa.table(columns, schema=schema(table))
