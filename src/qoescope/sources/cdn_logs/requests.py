"""Requests: what one line of a CDN's log tells, whatever the log's format."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from urllib.parse import unquote

import msgspec

from qoescope.catalog.cmcd import KEYS
from qoescope.compile.texts import tidy_id
from qoescope.sources.cdn_logs.times import parse_time
from qoescope.sources.packing import OVERLONG, is_overlong

REQUEST_LINE = re.compile(r"[A-Za-z]+ (\S+) HTTP/[\d.]+")
STATUS = re.compile(r"(?<![\d.])\d{3}(?![\d.])")
"""Among words, such as `200 OK` or `TCP_HIT/200`."""
ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
FORMS = {"country_code": re.compile(r"[A-Za-z]{2}"), "asn": re.compile(r"[0-9]{1,10}")}
PAIR = 2
NOTHING = (None, "", "-", "^")
"""What logs write for a field that there is none of."""
_ANY = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request, as the CDN tells of it; the client's address is not among it."""

    at: datetime
    url: str
    """Absolute, or from the path on."""
    status: int | None
    user_agent: str
    headers: tuple[tuple[str, str], ...]
    """(name in lower case, value), those of CMCD at least."""
    unknown: tuple[str, ...] = ()
    """Fields with a value that cannot be meant."""
    record: str = ""
    """The CMCD record, where the log has a field of its own for it."""
    context: tuple[tuple[str, str], ...] = ()
    """(dimension, value) of what the CDN knows: itself, its POP, the viewer's country and network."""


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """A line that tells of no request, and why."""

    reason: str


NumberedLine: TypeAlias = tuple[int, bytes]
LogEntry: TypeAlias = LoggedRequest | UnreadableLine | None
"""None is a line that is no request: empty, or a remark of the log itself."""
LogParser: TypeAlias = Callable[[Iterable[NumberedLine]], Iterator[tuple[int, LogEntry]]]
"""Numbered lines → one (number, entry) a line, in the same order; it never raises for what a line holds."""


def logged_request(
    at: str | float,
    url: str,
    status: object = None,
    user_agent: object = None,
    headers: object = None,
    *,
    record: object = None,
    context: Mapping[str, object] | None = None,
) -> LoggedRequest:
    """A request out of a line's fields as they were written; raises `ValueError` where it tells no time.

    `url` may be a whole request line. `headers` are an object, pairs, or objects with `name` and `value`. `context` is
    by dimension.
    """
    code = _status(status)
    return LoggedRequest(
        parse_time(at),
        target_of(url),
        code,
        _agent(user_agent),
        tuple(_headers(headers)),
        ("status",) if code is None and status not in NOTHING else (),
        record if isinstance(record, str) and record not in NOTHING else "",
        tuple(_context(context or {})),
    )


def url_of(host: object, path: object, query: object) -> str:
    """A URL out of its parts; a path may lack its first slash, and a query may have its question mark."""
    where = f"https://{host}" if isinstance(host, str) and host not in NOTHING else ""
    rest = path if isinstance(path, str) and path not in NOTHING else "/"
    asked = query.removeprefix("?") if isinstance(query, str) and query not in NOTHING else ""
    return where + ("" if rest.startswith("/") else "/") + rest + (f"?{asked}" if asked else "")


def first(fields: Mapping[str, object], *names: str) -> object:
    """The value of the first of these fields that says something; None where none does."""
    return next((value for name in names if (value := fields.get(name)) not in NOTHING), None)


def time_of(value: object) -> str | float:
    """A field as a time that can be parsed; raises `ValueError` where there is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("it tells no time")  # noqa: TRY004  what a line holds is data
    return value


def object_of(line: bytes) -> dict[str, object]:
    """The JSON object of a line; raises `ValueError` for what is none."""
    found = _ANY.decode(line)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  what a line holds is data
    return found


def by_line(parse_line: Callable[[bytes], LoggedRequest]) -> LogParser:
    """The parser of a format whose lines each stand alone; `parse_line` raises `ValueError` for what it cannot read."""

    def parse(lines: Iterable[NumberedLine]) -> Iterator[tuple[int, LogEntry]]:
        for number, line in lines:
            yield number, None if is_remark(line) else read_line(parse_line, line)

    return parse


def is_remark(line: bytes) -> bool:
    """Whether the line is empty, or a remark of the log itself."""
    return line.startswith(b"#") or not (line.strip() or is_overlong(line))


def read_line(parse_line: Callable[[bytes], LoggedRequest], line: bytes) -> LogEntry:
    """The line's request, or why there is none."""
    if is_overlong(line):
        return UnreadableLine(OVERLONG)
    try:
        return parse_line(line)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        return UnreadableLine(str(error))


def target_of(text: str) -> str:
    """The URL, or that of a whole request line."""
    match = REQUEST_LINE.fullmatch(text)
    return match[1] if match else text


def _headers(headers: object) -> Iterator[tuple[str, str]]:
    """Names and values, of an object or of pairs; one that is there several times has all of its values."""
    several = headers.items() if isinstance(headers, dict) else headers if isinstance(headers, list) else ()
    each = ((one.get("name"), one.get("value")) if isinstance(one, dict) else one for one in several)
    pairs = (pair for pair in each if isinstance(pair, tuple | list) and len(pair) == PAIR)
    for name, value in pairs:
        values = value if isinstance(value, list) else [value]
        texts = [text for text in values if isinstance(text, str)]
        if isinstance(name, str) and texts:
            yield name.lower().replace("_", "-").removeprefix("http-"), ",".join(texts)


def _agent(agent: object) -> str:
    """The user agent; logs of fields between spaces have theirs percent-encoded, some twice or with plus signs."""
    text = agent if isinstance(agent, str) else ""
    for _ in range(2):
        if " " in text or not ESCAPE.search(text):
            break
        text = unquote(text if "%20" in text or "%25" in text else text.replace("+", " "))
    return "" if text in NOTHING else tidy_id(text)


def _context(context: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What of it can be meant: a country has two letters, a network is a number."""
    for name, value in context.items():
        text = str(value).strip() if isinstance(value, str | int) and value not in NOTHING else ""
        form = FORMS.get(name)
        if text and (form is None or form.fullmatch(text)):
            yield name, text.upper() if name == "country_code" else tidy_id(text)


def _status(status: object) -> int | None:
    """The status, as a number or a text; None for what is none."""
    if isinstance(status, bool) or not isinstance(status, str | int | float):
        return None
    among = STATUS.search(status) if isinstance(status, str) else None
    try:
        code = int(float(among[0] if among else status))
    except (ValueError, OverflowError):
        return None
    return code if KEYS["rc"].bounds[0] <= code <= KEYS["rc"].bounds[1] else None
