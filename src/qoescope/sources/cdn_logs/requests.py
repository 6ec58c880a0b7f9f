"""Requests: what one line of a CDN's log tells, whatever the log's format."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from urllib.parse import unquote

import msgspec

from qoescope.catalog.cmcd import KEYS
from qoescope.sources.cdn_logs.times import parse_time

REQUEST_LINE = re.compile(r"[A-Z]+ (\S+) HTTP/[\d.]+")
PAIR = 2
NOTHING = (None, "", "-")
"""What logs write for a status that there is none of."""


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
    at: str | float, url: str, status: object = None, user_agent: object = None, headers: object = None
) -> LoggedRequest:
    """A request out of a line's fields as they were written; raises `ValueError` where it tells no time.

    `url` may be a whole request line. `headers` are an object or pairs.
    """
    code = _status(status)
    unknown = ("status",) if code is None and status not in NOTHING else ()
    return LoggedRequest(parse_time(at), _url(url), code, _agent(user_agent), tuple(_headers(headers)), unknown)


def by_line(parse_line: Callable[[bytes], LoggedRequest]) -> LogParser:
    """The parser of a format whose lines each stand alone; `parse_line` raises `ValueError` for what it cannot read."""

    def parse(lines: Iterable[NumberedLine]) -> Iterator[tuple[int, LogEntry]]:
        for number, line in lines:
            yield number, None if is_remark(line) else read_line(parse_line, line)

    return parse


def is_remark(line: bytes) -> bool:
    """Whether the line is empty, or a remark of the log itself."""
    return not line.strip() or line.startswith(b"#")


def read_line(parse_line: Callable[[bytes], LoggedRequest], line: bytes) -> LogEntry:
    """The line's request, or why there is none."""
    try:
        return parse_line(line)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        return UnreadableLine(str(error))


def _url(text: str) -> str:
    """The URL, or that of a whole request line."""
    match = REQUEST_LINE.fullmatch(text)
    return match[1] if match else text


def _headers(headers: object) -> Iterator[tuple[str, str]]:
    """Names and values, of an object or of pairs; one that is there several times has all of its values."""
    several = headers.items() if isinstance(headers, dict) else headers if isinstance(headers, list) else ()
    pairs = (pair for pair in several if isinstance(pair, tuple | list) and len(pair) == PAIR)
    for name, value in pairs:
        values = value if isinstance(value, list) else [value]
        texts = [text for text in values if isinstance(text, str)]
        if isinstance(name, str) and texts:
            yield name.lower().replace("_", "-").removeprefix("http-"), ",".join(texts)


def _agent(agent: object) -> str:
    """The user agent; logs of fields between spaces have theirs percent-encoded."""
    text = agent if isinstance(agent, str) else ""
    return unquote(text) if "%20" in text and " " not in text else text


def _status(status: object) -> int | None:
    """The status, as a number or a text; None for what is none."""
    if isinstance(status, bool) or not isinstance(status, str | int | float):
        return None
    try:
        code = int(float(status))
    except (ValueError, OverflowError):
        return None
    return code if KEYS["rc"].bounds[0] <= code <= KEYS["rc"].bounds[1] else None
