"""Every source of the registry reads its sample, and needs neither a network nor a clock for it."""

import re
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path

import pyarrow as pa
import pytest

from qoescope.catalog.errors import UnknownName
from qoescope.catalog.operations import REPORTS
from qoescope.compile import arrow
from qoescope.compile.fold import sessions
from qoescope.sources import registry
from qoescope.sources.cdn_logs.reports import LogReports, log_reports
from qoescope.sources.cdn_logs.requests import LogParser
from qoescope.sources.registry import Source

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
FOLDER = Path(registry.__file__).parent
CLOCK = re.compile(r"\b(now|today|utcnow|time|monotonic)\(\)")


def read_log(source: Source[LogParser], text: bytes) -> LogReports:
    return log_reports(source.parse(enumerate(BytesIO(text), 1)), "app", 8, NOW)


def test_names_are_distinct_and_each_has_a_sample() -> None:
    assert len({source.name for source in registry.SOURCES}) == len(registry.SOURCES)
    assert all(source.sample_bytes() and source.doc for source in registry.SOURCES)


def test_no_source_asks_a_clock() -> None:
    texts = {path: path.read_text() for path in FOLDER.rglob("*.py")}
    assert [str(path) for path, text in texts.items() if CLOCK.search(text)] == []


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'json'"):
        registry.cdn_log("jsonl")


def test_the_sample_of_cmcd_folds_to_its_session() -> None:
    lines = registry.CMCD.sample_bytes().decode().splitlines()
    rows = [
        {"property": "app", "session_id": "x", "mode": "event", "record": line, "received_at": NOW, "kafka_offset": n,
         "session_day": NOW.date(), "bucket": 0}
        for n, line in enumerate(lines)
    ]  # fmt: skip
    reports = arrow.conform(pa.Table.from_pylist(rows), REPORTS)
    (row,) = sessions(registry.CMCD.parse(reports, None).events).to_pylist()
    assert (row["startup_ms"], row["play_ms"], row["stall_ms"], row["close_reason"]) == (1200, 30_000, 2000, "exited")


def test_the_sample_of_the_csv_has_two_sessions_and_a_row_that_breaks_a_rule() -> None:
    made = registry.CSV.parse(StringIO(registry.CSV.sample_bytes().decode()), "app", 8)
    assert sorted(made.sessions["session_id"].to_pylist()) == ["a", "b"]
    assert made.quarantined["reason"].to_pylist() == ["rebuffer_count is negative"]


@pytest.mark.parametrize("source", registry.CDN_LOGS, ids=lambda source: source.name)
def test_the_sample_of_each_log_format_tells_the_same_session(source: Source[LogParser]) -> None:
    """Four requests: three of one session, one without CMCD; no line of the sample is unreadable."""
    log = read_log(source, source.sample_bytes())
    assert (len(log.rows), log.without_cmcd, log.bad) == (3, 1, [])
    assert "203.0.113.7" not in str(log.rows)
    mapped = registry.CMCD.parse(log.reports, None)
    (row,) = sessions(mapped.events).to_pylist()
    assert (row["session_id"], row["startup_ms"], row["os"], row["source"]) == ("one", 1200, "windows", "cmcd_v2")
    (seen,) = mapped.observed.to_pylist()
    assert (seen["request_count"], seen["requested_kbps_ms"], seen["requested_ms"]) == (3, 28_000_000, 12_000)


@pytest.mark.parametrize("source", registry.CDN_LOGS, ids=lambda source: source.name)
def test_no_bytes_stop_a_log_format_and_each_line_has_one_entry(source: Source[LogParser]) -> None:
    lines = [b"\n", b"\xff\xfe", b"#Fields: date", b"{", b"[" * 10_000, b"a\tb", b'{"at": 1e300, "url": "x"}', b"\0"]
    entries = list(source.parse(enumerate([*lines, *source.sample_bytes().splitlines()], 1)))
    assert [number for number, _ in entries] == list(range(1, len(entries) + 1))
    assert len(entries) == len(lines) + len(source.sample_bytes().splitlines())
