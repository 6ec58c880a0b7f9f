"""Whatever lies in the log: each record is stored or kept aside with its bytes, the books balance, nothing raises."""

import json
from datetime import timedelta
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd import JSON, spoiled

from qoescope.catalog.marts import SESSION_MARTS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, fold
from qoescope.compile.cube import cube
from qoescope.compile.live import live
from qoescope.compile.records.parsing import RECORDS, parse_records
from qoescope.lake import deduplication
from qoescope.sources.cmcd import mapping

AT = 1_762_000_000_000
GOOD: dict[str, Any] = {
    "property": "app",
    "received_at": AT,
    "sent_at": AT,
    "counts": {"received": 2, "accepted": 2, "duplicate": 0, "invalid": 0, "filtered": 0},
    "session": {"session_id": "s1", "started_at": AT - 60_000, "content_duration_ms": 600_000, "device_type": "web"},
    "events": [
        {"seq": 1, "at": AT - 2000, "type": "playback_start", "state": "starting", "state_ms": 900, "startup_ms": 900},
        {
            "seq": 2,
            "at": AT - 1000,
            "type": "heartbeat",
            "state": "playing",
            "state_ms": 900,
            "bitrate_kbps": 4500,
            "width": 1280,
            "height": 720,
            "player_width": 1280,
            "player_height": 720,
            "dropped_frames": 3,
            "rate": 1.5,
        },
    ],
    "unknown": {"width": 1},
}
REPORTS: dict[str, Any] = {
    "property": "app",
    "received_at": AT,
    "counts": {"received": 1, "accepted": 1, "duplicate": 0, "invalid": 0, "filtered": 0},
    "session": {"session_id": "c1"},
    "cmcd": ['e=ps,msd=800,sid="c1",sta=p,ts=1762000000000,v=2'],
    "mode": "event",
    "target": "/v1/cmcd",
}
TICK = {"property": "_door", "received_at": AT, "tick": True, "rate_limited": [["app", AT, 5]]}
LOGGED = st.one_of(
    *(spoiled(record).map(json.dumps).map(str.encode) for record in (GOOD, REPORTS, TICK)),
    JSON.map(json.dumps).map(str.encode),
    st.binary(max_size=60),
)


def table(values: list[bytes]) -> pa.Table:
    rows = [{"key": b"s1", "value": v, "kafka_partition": 0, "kafka_offset": i} for i, v in enumerate(values)]
    return pa.Table.from_pylist(rows, RECORDS)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(LOGGED, min_size=1, max_size=6))
def test_each_record_is_stored_or_kept_aside_and_the_books_balance(values: list[bytes]) -> None:
    good = json.dumps(GOOD | {"session": {"session_id": "good"}}).encode()
    found = parse_records(table([*values, good]), 8)
    fate = deduplication.judge_events(
        found.events, deduplication.identity_hashes(found.events), arrow.schema(EVENTS).empty_table(), 7
    )
    kept = deduplication.count_kept(found.unreadable, found.reports)
    booked = [*found.counts.to_pylist(), *fate.counts.to_pylist(), *kept.to_pylist()]
    total = {name: sum(row.get(name) or 0 for row in booked) for row in booked for name in row if name in BOOKED}
    assert total["accepted"] == sum(total.get(name, 0) for name in AFTERWARDS)
    assert total["received"] == sum(total.get(name, 0) for name in BOOKED if name not in ("received", *AFTERWARDS))
    assert all(row["record"] is not None for row in found.unreadable.to_pylist())
    assert sum(found.offsets["records"].to_pylist()) == len(values) + 1
    for rows in (found.events, found.unreadable, found.reports, found.unknown, fate.late, fate.conflicts):
        assert len(rows.to_pylist()) == len(rows)
    sessions = fold.sessions(fate.fresh)
    assert "good" in sessions["session_id"].to_pylist()
    for mart in SESSION_MARTS:
        assert len(cube(sessions, mart)) > 0
    assert live(fate.stored)
    told = mapping.map_records(found.reports).events
    received, at = told["received_at"].to_pylist(), told["at"].to_pylist()
    assert all(abs(a - r) < timedelta(days=2) for a, r in zip(at, received, strict=True))


AFTERWARDS = ("lake", "reports", "late", "quarantined")
BOOKED = ("received", "accepted", "duplicate", "invalid", "filtered", "rate_limited", *AFTERWARDS)
