"""Tables of the lake: where they are, and how they are opened."""

from dataclasses import dataclass
from datetime import datetime

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyarrow import fs

from qoescope.catalog.schema import Table
from qoescope.settings import Settings

STATISTICS = ("received_at", "day")
"""Columns whose minimum and maximum are in the log, so that readers can skip files. None of them names a viewer."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a table: its path, the part of the table it holds, and the last arrival in it."""

    path: str
    size: int
    rows: int
    session_day: str
    bucket: int
    statistics: str = "{}"
    until: datetime | None = None


def table_uri(settings: Settings, table: Table) -> str:
    """The table's URI, or path."""
    root = settings.lake or str((settings.var / "lake").absolute())
    return f"{root.rstrip('/')}/{table.name}"


def storage_options(settings: Settings) -> dict[str, str] | None:
    """Options of the object store; None where the lake is a folder."""
    if not settings.lake_options:
        return None
    within = f"{settings.lake_timeout_s:g}s"
    return {"timeout": within, "connect_timeout": within} | settings.lake_options


def open_table(settings: Settings, table: Table) -> DeltaTable:
    """The table as it is now; raises `TableNotFoundError` when it does not exist."""
    return DeltaTable(table_uri(settings, table), storage_options=storage_options(settings))


def has_files(settings: Settings, table: Table) -> bool:
    """Whether it exists and has files."""
    try:
        return len(open_table(settings, table).get_add_actions()) > 0
    except TableNotFoundError:
        return False


def open_filesystem(settings: Settings, table: Table) -> tuple[fs.FileSystem, str]:
    """The file system of the table, and the table's folder in it."""
    where = table_uri(settings, table)
    if "://" not in where:
        return fs.LocalFileSystem(), where
    if where.startswith(("s3://", "s3a://")):
        options = settings.lake_options
        store: fs.FileSystem = fs.S3FileSystem(
            access_key=options.get("AWS_ACCESS_KEY_ID"),
            secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
            endpoint_override=options.get("AWS_ENDPOINT_URL"),
            region=options.get("AWS_REGION"),
            allow_bucket_creation=False,
            connect_timeout=settings.lake_timeout_s,
            request_timeout=settings.lake_timeout_s,
        )
        return store, where.split("://", 1)[1]
    return fs.FileSystem.from_uri(where)
