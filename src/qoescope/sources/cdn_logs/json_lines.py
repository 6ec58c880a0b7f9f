"""JSON lines: an object a line, one a request, as log pipelines write what a CDN streams to them.

A line holds `at` (ISO 8601, the common log's form, or s, ms, µs or ns since the epoch), `url`, and where known
`status`, `user_agent` and `headers` (an object). Other members are ignored, the client's address among them; so are
lines that begin with `#`.
"""

from typing import Any

import msgspec

from qoescope.sources.cdn_logs.requests import LoggedRequest, by_line, logged_request


class JsonLine(msgspec.Struct, frozen=True):
    """One request, as the line's members have it."""

    at: str | int | float
    url: str
    status: Any = None
    user_agent: Any = None
    headers: Any = None


_DECODER = msgspec.json.Decoder(JsonLine)


def parse_line(line: bytes) -> LoggedRequest:
    """The line's request; raises `ValueError` for what is none."""
    read = _DECODER.decode(line)
    return logged_request(read.at, read.url, read.status, read.user_agent, read.headers)


parse = by_line(parse_line)
