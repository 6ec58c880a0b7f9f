"""Reading: which files of a table to read, and their rows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyarrow import fs

from qoescope.catalog.schema import Table
from qoescope.compile import arrow
from qoescope.compile.duck import open_cursor
from qoescope.connect.lake.tables import File, open_filesystem, open_table
from qoescope.settings import Settings


def list_files(
    delta: DeltaTable,
    days: Sequence[date] | None = None,
    buckets: Sequence[int] | None = None,
    since: datetime | None = None,
    holding: Sequence[date] | None = None,
) -> list[File]:
    """The table's files of these parts that may hold rows received since then, or rows of the days `holding`."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    if not len(actions):
        return []
    names = set(actions.column_names)
    latest = actions["max.received_at"].to_pylist() if "max.received_at" in names else [None] * len(actions)
    files = []
    least, most = ([None] * len(actions),) * 2
    if holding is not None and {"min.day", "max.day"} <= names:
        least, most = actions["min.day"].to_pylist(), actions["max.day"].to_pylist()
    wanted_days = None if days is None else {day.isoformat() for day in days}
    columns = (
        actions[n].to_pylist()
        for n in ("path", "size_bytes", "num_records", "partition.session_day", "partition.bucket")
    )
    for path, size, rows, place, bucket, until, low, high in zip(*columns, latest, least, most, strict=True):
        if (
            holding is not None
            and low is not None
            and high is not None
            and not any(low <= day <= high for day in holding)
        ):
            continue
        if wanted_days is not None and str(place) not in wanted_days:
            continue
        if buckets is not None and int(bucket) not in buckets:
            continue
        if since is not None and until is not None and until + timedelta(milliseconds=1) < since:
            continue
        files.append(File(path, size, rows or 0, str(place), int(bucket), until=until))
    return files


def group_buckets(files: Iterable[File], most_rows: int) -> Iterator[set[int]]:
    """The files' buckets in groups of at most so many rows; alone where one has more.

    All rows of a session lie in one bucket, so that sessions can be processed by groups.
    """
    rows = Counter[int]()
    for f in files:
        rows[f.bucket] += f.rows
    together: set[int] = set()
    for bucket in sorted(rows):
        if together and sum(rows[one] for one in together) + rows[bucket] > most_rows:
            yield together
            together = set()
        together.add(bucket)
    if together:
        yield together


def read_table(
    settings: Settings,
    table: Table,
    days: Sequence[date] | None = None,
    buckets: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The table's rows now, of these days and buckets; empty when it does not exist."""
    try:
        return read_rows(settings, table, list_files(open_table(settings, table), days, buckets), columns)
    except TableNotFoundError:
        return arrow.schema(table).empty_table().select(list(columns or table.names))


def read_rows(
    settings: Settings,
    table: Table,
    files: Sequence[File],
    columns: Sequence[str] | None = None,
    where: pc.Expression | None = None,
) -> pa.Table:
    """Rows of these files; `session_day` and `bucket` come from the files' paths."""
    names = list(columns or table.names)
    schema = arrow.schema(table)
    if not files:
        return pa.schema([schema.field(n) for n in names]).empty_table()
    return _with_defaults(
        open_dataset(settings, table, files).to_table(columns=names, filter=where, use_threads=False), table
    )


def read_batches(settings: Settings, table: Table, files: Sequence[File], most_rows: int) -> Iterator[pa.Table]:
    """Rows of these files in parts of about so many, with bounded memory."""
    part: list[pa.RecordBatch] = []
    source = open_dataset(settings, table, files)
    names = list(table.names)
    for batch in source.to_batches(columns=names, batch_size=most_rows, use_threads=False, fragment_readahead=1):
        if part and sum(map(len, part)) + len(batch) > most_rows:
            yield _with_defaults(pa.Table.from_batches(part), table)
            part = []
        part.append(batch)
    if part:
        yield _with_defaults(pa.Table.from_batches(part), table)


def open_dataset(settings: Settings, table: Table, files: Sequence[File]) -> ds.Dataset:
    """These files as a dataset."""
    schema = arrow.schema(table)
    store, folder = open_filesystem(settings, table)
    stored = pa.schema([f for f in schema if f.name not in ("session_day", "bucket")])
    fragments = []
    form = ds.ParquetFileFormat()
    for f in files:
        place = (ds.field("session_day") == pa.scalar(date.fromisoformat(f.session_day))) & (
            ds.field("bucket") == f.bucket
        )
        fragments.append(form.make_fragment(f"{folder}/{f.path}", store, partition_expression=place))
    return ds.FileSystemDataset(
        fragments, pa.schema([*stored, schema.field("session_day"), schema.field("bucket")]), form, store
    )


def read_session_rows(
    settings: Settings, table: Table, files: Sequence[File], sessions: pa.Table, columns: Sequence[str] | None = None
) -> pa.Table:
    """Rows of these sessions (property, session_id) in these files.

    DuckDB decodes the other columns only for matching sessions: four times faster than filtering what was read.
    """
    names = list(columns or table.names)
    if not files or not len(sessions):
        return read_rows(settings, table, [], names)
    narrowed = replace(table, fields=tuple(f for f in table.fields if f.name in names))
    store, folder = open_filesystem(settings, table)
    with open_cursor() as engine:
        engine.register("sessions", sessions.select(["property", "session_id"]))
        source, paths = _STORED, [f"{folder}/{f.path}" for f in files]
        if not isinstance(store, fs.LocalFileSystem):
            engine.register("stored", open_dataset(settings, table, files))
            source, paths = "stored", []
        known = f"columns(lambda name: name in {list(narrowed.names)})"
        matching = engine.sql(
            f"select {known} from {source} semi join sessions using (property, session_id)",
            params={"paths": paths} if paths else None,
        )
        return _with_defaults(arrow.conform(matching.to_arrow_table(), narrowed), narrowed).select(names)


_STORED = """read_parquet($paths, union_by_name = true, hive_partitioning = true,
  hive_types = {'session_day': date, 'bucket': bigint})"""


def _with_defaults(rows: pa.Table, table: Table) -> pa.Table:
    """The rows, in which a column that is newer than a file has its default for that file's rows."""
    for f in table.fields:
        if f.default is not None and f.name in rows.column_names and rows[f.name].null_count:
            place = rows.column_names.index(f.name)
            filled = pc.fill_null(rows[f.name], pa.scalar(f.default, arrow.TYPES[f.type]))
            rows = rows.set_column(place, arrow.field(f), filled)
    return rows
