"""The fold's laws: it equals the reference, and neither order, repetition nor batching changes a row."""

from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import reference

from qoescope.catalog.events import EVENT_TYPES, STATES
from qoescope.catalog.marts import QUALITY_DAY, QUALITY_HOUR
from qoescope.catalog.measures import MEASURES
from qoescope.compile.cube import cube
from qoescope.compile.fold import sessions

START_MS = 1_762_000_000_000

KBPS = st.none() | st.sampled_from([0, 1, 300, 1500, 4500])
EVENT = st.fixed_dictionaries(
    {
        "type": st.sampled_from(sorted(EVENT_TYPES)),
        "state": st.sampled_from(sorted(STATES)),
        "state_ms": st.sampled_from([0, 1, 400, 999, 1000, 8000, 30_000, 300_000, 300_001, 2_400_000]),
    },
    optional={
        "ad": st.booleans(),
        "hidden": st.booleans(),
        "rate": st.sampled_from([0.5, 1.0, 1.25, 2.0]),
        "bitrate_kbps": KBPS,
        "width": st.sampled_from([640, 1280, 0]),
        "height": st.sampled_from([360, 720]),
        "player_width": st.none() | st.sampled_from([320, 1920, 3840]),
        "player_height": st.sampled_from([180, 1080, 2160]),
        "dropped_frames": st.integers(0, 9),
        "playhead_ms": st.none() | st.integers(0, 100_000),
        "startup_ms": st.none() | st.sampled_from([0, 700, 5000, 300_001]),
        "error_class": st.sampled_from(["technical", "business"]),
        "reason": st.sampled_from(["finished", "exited"]),
    },
)
SESSION = st.tuples(
    st.lists(EVENT, min_size=1, max_size=12), st.sets(st.integers(0, 11), max_size=4), st.none() | st.just(60_000)
)


def sent(plays: list[Any]) -> list[dict[str, Any]]:
    """Events as a player numbers them, some of them lost on the way."""
    rows = []
    for i, (events, lost, length) in enumerate(plays):
        kept = [n for n in range(len(events)) if n not in lost] or [0]
        rows += [
            {"property": "app", "session_id": f"s{i}", "device_type": ["web", "smart_tv", "mobile"][i % 3],
             "video_codec": ["avc", "hevc", "unknown", "av1", "vp9"][i % 5],
             "content_duration_ms": length,
             "seq": n + 1, "at": START_MS + 3_600_000 * i + 7000 * n, **events[n]}
            for n in kept
        ]  # fmt: skip
    return rows


def table(rows: list[dict[str, Any]]) -> pa.Table:
    names = sorted({name for row in rows for name in row})
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    columns["at"] = pa.array([row["at"] * 1000 for row in rows]).cast(pa.timestamp("us", tz="UTC"))
    columns["position"] = pa.array(range(len(rows)))
    return pa.table(columns)


def folded(rows: list[dict[str, Any]]) -> pa.Table:
    return sessions(table(rows)).sort_by("session_id")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(SESSION, min_size=1, max_size=15), st.randoms(use_true_random=False))
def test_the_fold_equals_the_reference(plays: list[Any], random: Random) -> None:
    rows = sent(plays)
    received = random.sample(rows + rows, k=2 * len(rows))
    for found in folded(received).to_pylist():
        expected = reference.session([r for r in received if r["session_id"] == found["session_id"]])
        got = {name: float(found[name]) if isinstance(found[name], Decimal) else found[name] for name in expected}
        assert got == expected


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(SESSION, min_size=2, max_size=15), st.randoms(use_true_random=False))
def test_a_day_is_the_sum_of_its_hours_and_a_total_of_its_slices(plays: list[Any], random: Random) -> None:
    rows = folded(sent(plays))
    hours, days = cube(rows, QUALITY_HOUR).to_pylist(), cube(rows, QUALITY_DAY).to_pylist()
    for day in days:
        same = ("property", "day", "grouping", "value_1", "value_2")
        assert summed([h for h in hours if all(h[k] == day[k] for k in same)]) == summed([day])
    for day in (d for d in days if d["grouping"] == ""):
        assert summed([d for d in days if d["grouping"] == "device_type" and d["day"] == day["day"]]) == summed([day])
    half = random.randrange(len(rows))
    parts = [*cube(rows.slice(0, half), QUALITY_DAY).to_pylist(), *cube(rows.slice(half), QUALITY_DAY).to_pylist()]
    for day in days:
        keys = ("property", "day", "grouping", "value_1", "value_2")
        assert summed([p for p in parts if all(p[k] == day[k] for k in keys)]) == summed([day])


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Measures of several rows as those of one."""
    out: dict[str, Any] = {}
    for m in MEASURES:
        values = [row[m.name] for row in rows]
        if m.type == "ints":
            out[m.name] = [sum(bucket) for bucket in zip(*values, strict=True)]
        elif m.type == "sketch":
            ranks: dict[int, int] = {}
            for register in (r for value in values for r in value):
                ranks[register >> 6] = max(ranks.get(register >> 6, 0), register & 63)
            out[m.name] = ranks
        else:
            out[m.name] = sum(values)
    return out
