"""W3C extended logs: fields between tabs or spaces, named by a line `#Fields:`, as CloudFront writes them."""

from collections.abc import Iterable, Iterator, Mapping

from qoescope.sources.cdn_logs.requests import (
    LogEntry,
    LoggedRequest,
    NumberedLine,
    UnreadableLine,
    is_remark,
    logged_request,
    read_line,
)

FIELDS = b"#Fields:"
NONE = "-"
"""What the format writes for a field without a value."""
HOSTS = ("x-host-header", "cs(host)", "cs-host")
"""The host that was asked for, the first that is there: beside a CDN's own name lies the one that viewers use."""
HEADER = "cs("
"""Before the name of a request's header, which ends in a parenthesis."""


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
    fields = {name: value for name, value in zip(names, values, strict=True) if value != NONE}
    headers = [[name[len(HEADER) : -1], value] for name, value in fields.items() if name.startswith(HEADER)]
    at = f"{fields.get('date', '')} {fields.get('time', '')}" if "date" in fields else fields.get("time", "")
    return logged_request(at, _url(fields), fields.get("sc-status"), fields.get("cs(user-agent)"), headers)


def _url(fields: Mapping[str, str]) -> str:
    """The URL: host, path and query lie in fields of their own."""
    if "cs-uri" in fields:
        return fields["cs-uri"]
    host = next((fields[name] for name in HOSTS if name in fields), "")
    query = fields.get("cs-uri-query")
    return (f"https://{host}" if host else "") + fields.get("cs-uri-stem", "/") + (f"?{query}" if query else "")
