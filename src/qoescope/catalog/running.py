"""Running: what our own parts tell of their health."""

from qoescope.catalog.schema import Field, Table

PART_HEALTH = Table(
    "part_health",
    "one row a part that runs loops: what it last told of its health, for readers without a common disk",
    (
        Field("part", "text", "stream or monitor", nullable=False),
        Field("written_at", "instant", "when it was told", nullable=False),
        Field("report", "json", "its process and its loops", nullable=False),
    ),
    key=("part",),
)
