"""Lines of CDN logs as tests read them."""

from collections.abc import Iterable
from datetime import UTC, datetime

from qoescope.sources.cdn_logs.reports import LogReports, log_reports
from qoescope.sources.cdn_logs.requests import LoggedRequest, LogParser
from qoescope.sources.cmcd.mapping import map_records

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"
CMCD = "CMCD=br%3D3000%2Cd%3D4000%2Cot%3Dv%2Csid%3D%22x%22"


def report(parse: LogParser, lines: Iterable[str]) -> LogReports:
    """What the lines of a log hold."""
    return log_reports(parse(enumerate((line.encode() for line in lines), 1)), "app", 8, NOW)


def request(parse: LogParser, line: str) -> LoggedRequest:
    """The one request of a line."""
    ((_, entry),) = parse([(1, line.encode())])
    assert isinstance(entry, LoggedRequest), entry
    return entry


def seen(parse: LogParser, line: str) -> tuple[object, object, object]:
    """(session, kbps, ms of media) of the one session of a line."""
    (row,) = map_records(report(parse, [line]).reports).observed.to_pylist()
    return row["session_id"], row["requested_kbps"], row["media_ms"]
