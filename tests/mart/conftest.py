"""Events a player might send, as rows of the lake."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow

AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
Event = tuple[str, int, str, str, int]
Events = Callable[..., pa.Table]


def row(session: str, seq: int, kind: str, state: str, ms: int, received_at: datetime) -> dict[str, Any]:
    return {
        "property": "app", "session_id": session, "viewer_id": f"v-{session}", "device_type": "web", "seq": seq,
        "at": AT + timedelta(hours=len(session), seconds=seq), "type": kind, "state": state, "state_ms": ms,
        "received_at": received_at, "sent_at": received_at, "kafka_offset": seq, "session_day": AT.date(), "bucket": 1,
    }  # fmt: skip


@pytest.fixture(scope="session")
def events() -> Events:
    """From (session, seq, type, state, state_ms); a session begins an hour later for each letter of its name."""

    def made(*given: Event, received_at: datetime = AT) -> pa.Table:
        if not given:
            return arrow.schema(EVENTS).empty_table()
        return arrow.conform(pa.Table.from_pylist([row(*one, received_at) for one in given]), EVENTS)

    return made
