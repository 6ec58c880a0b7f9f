"""Stored: every table that Postgres holds, in one list."""

from qoescope.catalog import operations
from qoescope.catalog.doors import FORGOTTEN, KEYS, PROPERTIES
from qoescope.catalog.marts import LIVE_LEAF, MARTS
from qoescope.catalog.people import PEOPLE
from qoescope.catalog.quality import CHECKS
from qoescope.catalog.schema import Table
from qoescope.catalog.watch import WATCH_TABLES

POSTGRES_TABLES: tuple[Table, ...] = (
    *operations.POSTGRES_TABLES,
    CHECKS,
    *(mart.table for mart in MARTS),
    LIVE_LEAF,
    PROPERTIES,
    KEYS,
    FORGOTTEN,
    *PEOPLE,
    *WATCH_TABLES,
)
"""In the order in which they are made."""
