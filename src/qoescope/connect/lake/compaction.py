"""Compaction: joins small files, and deletes files that no version needs."""

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
    """Joins small files of parts that have more than `files_a_part`; returns how many files went.

    Files of at least half of `most_bytes` are left alone, so that frequent runs rewrite little; with `most_parts` only
    the parts with the most small files are joined.
    """
    delta = open_table(settings, table)
    small = Counter((f.session_day, f.bucket) for f in list_files(delta) if f.size < most_bytes // 2)
    full = [part for part, count in small.most_common() if count > files_a_part]
    gone = 0
    for day, bucket in full[:most_parts]:
        try:
            result = delta.optimize.compact(
                [("session_day", "=", day), ("bucket", "=", str(bucket))], target_size=most_bytes
            )
        except CommitFailedError:  # someone else changed these files: the next round joins them
            delta.update_incremental()
            continue
        gone += int(result["numFilesRemoved"])
    return gone


def vacuum_table(settings: Settings, table: Table, hours: int = 168) -> list[str]:
    """Deletes files that no version of the last hours needs; returns their names."""
    return open_table(settings, table).vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False)
