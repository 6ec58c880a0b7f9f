"""W3C extended logs: fields between tabs or spaces, named by a line `#Fields:`, as CloudFront writes them."""

from collections.abc import Iterable, Iterator

from qoescope.sources.cdn_logs import cloudfront
from qoescope.sources.cdn_logs.requests import (
    LogEntry,
    LoggedRequest,
    NumberedLine,
    UnreadableLine,
    is_remark,
    read_line,
)

FIELDS = b"#Fields:"


def parse(lines: Iterable[NumberedLine]) -> Iterator[tuple[int, LogEntry]]:
    """One (number, entry) a line; lines before the first `#Fields:` cannot be read."""
    names: list[str] = []
    for number, line in lines:
        if line.startswith(FIELDS):
            names = line[len(FIELDS) :].decode("utf-8", "replace").lower().split()
        if is_remark(line):
            yield number, None
        elif not names:
            yield number, UnreadableLine("its fields are not named: a line `#Fields:` must come first")
        else:
            yield number, read_line(lambda line, names=names: _request(names, line), line)  # type: ignore[misc]


def _request(names: list[str], line: bytes) -> LoggedRequest:
    """The line's request; raises `ValueError` where it has another number of fields or tells no time."""
    text = line.decode("utf-8", "replace").strip("\r\n")
    values = text.split("\t" if "\t" in text else None)
    if len(values) != len(names):
        raise ValueError(f"{len(values)} fields, not {len(names)}")
    return cloudfront.request_of(dict(zip(names, values, strict=True)))
