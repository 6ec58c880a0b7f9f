"""Places: how far a stream has come in the log, and what the log had lost before it was read."""

from datetime import datetime
from typing import Any

from qoescope.lake.jobs.events import StreamPosition


def batch(first: int, following: int, records: int) -> dict[str, Any]:
    return {"kafka_partition": 0, "first_offset": first, "next_offset": following, "records": records,
            "complete_until": datetime(2026, 1, 2)}  # fmt: skip  # noqa: DTZ001


def advanced(place: StreamPosition, *told: dict[str, Any]) -> tuple[StreamPosition, list[tuple[int, int, int, int]]]:
    after, rows = place.advanced(told, "events")
    names = ("first_offset", "next_offset", "records", "lost")
    return after, [tuple(row[name] for name in names) for row in rows.to_pylist()]


def test_what_the_log_dropped_before_any_stream_read_it_is_lost() -> None:
    place, first = advanced(StreamPosition(), batch(100, 120, 20))
    _, second = advanced(place, batch(120, 125, 5))
    assert (first, second) == ([(0, 120, 20, 100)], [(0, 125, 5, 0)])


def test_what_it_dropped_between_two_batches_is_lost_and_a_hole_within_one() -> None:
    place, _ = advanced(StreamPosition(), batch(0, 10, 10))
    assert advanced(place, batch(15, 20, 4))[1] == [(0, 20, 4, 6)]
