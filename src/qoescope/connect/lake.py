"""The lake: Delta tables without Spark. Tasks write Parquet files; one commit makes them all visible, once.

Long because files, commits and reads of Delta tables share one picture of a table.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.schema import Field as StoredField
from deltalake.transaction import AddAction
from pyarrow import fs

from qoescope.catalog.operations import LAKE_TABLES
from qoescope.catalog.schema import Table
from qoescope.compile import arrow
from qoescope.compile.duck import connected
from qoescope.settings import Settings

STATISTICS = ("received_at", "day")
"""Columns whose least and greatest value a file tells, so that readers can pass it over. The log keeps them: no ids."""
SMALL = 5_000
"""Rows. Smaller files are joined before long: a quick compression does for them."""
RETENTION = {
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.checkpointInterval": "50",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of a table: where it is, what part of the table it holds, and how far it reaches in time."""

    path: str
    size: int
    rows: int
    session_day: str
    bucket: int
    statistics: str = "{}"
    until: datetime | None = None


def uri(settings: Settings, table: Table) -> str:
    """Where the table is."""
    root = settings.lake or str((settings.var / "lake").absolute())
    return f"{root.rstrip('/')}/{table.name}"


def storage_options(settings: Settings) -> dict[str, str] | None:
    """What the object store is told; None where the lake is a folder."""
    if not settings.lake_options:
        return None
    within = f"{settings.lake_timeout_s:g}s"
    return {"timeout": within, "connect_timeout": within} | settings.lake_options


def ensure(settings: Settings, tables: Iterable[Table] = LAKE_TABLES) -> None:
    """Creates the tables and the columns that are missing; columns that are no longer declared stay."""
    for table in tables:
        where = uri(settings, table)
        if "://" not in where:
            Path(where).mkdir(parents=True, exist_ok=True)
        DeltaTable.create(
            where, arrow.schema(table), mode="ignore", partition_by=list(table.partition), name=table.name,
            description=table.doc, configuration=_properties(table), storage_options=storage_options(settings),
        )  # fmt: skip
        _add_missing_columns(opened(settings, table), table)


def _add_missing_columns(delta: DeltaTable, table: Table) -> None:
    """Rows that lie there already read as the column's default."""
    known = {field.name for field in delta.schema().fields}
    declared = Schema.from_arrow(arrow.schema(table)).fields
    missing = [StoredField(field.name, field.type, nullable=True) for field in declared if field.name not in known]
    if missing:
        with suppress(CommitFailedError):  # another process adds them at this moment
            delta.alter.add_columns(missing)


def _properties(table: Table) -> dict[str, str]:
    told = ",".join(name for name in STATISTICS if name in table.names)
    return RETENTION | {"delta.dataSkippingStatsColumns": told}


def opened(settings: Settings, table: Table) -> DeltaTable:
    """The table as it is now; raises TableNotFoundError when it was never made."""
    return DeltaTable(uri(settings, table), storage_options=storage_options(settings))


def exists(settings: Settings, table: Table) -> bool:
    """Whether it holds anything."""
    try:
        return len(opened(settings, table).get_add_actions()) > 0
    except TableNotFoundError:
        return False


def files(
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
    found = []
    least, most = ([None] * len(actions),) * 2
    if holding is not None and {"min.day", "max.day"} <= names:
        least, most = actions["min.day"].to_pylist(), actions["max.day"].to_pylist()
    wanted_days = None if days is None else {day.isoformat() for day in days}
    columns = (actions[n].to_pylist() for n in
               ("path", "size_bytes", "num_records", "partition.session_day", "partition.bucket"))  # fmt: skip
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
        found.append(File(path, size, rows or 0, str(place), int(bucket), until=until))
    return found


def filesystem(settings: Settings, table: Table) -> tuple[fs.FileSystem, str]:
    """What reads and writes files of the table, and the table's folder in it."""
    where = uri(settings, table)
    if "://" not in where:
        return fs.LocalFileSystem(), where
    if where.startswith(("s3://", "s3a://")):
        options = settings.lake_options
        store: fs.FileSystem = fs.S3FileSystem(
            access_key=options.get("AWS_ACCESS_KEY_ID"), secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
            endpoint_override=options.get("AWS_ENDPOINT_URL"), region=options.get("AWS_REGION"),
            allow_bucket_creation=False, connect_timeout=settings.lake_timeout_s,
            request_timeout=settings.lake_timeout_s,
        )  # fmt: skip
        return store, where.split("://", 1)[1]
    return fs.FileSystem.from_uri(where)


def write(settings: Settings, table: Table, rows: pa.Table) -> list[File]:
    """The rows in new files, one a partition, that no reader sees before `commit`."""
    store, folder = filesystem(settings, table)
    sought = [name for name in table.names if name in (*table.key, *STATISTICS)]
    written = []
    for part in partitions(rows):
        day, bucket = part["session_day"][0].as_py().isoformat(), part["bucket"][0].as_py()
        path = f"session_day={day}/bucket={bucket}/{uuid.uuid4().hex}.parquet"
        buffer = BytesIO()
        pq.write_table(
            part.drop_columns(["session_day", "bucket"]), buffer, row_group_size=250_000, write_statistics=sought,
            compression="zstd" if len(part) > SMALL else "lz4",
            store_schema=False,  # a text that is numbered here is a text to readers
        )  # fmt: skip
        if isinstance(store, fs.LocalFileSystem):
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
        with store.open_output_stream(f"{folder}/{path}") as out:
            out.write(buffer.getbuffer())
        written.append(File(path, buffer.tell(), len(part), day, bucket, _statistics(part)))
    return written


def partitions(rows: pa.Table) -> list[pa.Table]:
    """The rows by (session_day, bucket)."""
    if not len(rows):
        return []
    day, bucket = (rows[name].cast(pa.int32()).to_numpy() for name in ("session_day", "bucket"))
    order = np.lexsort((bucket, day))
    starts = np.append(0, 1 + np.flatnonzero(np.diff(day[order]) | np.diff(bucket[order])))
    ordered = rows.take(pa.array(order))
    return [ordered.slice(a, b - a) for a, b in pairwise((*starts, len(rows)))]


def _statistics(part: pa.Table) -> str:
    names = [name for name in STATISTICS if name in part.column_names]
    bounds = {name: pc.min_max(part[name]).as_py() for name in names}
    return json.dumps(
        {
            "numRecords": len(part),
            "minValues": {n: _said(b["min"], up=False) for n, b in bounds.items() if b["min"] is not None},
            "maxValues": {n: _said(b["max"], up=True) for n, b in bounds.items() if b["max"] is not None},
            "nullCount": {n: part[n].null_count for n in names},
        }
    )


def _said(value: str | date | datetime, *, up: bool) -> str:
    """As Delta says it: milliseconds, so that the greatest is rounded up."""
    if not isinstance(value, datetime):
        return str(value)
    value += timedelta(microseconds=999 if up else 0)
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def commit(delta: DeltaTable, table: Table, added: Sequence[File], app: str, batch: int) -> bool:
    """Makes the files visible, all at once, and once for a (app, batch); False when that was done before."""
    delta.update_incremental()
    done = delta.transaction_version(app)
    if done is not None and done >= batch:
        return False
    if added:
        delta.create_write_transaction(
            [_action(f) for f in added], "append", arrow.schema(table), list(table.partition),
            commit_properties=CommitProperties(
                custom_metadata={"app": app, "batch": str(batch)},
                app_transactions=[Transaction(app, batch)],
                max_commit_retries=50,
            ),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )  # fmt: skip
        delta.update_incremental()
    return True


def append(delta: DeltaTable, table: Table, added: Sequence[File], note: dict[str, str]) -> None:
    """Makes the files visible, all at once; nothing for none."""
    if added:
        delta.create_write_transaction(
            [_action(f) for f in added], "append", arrow.schema(table), list(table.partition),
            commit_properties=CommitProperties(custom_metadata=note, max_commit_retries=50),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )  # fmt: skip


def replace_part(delta: DeltaTable, table: Table, day: date, buckets: Sequence[int], added: Sequence[File]) -> None:
    """These parts of the table, as `delta` has it, become these files; what came since then stays."""
    delta.create_write_transaction(
        [_action(f) for f in added], "overwrite", arrow.schema(table), list(table.partition),
        [("session_day", "=", day.isoformat()), ("bucket", "in", [str(bucket) for bucket in buckets])],
        commit_properties=CommitProperties(custom_metadata={"restated": day.isoformat()}, max_commit_retries=50),
    )  # fmt: skip


def _action(f: File) -> AddAction:
    parts = {"session_day": f.session_day, "bucket": str(f.bucket)}
    return AddAction(f.path, f.size, parts, int(datetime.now().timestamp() * 1000), True, f.statistics)  # noqa: DTZ005


def packed(added: Iterable[File]) -> list[str]:
    """Files as lines that travel from a task to the driver."""
    return [json.dumps({k: v for k, v in asdict(f).items() if k != "until"}) for f in added]


def unpacked(lines: Iterable[bytes | str]) -> list[File]:
    """The files of such lines."""
    return [File(**json.loads(line)) for line in lines]


def rows(
    settings: Settings,
    table: Table,
    found: Sequence[File],
    columns: Sequence[str] | None = None,
    where: pc.Expression | None = None,
) -> pa.Table:
    """Rows of these files; `session_day` and `bucket` come from the files' places."""
    names = list(columns or table.names)
    schema = arrow.schema(table)
    if not found:
        return pa.schema([schema.field(n) for n in names]).empty_table()
    return _with_defaults(
        dataset(settings, table, found).to_table(columns=names, filter=where, use_threads=False), table
    )


def _with_defaults(rows: pa.Table, table: Table) -> pa.Table:
    """The rows, in which a column that is younger than a file holds its default for the file's rows."""
    for f in table.fields:
        if f.default is not None and f.name in rows.column_names and rows[f.name].null_count:
            place = rows.column_names.index(f.name)
            filled = pc.fill_null(rows[f.name], pa.scalar(f.default, arrow.TYPES[f.type]))
            rows = rows.set_column(place, arrow.field(f), filled)
    return rows


def batches(settings: Settings, table: Table, found: Sequence[File], most_rows: int) -> Iterator[pa.Table]:
    """Rows of these files, so many at a time, about: what is in memory does not grow with them."""
    part: list[pa.RecordBatch] = []
    source = dataset(settings, table, found)
    names = list(table.names)
    for batch in source.to_batches(columns=names, batch_size=most_rows, use_threads=False, fragment_readahead=1):
        if part and sum(map(len, part)) + len(batch) > most_rows:
            yield _with_defaults(pa.Table.from_batches(part), table)
            part = []
        part.append(batch)
    if part:
        yield _with_defaults(pa.Table.from_batches(part), table)


def dataset(settings: Settings, table: Table, found: Sequence[File]) -> ds.Dataset:
    """These files, to be read as they are needed."""
    schema = arrow.schema(table)
    store, folder = filesystem(settings, table)
    stored = pa.schema([f for f in schema if f.name not in ("session_day", "bucket")])
    fragments = []
    form = ds.ParquetFileFormat()
    for f in found:
        place = (ds.field("session_day") == pa.scalar(date.fromisoformat(f.session_day))) & (
            ds.field("bucket") == f.bucket
        )
        fragments.append(form.make_fragment(f"{folder}/{f.path}", store, partition_expression=place))
    return ds.FileSystemDataset(
        fragments, pa.schema([*stored, schema.field("session_day"), schema.field("bucket")]), form, store
    )


def rows_of(
    settings: Settings, table: Table, found: Sequence[File], sessions: pa.Table, columns: Sequence[str] | None = None
) -> pa.Table:
    """Rows of these sessions, told by (property, session_id), in these files.

    DuckDB decodes the other columns only where a session is met: four times faster than to filter what was read.
    """
    names = list(columns or table.names)
    if not found or not len(sessions):
        return rows(settings, table, [], names)
    asked = replace(table, fields=tuple(f for f in table.fields if f.name in names))
    store, folder = filesystem(settings, table)
    with connected() as engine:
        engine.register("sessions", sessions.select(["property", "session_id"]))
        source, paths = _STORED, [f"{folder}/{f.path}" for f in found]
        if not isinstance(store, fs.LocalFileSystem):
            engine.register("stored", dataset(settings, table, found))
            source, paths = "stored", []
        known = f"columns(lambda name: name in {list(asked.names)})"
        met = engine.sql(
            f"select {known} from {source} semi join sessions using (property, session_id)",
            params={"paths": paths} if paths else None,
        )
        return _with_defaults(arrow.conform(met.to_arrow_table(), asked), asked).select(names)


_STORED = """read_parquet($paths, union_by_name = true, hive_partitioning = true,
  hive_types = {'session_day': date, 'bucket': bigint})"""


def read(
    settings: Settings,
    table: Table,
    days: Sequence[date] | None = None,
    buckets: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The table's rows now, of these days and buckets."""
    try:
        return rows(settings, table, files(opened(settings, table), days, buckets), columns)
    except TableNotFoundError:
        return arrow.schema(table).empty_table().select(list(columns or table.names))


def compact(
    settings: Settings,
    table: Table,
    files_a_part: int = 8,
    most_bytes: int = 256 * 1024 * 1024,
    most_parts: int | None = None,
) -> int:
    """Joins small files of parts that hold more than `files_a_part`; how many files went. Rows stay as they are.

    Files of half of `most_bytes` and more are left alone, so that who joins often copies little again; with
    `most_parts` only those parts that hold the most of them are looked after.
    """
    delta = opened(settings, table)
    small = Counter((f.session_day, f.bucket) for f in files(delta) if f.size < most_bytes // 2)
    full = [part for part, count in small.most_common() if count > files_a_part]
    gone = 0
    for day, bucket in full[:most_parts]:
        try:
            told = delta.optimize.compact(
                [("session_day", "=", day), ("bucket", "=", str(bucket))], target_size=most_bytes
            )
        except CommitFailedError:  # someone else changed these files: the next round joins them
            delta.update_incremental()
            continue
        gone += int(told["numFilesRemoved"])
    return gone


def vacuum(settings: Settings, table: Table, hours: int = 168) -> list[str]:
    """Deletes files that no version of the last hours needs; their names."""
    return opened(settings, table).vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False)


def expire(settings: Settings, table: Table, before: date) -> int:
    """Deletes the table's days before this one, but no day of which something was received since; how many rows went.

    A clock that is a year behind sends such a day today, and the books count it.
    """
    delta = opened(settings, table)
    found = files(delta)
    received = {f.session_day for f in found if f.until and f.until.date() >= before}
    gone = [f for f in found if f.session_day < before.isoformat() and f.session_day not in received]
    if gone:
        delta.delete(f"session_day in ({', '.join(repr(day) for day in sorted({f.session_day for f in gone}))})")
    return sum(f.rows for f in gone)


def take_back(settings: Settings, table: Table, following: Mapping[int, int]) -> int:
    """Deletes the rows of records that lie at or behind these offsets of the log, by partition; how many went.

    What was imported never was in the log and stays: its partition is negative.
    """
    read = " or ".join(f"(kafka_partition = {p} and kafka_offset < {o})" for p, o in following.items())
    unread = f"not ({read})" if read else "true"
    return int(opened(settings, table).delete(f"kafka_partition >= 0 and {unread}")["num_deleted_rows"])


def erase(settings: Settings, table: Table, tenant: str, viewer: str) -> pa.Table:
    """Deletes a viewer's rows and answers them; their parts of the table are written again without them.

    Not by a condition that Delta would keep in its log: no file of the table says whom it is about.
    """
    delta = opened(settings, table)
    found = files(delta)
    gone = rows(settings, table, found, where=(ds.field("property") == tenant) & (ds.field("viewer_id") == viewer))
    another = ds.field("viewer_id").is_null() | (ds.field("viewer_id") != viewer)
    touched = {(part["session_day"][0].as_py(), part["bucket"][0].as_py()) for part in partitions(gone)}
    for day in sorted({day for day, _ in touched}):
        buckets = [bucket for place, bucket in sorted(touched) if place == day]
        added: list[File] = []
        for bucket in buckets:
            mine = [f for f in found if (f.session_day, f.bucket) == (day.isoformat(), bucket)]
            kept = rows(settings, table, mine, where=(ds.field("property") != tenant) | another)
            added += write(settings, table, kept)
        replace_part(delta, table, day, buckets, added)
        delta.update_incremental()
    return gone
