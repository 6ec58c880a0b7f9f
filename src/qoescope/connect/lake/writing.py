"""Writing: Parquet files that no reader sees, and the commits that make them visible."""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.transaction import AddAction
from pyarrow import fs

from qoescope.catalog.schema import Table
from qoescope.compile import arrow
from qoescope.connect.lake.tables import STATISTICS, File, open_filesystem
from qoescope.settings import Settings

RETRIES = 50
"""How often a commit is retried beside concurrent ones."""
SMALL = 5_000
"""Rows. Smaller files are joined before long, and compressed quickly."""


def write_files(settings: Settings, table: Table, rows: pa.Table) -> list[File]:
    """Writes the rows to new files, one a part; no reader sees them before they are committed."""
    store, folder = open_filesystem(settings, table)
    sought = [name for name in table.names if name in (*table.key, *STATISTICS)]
    written = []
    for part in split_parts(rows):
        day, bucket = part["session_day"][0].as_py().isoformat(), part["bucket"][0].as_py()
        path = f"session_day={day}/bucket={bucket}/{uuid.uuid4().hex}.parquet"
        buffer = BytesIO()
        pq.write_table(
            part.drop_columns(["session_day", "bucket"]),
            buffer,
            row_group_size=250_000,
            write_statistics=sought,
            compression="zstd" if len(part) > SMALL else "lz4",
            store_schema=False,  # a text that is numbered here is a text to readers
        )
        if isinstance(store, fs.LocalFileSystem):
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
        with store.open_output_stream(f"{folder}/{path}") as out:
            out.write(buffer.getbuffer())
        written.append(File(path, buffer.tell(), len(part), day, bucket, _statistics(part)))
    return written


def split_parts(rows: pa.Table) -> list[pa.Table]:
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
            "minValues": {n: _delta_value(b["min"], up=False) for n, b in bounds.items() if b["min"] is not None},
            "maxValues": {n: _delta_value(b["max"], up=True) for n, b in bounds.items() if b["max"] is not None},
            "nullCount": {n: part[n].null_count for n in names},
        }
    )


def _delta_value(value: str | date | datetime, *, up: bool) -> str:
    """The value in Delta's statistics: in milliseconds, a maximum rounded up."""
    if not isinstance(value, datetime):
        return str(value)
    value += timedelta(microseconds=999 if up else 0)
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def commit_files(delta: DeltaTable, table: Table, added: Sequence[File], app: str, batch: int) -> bool:
    """Commits the files at once, and once for (app, batch); False when that was committed before."""
    delta.update_incremental()
    done = delta.transaction_version(app)
    if done is not None and done >= batch:
        return False
    if added:
        _append(delta, table, added, {"app": app, "batch": str(batch)}, [Transaction(app, batch)])
        delta.update_incremental()
    return True


def append_files(delta: DeltaTable, table: Table, added: Sequence[File], note: dict[str, str]) -> None:
    """Commits the files at once; does nothing for none."""
    if added:
        _append(delta, table, added, note)


def _append(
    delta: DeltaTable,
    table: Table,
    added: Sequence[File],
    note: dict[str, str],
    transactions: list[Transaction] | None = None,
) -> None:
    delta.create_write_transaction(
        [_action(f) for f in added],
        "append",
        arrow.schema(table),
        list(table.partition),
        commit_properties=CommitProperties(
            custom_metadata=note, app_transactions=transactions, max_commit_retries=RETRIES
        ),
        post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
    )


def replace_parts(
    delta: DeltaTable, table: Table, day: date, buckets: Sequence[int], added: Sequence[File], note: dict[str, str]
) -> None:
    """Replaces these parts of the table, as `delta` has it, by these files; concurrent appends stay."""
    delta.create_write_transaction(
        [_action(f) for f in added],
        "overwrite",
        arrow.schema(table),
        list(table.partition),
        [("session_day", "=", day.isoformat()), ("bucket", "in", [str(bucket) for bucket in buckets])],
        commit_properties=CommitProperties(custom_metadata=note, max_commit_retries=RETRIES),
    )


def _action(f: File) -> AddAction:
    parts = {"session_day": f.session_day, "bucket": str(f.bucket)}
    return AddAction(f.path, f.size, parts, int(datetime.now().timestamp() * 1000), True, f.statistics)  # noqa: DTZ005


def pack_files(added: Iterable[File]) -> list[str]:
    """Files as lines of JSON that a task can send to the driver."""
    return [json.dumps({k: v for k, v in asdict(f).items() if k != "until"}) for f in added]


def unpack_files(lines: Iterable[bytes | str]) -> list[File]:
    """The files in such lines."""
    return [File(**json.loads(line)) for line in lines]
