"""Deletion: expired days, rows that will be read again, and viewers who asked to be forgotten."""

from collections.abc import Mapping
from datetime import date

import pyarrow as pa
import pyarrow.dataset as ds

from qoescope.catalog.schema import Table
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.lake.writing import replace_parts, split_parts, write_files
from qoescope.settings import Settings


def expire_days(settings: Settings, table: Table, before: date) -> int:
    """Deletes days before this one, unless events of them were received since; returns the number of rows.

    A device whose clock is a year behind sends such a day today, and the books count it.
    """
    delta = open_table(settings, table)
    files = list_files(delta)
    received = {f.session_day for f in files if f.until and f.until.date() >= before}
    gone = [f for f in files if f.session_day < before.isoformat() and f.session_day not in received]
    if gone:
        delta.delete(f"session_day in ({', '.join(repr(day) for day in sorted({f.session_day for f in gone}))})")
    return sum(f.rows for f in gone)


def delete_from_offset(settings: Settings, table: Table, following: Mapping[int, int]) -> int:
    """Deletes rows of records at or behind these offsets, by partition; returns their number.

    Imported rows never were in the log and stay: their partition is negative.
    """
    read = " or ".join(f"(kafka_partition = {p} and kafka_offset < {o})" for p, o in following.items())
    unread = f"not ({read})" if read else "true"
    return int(open_table(settings, table).delete(f"kafka_partition >= 0 and {unread}")["num_deleted_rows"])


def erase_viewer(settings: Settings, table: Table, property_id: str, viewer: str) -> pa.Table:
    """Deletes a viewer's rows and returns them; their parts of the table are rewritten without them.

    Not by a delete predicate, which Delta would keep in its log: no file may name the viewer.
    """
    delta = open_table(settings, table)
    files = list_files(delta)
    gone = read_rows(
        settings, table, files, where=(ds.field("property") == property_id) & (ds.field("viewer_id") == viewer)
    )
    another = ds.field("viewer_id").is_null() | (ds.field("viewer_id") != viewer)
    touched = {(part["session_day"][0].as_py(), part["bucket"][0].as_py()) for part in split_parts(gone)}
    for day in sorted({day for day, _ in touched}):
        buckets = [bucket for place, bucket in sorted(touched) if place == day]
        added: list[File] = []
        for bucket in buckets:
            mine = [f for f in files if (f.session_day, f.bucket) == (day.isoformat(), bucket)]
            kept = read_rows(settings, table, mine, where=(ds.field("property") != property_id) | another)
            added += write_files(settings, table, kept)
        replace_parts(delta, table, day, buckets, added, {"erased": day.isoformat()})
        delta.update_incremental()
    return gone
