"""Connections: the pools of Postgres, and what was read through them a moment ago."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qoescope.connect import records
from qoescope.connect.ask import QueryResult
from qoescope.connect.records import Pool
from qoescope.serve.store.outside import Outside
from qoescope.serve.store.single_flight import SingleFlight
from qoescope.settings import Settings

T = TypeVar("T")
AWAY = records.AWAY
"""Errors that mean: the database does not answer."""
UNASKABLE = records.UNASKABLE
"""Errors that mean: a question holds a value that none can have."""
REMEMBERED_S = 10.0
"""Cache lifetime of an account or a list of properties: a revocation holds after it."""
LONG_S = 60.0
"""The same for what reads many sessions."""
ANSWERED_S = 2.0
"""Cache lifetime of an answer: a crowd that looks at one page is one question.

The API keeps what it makes of an answer as long again; the streams take longer to bring anything new.
"""
MOST_REMEMBERED = 1_000


@dataclass
class Connections:
    """Pools and caches that all properties share."""

    settings: Settings
    reader: Pool
    writer: Pool
    outside: Outside = field(default_factory=Outside)
    answers: SingleFlight[QueryResult] = field(default_factory=lambda: SingleFlight(ANSWERED_S))
    """Answers of the marts."""
    encoded_answers: SingleFlight[bytes] = field(default_factory=lambda: SingleFlight(ANSWERED_S))
    """Answers of the API as they are sent."""
    _remembered: dict[tuple[str, str], tuple[float, Any]] = field(default_factory=dict)

    def remember(self, kind: str, name: str, read: Callable[[], T], lifetime_s: float = REMEMBERED_S) -> T:
        """The value of this kind and name: read now, or less than its lifetime ago."""
        now = time.monotonic()
        known = self._remembered.get((kind, name))
        if known is not None and now < known[0]:
            value: T = known[1]
            return value
        value = read()
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[kind, name] = now + lifetime_s, value
        return value

    def has_table(self, property_id: str, table: str) -> bool:
        """Whether the table exists: a part that never ran has none."""
        return self.remember("table", table, lambda: records.table_exists(self.reader, property_id, table))
