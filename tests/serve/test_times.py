"""Times: in ISO 8601, or in words about now."""

from datetime import UTC, datetime

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.serve.request.times import parse_time

NOW = datetime(2026, 3, 1, 0, 10, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", datetime(2026, 3, 1, 0, 10, tzinfo=UTC)),
        ("90m", datetime(2026, 2, 28, 22, 40, tzinfo=UTC)),
        ("24h", datetime(2026, 2, 28, 0, 10, tzinfo=UTC)),
        ("2w", datetime(2026, 2, 15, 0, 10, tzinfo=UTC)),
        ("today", datetime(2026, 3, 1, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 2, 28, tzinfo=UTC)),
        ("yesterday 20:14", datetime(2026, 2, 28, 20, 14, tzinfo=UTC)),
        ("today 00:05", datetime(2026, 3, 1, 0, 5, tzinfo=UTC)),
        ("2026-03-01T02:00+02:00", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_understood(text: str, at: datetime) -> None:
    assert parse_time(text, NOW) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "yesterday 25:00",
        "today 9:00",
        "99999d",
        "-3h",
        "2026-13-01",
        "1e9",
        "2199-12-31T23:59:59-23:59",
        "1970-01-01T00:00+23:59",
        "0001-01-01T00:00+14:00",
    ],
)
def test_what_is_no_time_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(Mistake, match=r"is not a valid time; use|outside the supported dates"):
        parse_time(text, NOW)
