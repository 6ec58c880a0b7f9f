"""Checks of a lake before it is used: that there is one, and that it has as many buckets as the settings say."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from qoescope.catalog.errors import Mistake
from qoescope.catalog.schema import Table
from qoescope.compile.buckets import bucket_of
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.tables import File, open_table, table_uri
from qoescope.settings import Settings

SAMPLED_FILES, SAMPLED_SESSIONS = 3, 100
"""The smallest files are read, and so many sessions of each: a wrong number of buckets misplaces half of them."""
MOST_BUCKETS = 256


def require_lake(settings: Settings, table: Table) -> None:
    """Raises `Mistake` where there is no lake, which a question must not make; `table` is one that each lake has."""
    where = table_uri(settings, table)
    try:
        if "://" in where or Path(where).is_dir():
            open_table(settings, table)
            return
    except TableNotFoundError:
        pass
    root = where.rsplit("/", 1)[0]
    raise Mistake(f"there is no lake at {root}: `qoescope up` or an import makes it, or set QOESCOPE_LAKE to another")


def check_buckets(settings: Settings, table: Table, delta: DeltaTable) -> None:
    """Raises `Mistake` where the table's sessions lie in other buckets than the settings' number of them gives."""
    files = sorted(list_files(delta), key=lambda f: f.rows)
    if not files:
        return
    highest = max(files, key=lambda f: f.bucket)
    found = {s: f.bucket for f in (highest, *files[:SAMPLED_FILES]) for s in _read_sessions(settings, table, f)}
    if _fit(found, settings.lake_buckets):
        return
    fits = [n for n in range(highest.bucket + 1, MOST_BUCKETS + 1) if _fit(found, n)]
    raise Mistake(
        f"QOESCOPE_LAKE_BUCKETS={settings.lake_buckets} is not what the lake was made with"
        f"{f', which is {fits[0]}' if fits else ''}: the number of buckets is fixed for the life of a lake"
    )


def _fit(found: Mapping[str, int], buckets: int) -> bool:
    return all(bucket_of(session, buckets) == bucket for session, bucket in found.items())


def _read_sessions(settings: Settings, table: Table, f: File) -> Sequence[str]:
    """Some sessions of the file; none where it cannot be read."""
    try:
        rows = read_rows(settings, table, [f], ["session_id"])
    except (OSError, pa.ArrowException):
        return ()
    sessions: list[str] = pc.unique(rows["session_id"]).slice(0, SAMPLED_SESSIONS).to_pylist()
    return sessions
