"""What events add to the live marts."""

import pyarrow as pa

from qoescope.catalog.events import IN_TABLES
from qoescope.catalog.marts import LEAF_DIMENSIONS, LIVE_DIMENSIONS, LIVE_LEAF, LIVE_WINDOW
from qoescope.compile.cube import cube, leaves

LIVE_TABLES = {LIVE_WINDOW.name: LIVE_WINDOW.table, LIVE_LEAF.name: LIVE_LEAF}
LIVE_COLUMNS = tuple(
    dict.fromkeys(
        (
            "property",
            "session_id",
            *IN_TABLES.values(),
            *LIVE_DIMENSIONS,
            *LEAF_DIMENSIONS,
            "received_at",
            "sent_at",
            "kafka_partition",
            "kafka_offset",
        )
    )
)
"""Columns of events that live numbers need."""


def live(events: pa.Table) -> dict[str, pa.Table]:
    """By table, what these events add to the live marts."""
    return {LIVE_WINDOW.name: cube(events, LIVE_WINDOW), LIVE_LEAF.name: leaves(events)}
