"""Which answers of a collector are retried, and when."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from qoescope.host.backoff import doubled_s

ACKNOWLEDGED = 200
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
LONGEST_RETRY_AFTER_S = 300.0
"""A `Retry-After` is honoured up to this."""
ANSWER_WITHIN_S = 15.0
"""A request without an answer by then is sent again over another connection."""


def pause_s(attempts: int, asked_s: float | None) -> float:
    """The pause after so many attempts, at least `asked_s` as far as honoured, with up to a quarter of jitter."""
    pause = max(doubled_s(attempts, FIRST_PAUSE_S, LONGEST_PAUSE_S), min(asked_s or 0.0, LONGEST_RETRY_AFTER_S))
    return pause * (1 + random.random() / 4)  # noqa: S311 - many that were refused together do not come back together


def retry_after_s(value: str | None) -> float | None:
    """The seconds of a `Retry-After` header, a number or a date; None without a valid one."""
    if value is None:
        return None
    if value.isdigit():
        return float(value)
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
