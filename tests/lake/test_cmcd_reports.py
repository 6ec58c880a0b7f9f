"""Reports of silent sessions become beacons that the lake takes as it takes a player's own."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from qoescope.catalog.operations import REPORTS
from qoescope.compile import arrow
from qoescope.compile.fold import sessions
from qoescope.compile.records.parsing import RECORDS, Parsed, parse_records
from qoescope.lake import reports
from qoescope.lake.deduplication import COMPARED_COLUMNS, IDENTITY
from qoescope.lake.open_sessions import marks
from qoescope.sources.cmcd.mapping import map_records

NOW = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
T = 1_795_507_800_000


def stored(lines: list[str], session_id: str = "x", at: datetime = NOW) -> pa.Table:
    """Reports as the lake keeps them."""
    row = {"property": "app", "session_id": session_id, "mode": "event", "record": "", "received_at": at,
           "session_day": at.date(), "bucket": 0, "device_type": "web"}  # fmt: skip
    return arrow.conform(
        pa.Table.from_pylist([row | {"record": line, "kafka_offset": n} for n, line in enumerate(lines)]), REPORTS
    )


def heard(found: pa.Table) -> Parsed:
    """What the lake reads of the beacons."""
    sent = list(reports.beacons(map_records(found).events, T))
    log = {"key": [key for key, _ in sent], "value": [value for _, value in sent], "kafka_partition": [0] * len(sent),
           "kafka_offset": list(range(len(sent)))}  # fmt: skip
    return parse_records(pa.table(log, RECORDS), 8)


def test_a_session_is_the_same_by_way_of_the_log_as_by_the_mapping_alone() -> None:
    found = stored((Path(__file__).parents[1] / "sources/hls_js_1_7_4.cmcd").read_text().splitlines())
    direct, sent = map_records(found).events, heard(found)
    (there,), (here,) = sessions(sent.events).to_pylist(), sessions(direct).to_pylist()
    assert there == here
    assert (there["source"], there["device_type"], there["stall_count"]) == ("cmcd_v2", "web", 1)
    (books,) = sent.counts.to_pylist()
    assert (books["received"], books["accepted"]) == (len(direct), len(direct))
    assert len(sent.unreadable) == 0


def test_a_session_told_again_makes_the_same_events_and_appends_what_is_new() -> None:
    lines = (Path(__file__).parents[1] / "sources/hls_js_1_7_4.cmcd").read_text().splitlines()
    said = [*IDENTITY, *COMPARED_COLUMNS]
    short, whole = (heard(stored(part)).events.select(said).to_pylist() for part in (lines[:12], lines))
    assert whole[: len(short)] == short
    assert len(whole) > len(short) > 0


def test_only_the_reports_of_these_sessions_are_told() -> None:
    found = pa.concat_tables([stored(["v=2"], "old"), stored(["v=2"], "busy")])
    silent = marks(stored(["v=2"], "old"))
    assert reports.filter_sessions(found, silent)["session_id"].to_pylist() == ["old"]


def test_numbers_that_the_door_would_refuse_say_nothing() -> None:
    lines = [f'e=ps,sid="x",sta=s,ts={T},v=2',
             f'br=(99999999999999),e=ps,msd=999999999999999,sid="x",sta=p,ts={T + 900},v=2',
             f'e=ps,sid="x",sta=q,ts={T + 5000},v=2']  # fmt: skip
    (row,) = sessions(heard(stored(lines)).events).to_pylist()
    assert (row["startup_ms"], row["bitrate_avg_kbps"], row["play_ms"]) == (900, None, 4100)


PIECES = st.one_of(
    st.sampled_from(["e=ps", "e=t", "e=bc", "e=e", "sta=p", "sta=r", "sta=s", "sta=k", "sta=a", "sta=e", "v=2", "bs",
                     "br=(100;v 5;a)", "bsd=(9)", "bsda=(7)", "msd=-5", "pt=1", "pr=0.5", "ec=(\"x\")", "dfa=3"]),
    st.builds("ts={}".format, st.integers(-(10**15), 10**15)),
    st.text(max_size=8),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(lines=st.lists(st.lists(PIECES, max_size=8).map(",".join), min_size=1, max_size=6))
def test_no_report_whatever_it_says_stops_the_mapping_or_makes_an_event_that_cannot_be_stored(lines: list[str]) -> None:
    sent = heard(stored(lines))
    assert len(sent.unreadable) == 0
    sessions(sent.events)
