"""Dead letters on their way into Postgres: forgotten viewers are left out, and no letter is read twice for that."""

import base64
import gzip
import json
import re
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.compile.forgotten import BATCH_BODIES, ForgottenViewers
from qoescope.compile.pseudonyms import pseudonym
from qoescope.lake import dead_letters

KEY, AT = b"q" * 32, datetime(2026, 5, 6, tzinfo=UTC)
GONE = ForgottenViewers({1: KEY}, frozenset({("shop", pseudonym(KEY, 1, "shop", "dora"))}))


def letter(body: bytes, property_id: str = "shop") -> bytes:
    """A record of the topic."""
    fields = {
        "property": property_id,
        "received_at": 1,
        "stage": "door",
        "reason": "not JSON",
        "detail": "",
        "count": 1,
    }
    return json.dumps(fields | {"body_base64": base64.b64encode(body).decode()}).encode()


def rows(*records: bytes) -> pa.Table:
    return dead_letters.rows((0, 70 + number, record, AT) for number, record in enumerate(records))


def test_who_was_forgotten_is_not_stored_and_nobody_else_is_lost() -> None:
    dora, emil, junk = b'{"viewer_id": "dora\\u0000"', b'{"viewer_id": "emil"', b"\x00\x81\x92\xff\xfe" * 40
    letters = rows(letter(dora), letter(emil), letter(junk), letter(junk, "news"), letter(dora, "news"), b"no letter")
    kept, dropped = dead_letters.split_forgotten(letters, GONE)
    assert dropped == [(0, 70)]
    assert kept["kafka_offset"].to_pylist() == [71, 72, 73, 74, 75]
    assert kept["body"].to_pylist() == [emil, b"", junk, dora, b""]
    assert [f"{len(junk)} bytes" in detail for detail in kept["detail"].to_pylist()] == [
        False,
        True,
        False,
        False,
        False,
    ]
    assert kept.schema == letters.schema


def test_where_nobody_is_forgotten_all_is_stored() -> None:
    letters = rows(letter(b'{"viewer_id": "dora"'), b"no letter")
    assert dead_letters.split_forgotten(letters, ForgottenViewers({}, frozenset())) == (letters, [])


def test_letters_that_cost_much_stop_no_others_and_lose_their_bytes_only() -> None:
    costly = gzip.compress(gzip.compress(b'{"viewer_id":[' + b"1," * 30_000 + b"1]}" + b" " * 4_000_000))
    many = [letter(costly) for _ in range(BATCH_BODIES + 2)]
    light = [letter(b'{"viewer_id": "emil"'), letter(b"x", "news")]
    kept, dropped = dead_letters.split_forgotten(rows(*many, *light), GONE)
    assert dropped == []
    assert kept["body"].to_pylist() == [b""] * (len(many) + 1) + [b"x"]
    before, _ = dead_letters.split_forgotten(rows(*light, *many), GONE)
    assert before["body"].to_pylist()[:2] == [b'{"viewer_id": "emil"', b"x"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("count", "1e30"), ("count", "-3"), ("count", str(2**63)), ("count", "1e999"), ("count", "[]")]
    + [(name, '"\\ud800"') for name in ("property", "stage", "reason", "detail")],
)
def test_a_letter_that_no_table_can_hold_is_kept_with_its_bytes_and_why(field: str, value: str) -> None:
    poison = re.sub(rf'"{field}": [^,]+,', lambda _: f'"{field}": {value},', letter(b"x").decode()).encode()
    good, bad = rows(letter(b"y"), poison).to_pylist()
    assert (good["stage"], good["body"]) == ("door", b"y")
    assert (bad["stage"], bad["reason"], bad["body"], bad["count"]) == ("lake", "unreadable", poison, 1)
    assert bad["detail"]


@given(
    runs=st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=1, max_size=9), max_size=5),
    again=st.booleans(),
)
def test_offsets_go_on_behind_what_was_read_and_count_each_letter_once(
    runs: list[list[tuple[int, int]]], again: bool
) -> None:
    known: dict[int, tuple[int, int]] = {}
    counted = dict.fromkeys(range(3), 0)
    next_offset = dict.fromkeys(range(3), 0)
    for run in runs:
        places = sorted({(p, next_offset[p] + offset) for p, offset in run})
        for _ in range(1 + again):  # a transaction whose commit nobody heard of is repeated
            for row in dead_letters.offset_rows(places, known).to_pylist():
                partition = row["kafka_partition"]
                known[partition] = row["first_offset"], row["next_offset"]
                counted[partition] += row["records"]
        for partition, offset in places:
            next_offset[partition] = max(next_offset[partition], offset + 1)
        assert {p: end for p, (_, end) in known.items()} == {p: end for p, end in next_offset.items() if end}
    assert sum(counted.values()) == sum(len({*run}) for run in runs)
