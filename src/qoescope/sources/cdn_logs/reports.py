"""Reports in a CDN's log: the CMCD on its media requests as rows of `reports`, and the log's books.

CMCD is taken from the headers, else the query, else a field of its own, else a cookie, else the path.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from qoescope.catalog.cmcd import COUNTED_AS
from qoescope.catalog.operations import OUTCOMES, REPORTS, UNKNOWN_FIELDS
from qoescope.compile import agents, arrow
from qoescope.compile.buckets import bucket_of
from qoescope.compile.texts import join_surrogates, tidy_id
from qoescope.sources.cdn_logs.requests import LogEntry, LoggedRequest, UnreadableLine
from qoescope.sources.cmcd import transport
from qoescope.sources.cmcd.reading import read

PARTITION = -1
"""Where the place of a report in the log would be: these never were in Kafka; the offset is the line's number."""
IN_QUERY = re.compile(r"(?:^|&|;)cmcd=([^&]*)", re.I)
"""As some CDNs log it: in lower case, or behind other separators than the standard's."""
IN_COOKIE = re.compile(r"(?:^|;\s*)cmcd=([^;]*)", re.I)
IN_PATH = re.compile(r"/cmcd=([^/]*)", re.I)


@dataclass(slots=True)
class LogReports:
    """What some lines hold; lines without CMCD only count."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    """(line, why) of lines that could not be read."""
    without_cmcd: int = 0
    books: Counter[tuple[datetime, str]] = field(default_factory=Counter)
    """(minute, outcome) → lines."""
    left_out: Counter[tuple[datetime, str]] = field(default_factory=Counter)
    """(minute, field) → values that could not be meant."""

    def count(self, at: datetime, *outcomes: str) -> None:
        """Books one line."""
        for outcome in ("received", *outcomes):
            self.books[at.replace(second=0, microsecond=0), outcome] += 1

    def count_unknown(self, at: datetime, names: Iterable[str]) -> None:
        """Books values of one line that could not be meant."""
        for name in names:
            self.left_out[at.replace(second=0, microsecond=0), name] += 1

    @property
    def reports(self) -> pa.Table:
        """Rows of the catalog's `reports`."""
        names = arrow.schema(REPORTS)
        rows = pa.Table.from_pylist(self.rows, pa.schema([names.field(n) for n in _present(self.rows, names.names)]))
        return arrow.conform(rows, REPORTS) if self.rows else names.empty_table()

    def outcomes(self, tenant: str) -> pa.Table:
        """Rows of the catalog's `outcomes`."""
        minutes: dict[datetime, dict[str, int]] = {}
        for (minute, outcome), count in self.books.items():
            minutes.setdefault(minute, dict.fromkeys(OUTCOMES.sums, 0))[outcome] = count
        rows = [{"property": tenant, "minute_at": minute, **counts} for minute, counts in minutes.items()]
        return pa.Table.from_pylist(rows, arrow.schema(OUTCOMES))

    def unknown_fields(self, tenant: str) -> pa.Table:
        """Rows of the catalog's `unknown_fields`."""
        rows = [
            {"property": tenant, "minute_at": minute, "field": name, "count": count}
            for (minute, name), count in self.left_out.items()
        ]
        return pa.Table.from_pylist(rows, arrow.schema(UNKNOWN_FIELDS))


def _present(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    known = {name for row in rows for name in row}
    return [name for name in names if name in known]


def log_reports(entries: Iterable[tuple[int, LogEntry]], tenant: str, buckets: int, now: datetime) -> LogReports:
    """What these (number, entry) of a log hold; a line that tells no time is booked at `now`."""
    made = LogReports()
    for number, entry in entries:
        if entry is None:
            continue
        if isinstance(entry, UnreadableLine):
            made.bad.append((number, entry.reason))
            made.count(now, "invalid")
            continue
        try:
            sent = _sent(entry)
            row = sent and _row(entry, sent.text, number)
        except ValueError as error:
            made.bad.append((number, str(error)))
            made.count(now, "invalid")
            continue
        if sent is None or row is None:
            made.without_cmcd += 1
        else:
            _add(made, entry, sent, row | {"property": tenant}, buckets)
    return made


def _add(
    made: LogReports, request: LoggedRequest, sent: transport.SentRecord, row: dict[str, Any], buckets: int
) -> None:
    """Books a request with CMCD, and adds its row if it belongs to a session."""
    reading = read(sent.text, "request")
    session_id = reading.texts.get("sid")
    if reading.ignored or not reading.empty:
        dropped = (COUNTED_AS + name for name in (*reading.dropped, *sent.dropped))
        made.count_unknown(request.at, (*dropped, *request.unknown))
    if reading.empty:
        made.bad.append((row["kafka_offset"], "its CMCD cannot be read"))
        made.count(request.at, "invalid")
    elif session_id is None:
        made.count(request.at, "filtered")
    else:
        made.count(request.at, "accepted", "reports")
        made.rows.append(row | {"session_id": session_id, "bucket": bucket_of(session_id, buckets)})


def _row(request: LoggedRequest, record: str, number: int) -> dict[str, Any]:
    """The request's row but for its session; raises `ValueError` for a URL that is none."""
    host = urlsplit(request.url).hostname
    return {
        **dict(agents.device_fields(request.user_agent)),
        **dict(request.context),
        "mode": "request",
        "record": join_surrogates(record),
        "received_at": request.at,
        "host": host and tidy_id(host),
        "status": request.status,
        "kafka_partition": PARTITION,
        "kafka_offset": number,
        "position": 0,
        "session_day": request.at.date(),
    }


def _sent(request: LoggedRequest) -> transport.SentRecord | None:
    """The CMCD on the request."""
    url = urlsplit(request.url)
    sent = transport.in_request(request.headers, url.query)
    if sent is not None:
        return sent
    if request.record:
        return transport.in_headers([("cmcd-request", request.record)])
    cookies = (value for name, value in request.headers if name == "cookie")
    found = [IN_QUERY.search(url.query), *map(IN_COOKIE.search, cookies), IN_PATH.search(url.path)]
    return next((transport.in_query(f"CMCD={match[1]}") for match in found if match), None)
