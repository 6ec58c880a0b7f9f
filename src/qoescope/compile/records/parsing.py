"""Parses a batch of records, whatever it contains."""

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.operations import QUARANTINE, REPORTS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, tallies
from qoescope.compile.duck import query_arrow
from qoescope.compile.records.outputs import NOTHING_UNKNOWN, OUTPUTS, reports_sql, unreadable_sql
from qoescope.compile.records.reading import read_sql
from qoescope.compile.records.rows import encode_rows, event_rows
from qoescope.compile.records.texts import decode_texts

RECORDS = pa.schema(
    [
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("kafka_partition", pa.int64()),
        pa.field("kafka_offset", pa.int64()),
    ]
)
"""Columns of records as a stream or a reader delivers them."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed batch of records."""

    events: pa.Table
    """Rows of the catalog's `events`, including repeats and late ones."""
    counts: pa.Table
    """(property, minute_at, received, accepted, duplicate, invalid, rate_limited, filtered)."""
    offsets: pa.Table
    """(kafka_partition, first_offset, next_offset, records, complete_until), one row a partition."""
    unreadable: pa.Table
    """Rows of the catalog's `quarantine`: records and events that are not what the log should hold."""
    reports: pa.Table
    """Rows of the catalog's `reports`."""
    unknown: pa.Table
    """(property, minute_at, field, count): values that cannot be meant, by field."""


def parse_records(records: pa.Table, buckets: int) -> Parsed:
    """Parses the records; nothing in them can make it raise."""
    given = decode_texts(records)
    try:
        read = query_arrow(read_sql("value", buckets), given=given)
    except duckdb.Error:  # one record that is no JSON: now each is looked at before it is read
        read = query_arrow(read_sql("case when json_valid(value) then value end", buckets), given=given)
    rows = event_rows(read)
    if tallies.are_plain(read):
        tables = {"counts": tallies.counts(read), "offsets": tallies.offsets(read), "unknown": NOTHING_UNKNOWN}
    else:
        tables = {name: query_arrow(sql, records=read) for name, sql in OUTPUTS.items()}
    odd = not (_all(read["good"]) and _all(rows["good"]))
    if odd:
        tables["unreadable"] = query_arrow(unreadable_sql(), given=given, records=read, rows=rows)
    if reported := pc.any(read["reported"]).as_py():
        tables["reports"] = query_arrow(reports_sql(buckets), records=read)
    return Parsed(
        encode_rows(rows.filter(rows["good"]) if odd else rows),
        tables["counts"],
        tables["offsets"],
        arrow.conform(tables["unreadable"], QUARANTINE) if odd else arrow.schema(QUARANTINE).empty_table(),
        arrow.conform(tables["reports"], REPORTS) if reported else arrow.schema(REPORTS).empty_table(),
        tables["unknown"],
    )


def parse_events(records: pa.Table, buckets: int) -> pa.Table:
    """The catalog's `events` of the records."""
    return arrow.conform(parse_records(records, buckets).events, EVENTS)


def _all(good: pa.ChunkedArray) -> bool:
    return pc.all(good).as_py() is not False
