"""Freshness of live numbers since a time."""

from datetime import UTC, datetime

from qoescope.connect import postgres
from qoescope.mart import freshness
from qoescope.settings import Settings


def measure_freshness(settings: Settings, since: datetime | None = None) -> freshness.Freshness:
    """How old events were when live numbers showed them, exact to a tenth of a second."""
    with postgres.connect(settings, "writer", settings.postgres_question_s) as connection:
        rows = connection.execute(
            "select committed_at, first_at, tick_ms, sent, older from freshness where committed_at >= %s",
            (since or datetime(2000, 1, 1, tzinfo=UTC),),
        ).fetchall()
    return freshness.freshness([(a, b, c, d, e) for a, b, c, d, e in rows])
