"""Times as people write them: ISO 8601, or relative to now; and the grids that ranges lie on."""

import re
from datetime import UTC, datetime, timedelta

from qoescope.catalog.errors import Mistake

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
"""A Monday: steps of a week begin on Mondays."""
CALENDAR = 1970, 2200
_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_AGO = re.compile(r"(\d{1,5})([mhdw])")
_DAY = re.compile(r"(today|yesterday)(?:[ T](\d\d:\d\d))?")


def parse_time(text: str, now: datetime | None = None) -> datetime:
    """The time that a text names, UTC where it names no zone.

    ISO 8601, `now`, `90m`, `24h`, `7d` or `2w` ago, `today` or `yesterday`, also with a time as in `yesterday 20:00`.
    Raises `Mistake` for any other text, and outside the years in which a range has days before and after it.
    """
    try:
        at = _relative(text.strip().lower(), now or datetime.now(UTC)) or datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise Mistake(
            f"'{text}' is not a valid time; use 2026-01-31T20:00 (UTC), 24h, now or 'yesterday 20:00'"
        ) from error
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    elif 1 < at.year < CALENDAR[1]:  # else the zone may lead out of what Python can say
        at = at.astimezone(UTC)
    if not CALENDAR[0] <= at.year < CALENDAR[1]:
        raise Mistake(f"'{text}' is outside the supported dates")
    return at


def _relative(text: str, now: datetime) -> datetime | None:
    if text == "now":
        return floor(now, MINUTE)
    if ago := _AGO.fullmatch(text):
        return floor(now, MINUTE) - int(ago[1]) * _UNITS[ago[2]]
    if day := _DAY.fullmatch(text):
        date = floor(now, DAY) - (DAY if day[1] == "yesterday" else timedelta())
        return datetime.fromisoformat(f"{date:%Y-%m-%d}T{day[2]}") if day[2] else date
    return None


def floor(at: datetime, grid: timedelta) -> datetime:
    """The last point of the grid at or before `at`."""
    return at - (at - EPOCH) % grid


def ceiling(at: datetime, grid: timedelta) -> datetime:
    """The first point of the grid at or after `at`."""
    return at + (EPOCH - at) % grid
