"""Golden vectors of sessions told by CMCD: reports in, measured sessions out."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from qoescope.catalog.operations import REPORTS
from qoescope.compile import arrow
from qoescope.compile.fold import sessions
from qoescope.sources import registry

T = 1_762_000_000_000
CASES = json.loads((Path(__file__).parents[1] / "golden/cmcd.json").read_text())["cases"]


def reports(records: list[tuple[int, str]]) -> pa.Table:
    """Reports of (ms after T, record), as the lake keeps them; each arrives as it is sent."""
    rows: list[dict[str, Any]] = []
    for place, (at, text) in enumerate(records):
        arrived = datetime.fromtimestamp((T + at) / 1000, UTC)
        rows.append({
            "property": "app", "session_id": "x", "mode": "event", "record": f'{text},sid="x",ts={T + at},v=2',
            "received_at": arrived, "kafka_offset": place, "session_day": arrived.date(), "bucket": 0,
        })  # fmt: skip
    return arrow.conform(pa.Table.from_pylist(rows), REPORTS)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_session_told_by_cmcd_is_measured_so(case: dict[str, Any]) -> None:
    rows = sessions(registry.CMCD.parse(reports(case["records"]), None).events).to_pylist()
    measured = {row["session_id"]: row for row in rows}
    assert measured.keys() == case["sessions"].keys()
    for name, expected in case["sessions"].items():
        assert {key: measured[name][key] for key in expected} == expected
        assert measured[name]["discarded_ms"] == 0
