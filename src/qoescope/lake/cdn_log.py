"""CDN logs: a JSON object a line, one a request; the CMCD on media requests as rows of `reports`.

A line holds `at` (ISO 8601, the common log's form, or s, ms, µs or ns since the epoch), `url`, and where known
`status`, `user_agent` and `headers` (an object). Other members are ignored, the client's address among them; so are
lines that begin with `#`. CMCD is taken from the headers, else the query, else the path.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pyarrow as pa

from qoescope.catalog.bounds import DATES
from qoescope.catalog.cmcd import COUNTED_AS, KEYS
from qoescope.catalog.operations import OUTCOMES, REPORTS, UNKNOWN_FIELDS
from qoescope.compile import agents, arrow
from qoescope.compile.buckets import bucket_of
from qoescope.sources.cmcd import transport
from qoescope.sources.cmcd.reading import read

PARTITION = -1
"""Where the place of a report in the log would be: these never were in Kafka; the offset is the line's number."""
FORMS = (
    "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S.%f %z", "%d/%b/%Y:%H:%M:%S", "%d/%b/%Y:%H:%M:%S.%f",
    "%a, %d %b %Y %H:%M:%S GMT", "%Y/%m/%d %H:%M:%S",
)  # fmt: skip
"""Of times that are not ISO 8601: the common log's, HTTP's, and that of servers' own errors."""
REQUEST_LINE = re.compile(r"[A-Z]+ (\S+) HTTP/[\d.]+")
GREATEST_S = DATES[1] / 1000
UNITS = (1, 10**3, 10**6, 10**9)
CMCD = "CMCD="
PAIR = 2
NOTHING = (None, "", "-")
"""What logs write for a status that there is none of."""


class Line(msgspec.Struct, frozen=True):
    """One request, as the CDN tells of it."""

    at: str | int | float
    url: str
    status: Any = None
    user_agent: Any = None
    headers: Any = None


_LINE = msgspec.json.Decoder(Line)


@dataclass(slots=True)
class Found:
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
        rows = pa.Table.from_pylist(self.rows, pa.schema([names.field(n) for n in _given(self.rows, names.names)]))
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


def _given(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    known = {name for row in rows for name in row}
    return [name for name in names if name in known]


def found(lines: Iterable[tuple[int, bytes]], tenant: str, buckets: int, now: datetime) -> Found:
    """What these (number, line) hold; a line that tells no time is booked at `now`."""
    made = Found()
    for number, text in lines:
        if not text.strip() or text.startswith(b"#"):
            continue
        try:
            line = _LINE.decode(text)
            at = _instant(line.at)
            sent = _sent(line)
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
            made.bad.append((number, str(error)))
            made.count(now, "invalid")
            continue
        if sent is None:
            made.without_cmcd += 1
            continue
        reading = read(sent.text, "request")
        session_id, status = reading.texts.get("sid"), _status(line.status)
        if reading.ignored or not reading.empty:
            made.count_unknown(at, (COUNTED_AS + name for name in (*reading.dropped, *sent.dropped)))
            made.count_unknown(at, ["status"] if status is None and line.status not in NOTHING else [])
        if reading.empty:
            made.bad.append((number, "its CMCD cannot be read"))
            made.count(at, "invalid")
        elif session_id is None:
            made.count(at, "filtered")
        else:
            made.count(at, "accepted", "reports")
            made.rows.append(_row(line, at, sent.text, session_id, status, number, tenant, buckets))
    return made


def _row(
    line: Line, at: datetime, record: str, session_id: str, status: int | None, number: int, tenant: str, buckets: int
) -> dict[str, Any]:
    return {
        **dict(agents.fields(_agent(line.user_agent))),
        "property": tenant, "session_id": session_id, "mode": "request", "record": record, "received_at": at,
        "host": urlsplit(_url(line)).hostname, "status": status, "kafka_partition": PARTITION,
        "kafka_offset": number, "position": 0, "session_day": at.date(), "bucket": bucket_of(session_id, buckets),
    }  # fmt: skip


def _sent(line: Line) -> transport.Sent | None:
    """The CMCD on the request."""
    headers = list(_headers(line.headers))
    url = urlsplit(_url(line))
    found = transport.in_request(headers, url.query)
    if found is not None:
        return found
    elsewhere = [*url.query.split("&"), *url.path.split("/")]  # in lower case as some CDNs log it, or in the path
    said = (part[len(CMCD) :] for part in elsewhere if part.upper().startswith(CMCD))
    return next((transport.in_query(CMCD + value) for value in said), None)


def _url(line: Line) -> str:
    """The URL, or that of a whole request line."""
    met = REQUEST_LINE.fullmatch(line.url)
    return met[1] if met else line.url


def _headers(said: object) -> Iterator[tuple[str, str]]:
    """Names and values, of an object or of pairs; one that is said several times has all of its values."""
    several = said.items() if isinstance(said, dict) else said if isinstance(said, list) else ()
    pairs = (pair for pair in several if isinstance(pair, tuple | list) and len(pair) == PAIR)
    for name, value in pairs:
        values = value if isinstance(value, list) else [value]
        texts = [text for text in values if isinstance(text, str)]
        if isinstance(name, str) and texts:
            yield name.lower().replace("_", "-").removeprefix("http-"), ",".join(texts)


def _agent(said: object) -> str:
    """The user agent; logs of fields between spaces have theirs percent-encoded."""
    text = said if isinstance(said, str) else ""
    return unquote(text) if "%20" in text and " " not in text else text


def _status(said: object) -> int | None:
    """The status, as a number or a text; None for what is none."""
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        return None
    try:
        code = int(float(said))
    except (ValueError, OverflowError):
        return None
    return code if KEYS["rc"].bounds[0] <= code <= KEYS["rc"].bounds[1] else None


def _instant(at: str | float) -> datetime:
    """When it was, from any of the forms that logs write; raises `ValueError`."""
    found = _epoch(at) if isinstance(at, int | float) else _written(at.strip(' "[]'))
    if not DATES[0] <= found.timestamp() * 1000 <= DATES[1]:
        raise ValueError(f"{at} is not a time")
    return found


def _epoch(said: float) -> datetime:
    """By its size s, ms, µs or ns: in none of them do the years from 1990 to 2100 look alike."""
    seconds = next((said / unit for unit in UNITS if abs(said) / unit <= GREATEST_S), None)
    if seconds is None:
        raise ValueError(f"{said} is not a time")
    return datetime.fromtimestamp(seconds, UTC)


def _written(said: str) -> datetime:
    with suppress(ValueError):
        return _epoch(float(said.replace(",", ".", 1)))
    try:
        found = datetime.fromisoformat(said.upper().removesuffix(" UTC").removesuffix(" GMT"))
    except ValueError:
        found = _by_form(said)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _by_form(said: str) -> datetime:
    for form in FORMS:
        with suppress(ValueError):
            return datetime.strptime(said, form)  # noqa: DTZ007  one without a zone is UTC
    raise ValueError(f"{said} is not a time")
