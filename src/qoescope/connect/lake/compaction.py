"""Compaction: small files become large ones, and files that no version needs go."""

from collections import Counter

from deltalake.exceptions import CommitFailedError

from qoescope.catalog.schema import Table
from qoescope.connect.lake.reading import list_files
from qoescope.connect.lake.tables import open_table
from qoescope.settings import Settings


def compact_table(
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
    delta = open_table(settings, table)
    small = Counter((f.session_day, f.bucket) for f in list_files(delta) if f.size < most_bytes // 2)
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


def vacuum_table(settings: Settings, table: Table, hours: int = 168) -> list[str]:
    """Deletes files that no version of the last hours needs; their names."""
    return open_table(settings, table).vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False)
