"""Times in logs: any of the forms that servers write, as an instant in UTC."""

import re
from contextlib import suppress
from datetime import UTC, datetime

from qoescope.catalog.bounds import DATES

FORMS = (
    "%d/%b/%Y:%H:%M:%S %z",
    "%d/%b/%Y:%H:%M:%S.%f %z",
    "%d/%b/%Y:%H:%M:%S",
    "%d/%b/%Y:%H:%M:%S.%f",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %Y",
    "%Y/%m/%d %H:%M:%S",
)
"""Of times that are not ISO 8601: the common log's, HTTP's, and that of servers' own errors."""
LEAP_SECOND = re.compile(r"(\d:\d\d):60(?!\d)")
"""The second that no clock here has is the one before it."""
GREATEST_S = DATES[1] / 1000
UNITS = (1, 10**3, 10**6, 10**9)


def parse_time(text: str | float) -> datetime:
    """The instant, from s, ms, µs or ns since the epoch or from a written time; one without a zone is UTC.

    Raises `ValueError` for what is no time, or one before 1990 or after 2100.
    """
    instant = _from_epoch(text) if isinstance(text, int | float) else _from_text(text.strip(' "[]'))
    if not DATES[0] <= instant.timestamp() * 1000 <= DATES[1]:
        raise ValueError(f"{text} is not a time")
    return instant


def _from_epoch(number: float) -> datetime:
    """By its size s, ms, µs or ns: in none of them do the years from 1990 to 2100 look alike."""
    seconds = next((number / unit for unit in UNITS if abs(number) / unit <= GREATEST_S), None)
    if seconds is None:
        raise ValueError(f"{number} is not a time")
    return datetime.fromtimestamp(seconds, UTC)


def _from_text(text: str) -> datetime:
    with suppress(ValueError):
        return _from_epoch(float(text.replace(",", ".", 1)))
    text = LEAP_SECOND.sub(r"\1:59", text)
    try:
        instant = datetime.fromisoformat(text.upper().removesuffix(" UTC").removesuffix(" GMT"))
    except ValueError:
        instant = _by_form(text)
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def _by_form(text: str) -> datetime:
    for form in FORMS:
        with suppress(ValueError):
            return datetime.strptime(text, form)  # noqa: DTZ007  one without a zone is UTC
    raise ValueError(f"{text} is not a time")
