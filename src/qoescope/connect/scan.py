"""SQL over files of the lake and tables of Postgres, with bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from pyarrow import csv, fs

from qoescope.catalog.schema import Field, Table
from qoescope.compile import arrow, ddl
from qoescope.connect.lake.reading import open_dataset
from qoescope.connect.lake.tables import File, open_filesystem
from qoescope.connect.postgres import Connection
from qoescope.settings import Settings

MEMORY = "1GB"
"""Of the engine that reads the lake; the rest is spilled to disk."""


class Scan:
    """DuckDB over files of a table of the lake, which a statement calls `stored`."""

    def __init__(self, settings: Settings, engine: duckdb.DuckDBPyConnection) -> None:
        self._settings, self._engine = settings, engine

    def answer(self, table: Table, files: Sequence[File], statement: str) -> pa.Table:
        """The result of the statement over `stored`, the rows of these files."""
        store, folder = open_filesystem(self._settings, table)
        if not files:
            self._engine.register("stored", arrow.schema(table).empty_table())
        elif isinstance(store, fs.LocalFileSystem):
            paths = ", ".join("'" + f"{folder}/{f.path}".replace("'", "''") + "'" for f in files)
            self._engine.execute(
                f"create or replace temp view stored as select * from read_parquet([{paths}], union_by_name = true, "
                "hive_partitioning = true, hive_types = {'session_day': date, 'bucket': bigint})"
            )
        else:
            self._engine.register("stored", open_dataset(self._settings, table, files))
        try:
            return self._engine.sql(statement).to_arrow_table()
        finally:
            self._engine.execute("drop view if exists stored")


@contextmanager
def open_scan(settings: Settings) -> Iterator[Scan]:
    """A scan with an engine of its own, whose memory is bounded."""
    spilled = settings.var / "tmp" / "scan"
    spilled.mkdir(parents=True, exist_ok=True)
    config = {"threads": 2, "memory_limit": MEMORY, "temp_directory": str(spilled), "preserve_insertion_order": False}
    with duckdb.connect(config=config) as engine:
        yield Scan(settings, engine)


def find_broken(settings: Settings, table: Table, files: Sequence[File]) -> list[tuple[File, int | None]]:
    """Files that are missing (None), or have another size than the table's log says, with that size."""
    store, folder = open_filesystem(settings, table)
    there = store.get_file_info([f"{folder}/{f.path}" for f in files])
    return [
        (f, info.size if info.is_file else None)
        for f, info in zip(files, there, strict=True)
        if not info.is_file or info.size != f.size
    ]


def read_rows(connection: Connection, like: Table, where: str, **values: object) -> pa.Table:
    """Rows of a Postgres table, transferred as CSV. `where` may name `values`, which are quoted."""
    names = ", ".join(_column_sql(field) for field in like.fields)
    bound = sql.SQL(where).format(**{name: sql.Literal(value) for name, value in values.items()})
    question = sql.SQL("copy (select {} from {} where {}) to stdout (format csv)").format(
        sql.SQL(names), sql.Identifier(ddl.SCHEMA, like.name), bound
    )
    text = BytesIO()
    with connection.cursor().copy(question) as copy:
        for block in copy:
            text.write(block)
    schema = arrow.schema(like)
    if not text.tell():
        return schema.empty_table()
    text.seek(0)
    read = csv.read_csv(
        text,
        csv.ReadOptions(column_names=list(like.names)),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types={f.name: _csv_type(f, schema.field(f.name).type) for f in like.fields},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    return pa.table([_cast_column(read[f.name], schema.field(f.name).type) for f in like.fields], schema=schema)


def _column_sql(field: Field) -> str:
    name = ddl.quote(field.name)
    return f"(extract(epoch from {name}) * 1000000)::bigint" if field.type == "instant" else name


def _csv_type(field: Field, kind: pa.DataType) -> pa.DataType:
    if field.type == "instant":
        return pa.int64()
    return pa.string() if pa.types.is_list(kind) or pa.types.is_binary(kind) else kind


def _cast_column(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_list(kind):
        inner = pc.utf8_slice_codeunits(values, 1, -1)
        lists = pc.split_pattern(inner, ",")
        empty = pc.equal(inner, "")
        if pc.any(empty).as_py():
            return pa.chunked_array(
                [[None if v is None else [int(n) for n in v if n] for v in lists.to_pylist()]], kind
            )
        return lists.cast(pa.list_(pa.string())).cast(kind)
    return values.cast(kind)
