"""Access logs of Varnish's varnishncsa and of Apache, in a format of the user's."""

import re

from qoescope.sources.cdn_logs.layouts import COMMON_TIME, HEADER, Placeholder, parser_of, split_format
from qoescope.sources.cdn_logs.requests import LogParser

COMBINED = '%h %l %u %t "%r" %s %b "%{Referer}i" "%{User-agent}i"'
"""What varnishncsa writes unless it is told otherwise."""
_DIRECTIVE = re.compile(r"%[<>!,0-9]*(?:\{([^}]*)\})?([a-zA-Z%])")
_NAMES = {"t": "at", "r": "url", "U": "path", "q": "query", "s": "status", "v": "host"}
_REQUEST_HEADER, _COOKIE, _TIME = "i", "C", "t"


def with_layout(layout: str) -> LogParser:
    """The parser of logs in this format; raises `Mistake` where it tells no time or URL."""
    return parser_of(split_format(layout, _DIRECTIVE, _named), layout)


def _named(match: re.Match[str]) -> Placeholder | str:
    name, letter = match[1] or "", match[2]
    if letter == "%":
        return "%"
    if letter == _REQUEST_HEADER:
        return Placeholder(HEADER + name.lower())
    if letter == _COOKIE:
        return Placeholder("record" if name.lower() == "cmcd" else "")
    return Placeholder(_NAMES.get(letter, ""), COMMON_TIME if letter == _TIME and not name else "")


parse = with_layout(COMBINED)
