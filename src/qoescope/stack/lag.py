"""Measures how far the streams are behind the log, for the health of the process that runs them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from qoescope.settings import Settings

if TYPE_CHECKING:
    from qoescope.connect.health import HealthBoard

KAFKA, POSTGRES = "kafka", "postgres"
SOURCES = (KAFKA, POSTGRES)
"""What streams read from and write to: a stream that waits for one of them may not be able to report that."""
CHECK_S, RETRY_S = 10.0, 3.0
COMPLETE = "select complete_until from stream_progress where stream = 'events'"


def watch(settings: Settings, board: HealthBoard, stopping: threading.Event) -> None:
    """Updates the board every few seconds until told to stop; blocks."""
    while not stopping.wait(CHECK_S if update(settings, board) else RETRY_S):
        pass


def update(settings: Settings, board: HealthBoard) -> bool:
    """Writes the lag of the stream `events` to the board; False if Kafka or Postgres did not answer."""
    from qoescope.connect import postgres
    from qoescope.stack import progress

    ends: dict[int, int] | None = None
    rows: list[tuple[datetime | None]] | None = None
    try:
        ends = progress.log_ends(settings)
    except Exception as error:  # noqa: BLE001  whatever keeps it from answering is told
        board[KAFKA].failed(error)
    else:
        board[KAFKA].succeeded()
    try:
        with postgres.connect(settings, "writer") as connection:
            read = progress.lake_offsets(connection)
            rows = connection.execute(COMPLETE).fetchall()
    except Exception as error:  # noqa: BLE001  as above
        board[POSTGRES].failed(error)
    else:
        board[POSTGRES].succeeded()
    if ends is None or rows is None:
        return False
    behind = progress.lag(ends, read)
    complete = rows[0][0] if rows else None
    age = (datetime.now(UTC) - complete).total_seconds() if behind and complete else None
    board["events"].lags(records=behind, seconds=age)
    if behind:
        board["events"].working()
    return True
