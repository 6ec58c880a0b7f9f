"""What a session told by CMCD folds to does not depend on how its reports were batched."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from qoescope.catalog.operations import REPORTS
from qoescope.compile import arrow
from qoescope.compile.fold import sessions
from qoescope.lake.deduplication import COMPARED_COLUMNS, IDENTITY
from qoescope.sources import registry
from qoescope.sources.cmcd.presses import RECOVERY_MS

T = 1_762_000_000_000
TIMES = ("first_received_at", "last_received_at")


def stored(lines: list[tuple[int, str]]) -> pa.Table:
    """Reports of (ms after T, record), as the lake keeps them; each arrives as it is sent."""
    rows: list[dict[str, Any]] = []
    for place, (at, text) in enumerate(lines):
        arrived = datetime.fromtimestamp((T + at) / 1000, UTC)
        rows.append({
            "property": "app", "session_id": "x", "mode": "event", "record": f'{text},sid="x",ts={T + at},v=2',
            "received_at": arrived, "kafka_offset": place, "session_day": arrived.date(), "bucket": 0,
        })  # fmt: skip
    return arrow.conform(pa.Table.from_pylist(rows), REPORTS)


def told(lines: list[tuple[int, str]]) -> list[dict[str, Any]]:
    return registry.CMCD.parse(stored(lines), None).events.to_pylist() if lines else []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ps", "ps", "t", "e", "c", "as", "ae", "abs", "abe", "bc"]),
        st.sampled_from(["", "s", "p", "p", "k", "r", "w", "a", "e", "f", "f", "q", "d"]),
        st.sampled_from([0, 1, 900, 30_000, 59_000, 61_000, 400_000]),
        st.sampled_from(["", "", 'ec=("7"),', 'cid="ad",', 'cid="one",', 'cid="two",', "pt=5000,", "pt=30000,"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_a_session_that_is_told_after_each_silence_is_told_the_same(steps: list[tuple[str, str, int, str]]) -> None:
    """The lake keeps the first event of an identity; so those of an earlier telling must be those of the last."""
    at, lines, kept = 0, list[tuple[int, str]](), dict[tuple[Any, ...], dict[str, Any]]()
    for e, sta, later, more in steps:
        at += later
        if later > RECOVERY_MS:
            kept = {tuple(row[name] for name in IDENTITY): row for row in told(lines)} | kept
        lines.append((at, f"{more}e={e}" + (f",sta={sta}" if sta else "")))
    whole = told(lines)
    for row in whole:
        earlier = kept.pop(tuple(row[name] for name in IDENTITY), row)
        assert {name: earlier[name] for name in COMPARED_COLUMNS} == {name: row[name] for name in COMPARED_COLUMNS}
    assert not kept


@settings(max_examples=50, deadline=None)
@given(steps=STEPS, order=st.randoms(use_true_random=False))
def test_reports_in_any_order_and_repeated_fold_to_the_same_sessions(
    steps: list[tuple[str, str, int, str]], order: Any
) -> None:
    at, lines = 0, list[tuple[int, str]]()
    for number, (e, sta, later, more) in enumerate(steps):
        at += later + 1
        lines.append((at, f"{more}e={e},sn={number}" + (f",sta={sta}" if sta else "")))
    once = stored(lines)
    rows = [*once.to_pylist(), *once.to_pylist()]
    order.shuffle(rows)
    shuffled = pa.Table.from_pylist(rows, once.schema)
    straight, mixed = (sessions(registry.CMCD.parse(table, None).events).to_pylist() for table in (once, shuffled))
    assert sorted(straight, key=lambda row: str(row["session_id"])) == sorted(
        mixed, key=lambda row: str(row["session_id"])
    )
