"""Retrying: which answers of a collector are worth another attempt, and when to make it."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from qoescope.host.backoff import doubled_s

ACKNOWLEDGED = 200
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
LONGEST_ASKED_S = 300.0
"""A `Retry-After` is honoured up to this."""
ANSWER_WITHIN_S = 15.0
"""A request without an answer by then is sent again over another connection."""


def pause_s(attempts: int, asked_s: float | None) -> float:
    """The pause after so many attempts, never below what the collector asked for; up to a quarter longer at random."""
    pause = max(doubled_s(attempts, FIRST_PAUSE_S, LONGEST_PAUSE_S), min(asked_s or 0.0, LONGEST_ASKED_S))
    return pause * (1 + random.random() / 4)  # noqa: S311 - many that were refused together do not come back together


def retry_after_s(value: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for, a number or a date; None without one that can be read."""
    if value is None:
        return None
    if value.isdigit():
        return float(value)
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
