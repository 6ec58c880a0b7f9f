"""Numbers beyond sense in a report are left out and noted; its session is told, and so are all the others."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoescope.catalog.bounds import LARGEST_SUM
from qoescope.catalog.cmcd import KEYS, RECORDS
from qoescope.compile import arrow
from qoescope.lake import reports
from qoescope.sources.cmcd import mapping
from qoescope.sources.cmcd.reading import Mode, read

AT = 1_762_000_000_000
GOOD = [
    ("good", "event", f'e=ps,sid="good",sn=0,sta=s,ts={AT},v=2'),
    ("good", "event", f'e=ps,sid="good",sn=1,sta=p,ts={AT + 1_000},v=2'),
    ("good", "event", f'e=ps,sid="good",sn=2,sta=e,ts={AT + 61_000},v=2'),
]


def table(*rows: tuple[str, str, str]) -> pa.Table:
    known: list[dict[str, Any]] = [
        {
            "property": "app",
            "session_id": sid,
            "mode": mode,
            "record": text,
            "kafka_offset": place,
            "received_at": datetime.fromtimestamp(AT / 1000 + place, UTC),
        }
        for place, (sid, mode, text) in enumerate(rows)
    ]
    given = {
        f.name: pa.array([row.get(f.name, f.default) for row in known], arrow.TYPES[f.type]) for f in RECORDS.fields
    }
    return arrow.conform(pa.table(given), RECORDS)


def stored(mapped: mapping.Mapped) -> int:
    """All that a stream does with them, but for the sockets: how many rows there are."""
    rows = 0
    for made in (mapped.events, mapped.observed, mapped.requests):
        for row in made.to_pylist():
            rows += 1
            assert all(not isinstance(v, int) or -LARGEST_SUM <= v <= LARGEST_SUM for v in row.values())
    return rows + len(list(reports.beacons(mapped.events, AT)))


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("request", 'br=3000000000,d=4000000000,ot=v,sid="poison"'),
        ("request", 'br=999999999999999,d=999999999999999,ot=v,sid="poison"'),
        ("event", f'e=ps,msd=99999999999999,sid="poison",sta=p,ts={AT},v=2'),
        ("event", 'e=ps,sid="poison",sta=p,ts=999999999999999,v=2'),
        ("event", f'e=t,bsa=(999999999999999),bsda=(5),sid="poison",sta=p,ts={AT},v=2'),
        ("event", f'e=t,dfa=999999999999999,sn=999999999999999,sid="poison",sta=p,ts={AT},v=2'),
        ("event", f'e=t,pt=999999999999999,sid="poison",sta=p,ts={AT},v=2,pr=999999999999.9'),
    ],
)
def test_a_poison_is_left_out_and_noted_and_the_other_session_is_told(mode: Mode, text: str) -> None:
    assert "cmcd_dropped" in read(text, mode).notes
    found = mapping.map_records(table(("poison", mode, text), *GOOD))
    assert stored(found) > 0
    good = [row for row in found.events.to_pylist() if row["session_id"] == "good"]
    assert sum(row["state_ms"] for row in good if row["state"] == "playing") == 60_000
    (poison,) = [row for row in found.observed.to_pylist() if row["session_id"] == "poison"]
    assert "cmcd_dropped" in poison["notes"]
    assert not [
        poison[name] for name in ("requested_kbps_ms", "startup_ms", "media_ms", "lost_reports") if poison[name]
    ]


def test_a_live_latency_that_is_a_wall_clock_is_left_out_and_others_stay() -> None:
    rows = [("x", "request", f'br=(3000;v),d=4000,ltc={ltc},ot=v,sid="x",v=2') for ltc in (1738664450585, 12300)]
    (row,) = mapping.observed(table(*rows)).to_pylist()
    assert (row["live_latency_ms_sum"], row["live_latency_count"]) == (12300, 1)


def test_a_report_that_tells_of_thousands_of_stalls_makes_few_events() -> None:
    told = " ".join(["5"] * 7_000)
    found = mapping.map_records(
        table(*GOOD[:2], ("good", "event", f'bsd=({told}),e=t,sid="good",sn=2,ts={AT + 9_000},v=2'))
    )
    assert len(found.events) < 300


NUMBERS = [name for name, key in KEYS.items() if key.kind in ("int", "ints", "decimal")]
ODD = st.sampled_from((0, 1, 2**31 - 1, 2**32 - 1, 10**12, 999_999_999_999_999, -1, -999_999_999_999_999, 86_400_000))


@settings(max_examples=60, deadline=None)
@given(
    said=st.lists(st.dictionaries(st.sampled_from(NUMBERS), ODD | st.integers(-(10**15) + 1, 10**15 - 1)), max_size=6),
    states=st.lists(st.sampled_from("dspkrwaefq"), min_size=6, max_size=6),
    mode=st.sampled_from(("event", "request")),
)
def test_whatever_numbers_reports_hold_they_are_told_and_can_be_stored(
    said: list[dict[str, int]], states: list[str], mode: Mode
) -> None:
    texts = []
    for place, (numbers, sta) in enumerate(zip(said, states, strict=False)):
        known = {"v": 2, "ts": AT + 1000 * place} | numbers
        members = ",".join(f"{name}={value}" for name, value in known.items())
        texts.append(("p", mode, f'{members},e=ps,ot=v,sid="p",sta={sta}'))
    found = mapping.map_records(table(*texts, *GOOD))
    assert stored(found) > 0
    good = [row for row in found.events.to_pylist() if row["session_id"] == "good"]
    assert sum(row["state_ms"] for row in good if row["state"] == "playing") == 60_000
    assert len(found.events) < 20_000
