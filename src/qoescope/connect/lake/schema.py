"""Schema: creates missing tables, and adds columns that were declared since."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError
from deltalake.schema import Field as StoredField

from qoescope.catalog.operations import LAKE_TABLES
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.connect.lake.checks import check_buckets
from qoescope.connect.lake.tables import STATISTICS, open_table, storage_options, table_uri
from qoescope.settings import Settings

RETENTION = {
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.checkpointInterval": "50",
}


def ensure_tables(settings: Settings, tables: Iterable[Table] = LAKE_TABLES) -> None:
    """Creates missing tables and columns; columns that are no longer declared stay.

    Raises `Mistake` where the lake has another number of buckets than the settings.
    """
    for table in tables:
        where = table_uri(settings, table)
        if "://" not in where:
            Path(where).mkdir(parents=True, exist_ok=True)
        DeltaTable.create(
            where,
            arrow.schema(table),
            mode="ignore",
            partition_by=list(table.partition),
            name=table.name,
            description=table.doc,
            configuration=_table_properties(table),
            storage_options=storage_options(settings),
        )
        delta = open_table(settings, table)
        _add_missing_columns(delta, table)
        if table is EVENTS:
            check_buckets(settings, table, delta)


def _add_missing_columns(delta: DeltaTable, table: Table) -> None:
    """Adds the columns; existing rows read as the column's default."""
    known = {field.name for field in delta.schema().fields}
    declared = Schema.from_arrow(arrow.schema(table)).fields
    missing = [StoredField(field.name, field.type, nullable=True) for field in declared if field.name not in known]
    if missing:
        with suppress(CommitFailedError):  # another process adds them at this moment
            delta.alter.add_columns(missing)


def _table_properties(table: Table) -> dict[str, str]:
    tracked = ",".join(name for name in STATISTICS if name in table.names)
    return RETENTION | {"delta.dataSkippingStatsColumns": tracked}
