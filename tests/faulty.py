"""Faulty: the program with a fault in it that nobody has found yet: it cannot bear the events of one session."""

import pyarrow as pa

from qoescope.cli.app import main
from qoescope.lake import deduplication

UNBEARABLE = "unbearable"
"""Id of the session."""

if __name__ == "__main__":
    judged = deduplication.judge_events

    def breaking(told: pa.Table, *more: pa.Table | int) -> deduplication.JudgedBatch:
        """As it is, but for that session."""
        if UNBEARABLE in told["session_id"].to_pylist():
            raise OverflowError("int too big to convert")
        return judged(told, *more)  # type: ignore[arg-type]

    deduplication.judge_events = breaking  # type: ignore[assignment]
    main()
