"""Access logs of nginx, in a `log_format` of the user's."""

import re

from qoescope.sources.cdn_logs.layouts import COMMON_TIME, HEADER, Placeholder, parser_of, split_format
from qoescope.sources.cdn_logs.requests import LogParser

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
"""What nginx writes unless it is told otherwise."""
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_DIRECTIVE = re.compile(r"\s*log_format\s+\S+\s+(?:escape=\w+\s+)?(.*?);?\s*", re.DOTALL)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_NAMES = {
    "time_local": "at",
    "time_iso8601": "at",
    "msec": "at",
    "request": "url",
    "request_uri": "url",
    "uri": "path",
    "document_uri": "path",
    "args": "query",
    "query_string": "query",
    "host": "host",
    "server_name": "host",
    "status": "status",
    "arg_cmcd": "record",
    "cookie_cmcd": "record",
    "geoip_country_code": "country_code",
    "geoip2_data_country_code": "country_code",
}
_HEADER = "http_"


def with_layout(layout: str) -> LogParser:
    """The parser of logs in this format, a directive or its text; raises `Mistake` where it tells no time or URL."""
    directive = _DIRECTIVE.fullmatch(layout)
    text = "".join(a or b for a, b in _QUOTED.findall(directive[1])) if directive else layout
    return parser_of(split_format(text, _VARIABLE, _named), layout)


def _named(match: re.Match[str]) -> Placeholder:
    name = (match[1] or match[2]).lower()
    pattern = COMMON_TIME if name == "time_local" else ""
    if name.startswith(_HEADER):
        return Placeholder(HEADER + name.removeprefix(_HEADER).replace("_", "-"))
    return Placeholder(_NAMES.get(name, ""), pattern)


parse = with_layout(COMBINED)
