"""Layouts: logs whose fields their users choose, as names in an order or as a format of nginx, Apache or Varnish."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qoescope.catalog.errors import Mistake
from qoescope.compile.texts import join_surrogates
from qoescope.sources.cdn_logs.requests import (
    NOTHING,
    LoggedRequest,
    LogParser,
    by_line,
    first,
    logged_request,
    target_of,
    time_of,
    url_of,
)

_ESCAPE = re.compile(r"((?:\\x[0-9A-Fa-f]{2})+)|\\u([0-9A-Fa-f]{4})|\\(.)")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_UNTIL = {"": ".*", '"': r'(?:[^"\\]|\\.)*+', " ": r"(?:[^ ]|(?<=,) )*+"}
"""Patterns of fields by the sign behind them; lists of several upstream servers have spaces behind their commas."""
HEADER = "header:"
"""Before the name of a field that is a request's header."""
COMMON_TIME = r"\[?[0-9]{2}/[A-Za-z]{3}/[0-9]{4}:[0-9:.]+ [+-][0-9]{4}\]?"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A field of a format: what it is called here, and the pattern of its text if it has one of its own."""

    name: str
    pattern: str = ""


def field_names(layout: str, needed: Sequence[tuple[str, ...]]) -> list[str]:
    """Names in a layout, between spaces or commas; raises `Mistake` unless one of each of `needed` is there."""
    names = [name.lower() for name in re.split(r"[\s,]+", layout.strip()) if name]
    _require(names, needed, layout)
    return names


def fields_of(names: Sequence[str], line: bytes, delimiter: str) -> dict[str, object]:
    """The fields of a line by name; raises `ValueError` where it has another number of them."""
    values = line.decode("utf-8", "replace").strip("\r\n").split(delimiter)
    if len(values) != len(names):
        raise ValueError(f"{len(values)} fields, not {len(names)}")
    return dict(zip(names, values, strict=True))


def parser_of(parts: Sequence[str | Placeholder], layout: str) -> LogParser:
    """The parser of lines that consist of these texts and fields; raises `Mistake` where they tell no time or URL."""
    names = [part.name for part in parts if isinstance(part, Placeholder)]
    _require(names, (("at",), ("url", "path")), layout)
    pattern = re.compile("".join(_pattern(parts, place) for place in range(len(parts))))

    def parse_line(line: bytes) -> LoggedRequest:
        match = pattern.fullmatch(line.decode("utf-8", "replace").strip("\r\n"))
        if match is None:
            raise ValueError("the line does not have the layout")
        found: dict[str, object] = {}
        for name, value in zip(names, match.groups(), strict=True):
            if value not in NOTHING and name:
                found.setdefault(name, _unescaped(value))
        return _request_of(found)

    return by_line(parse_line)


def _require(names: Sequence[str], needed: Sequence[tuple[str, ...]], layout: str) -> None:
    for alternatives in needed:
        if not set(alternatives) & set(names):
            raise Mistake(f"the layout `{layout}` has no {' or '.join(alternatives)}: say all fields of a line")


def _pattern(parts: Sequence[str | Placeholder], place: int) -> str:
    """The pattern of one part: of a field, its own, or what does not hold the first character of the text behind it."""
    part = parts[place]
    if isinstance(part, str):
        return re.escape(part)
    if part.pattern:
        return f"({part.pattern}|-)"
    behind = parts[place + 1] if place + 1 < len(parts) else ""
    if isinstance(behind, str):
        return f"({_UNTIL.get(behind[:1]) or f'[^{re.escape(behind[0])}]*+'})"
    if (part.name, behind.name) == ("path", "query"):
        return r"([^?\s]*+)"
    raise Mistake("two fields of a layout need a text between them")


def _unescaped(text: str) -> str:
    r"""What a server wrote with a backslash: bytes as `\x22`, JSON's escapes, or the sign itself."""

    def plain(match: re.Match[str]) -> str:
        if match[1]:
            return bytes.fromhex(match[1].replace("\\x", "")).decode("utf-8", "replace")
        return chr(int(match[2], 16)) if match[2] else _PLAIN.get(match[3], match[3])

    return join_surrogates(_ESCAPE.sub(plain, text)) if "\\" in text else text


def _request_of(fields: Mapping[str, object]) -> LoggedRequest:
    headers = [[name.removeprefix(HEADER), value] for name, value in fields.items() if name.startswith(HEADER)]
    host = first(fields, f"{HEADER}host", "host")
    target = target_of(str(fields["url"])) if "url" in fields else url_of(None, fields.get("path"), fields.get("query"))
    return logged_request(
        time_of(fields.get("at")),
        f"https://{host}{target}" if host and target.startswith("/") else target,
        fields.get("status"),
        first(fields, f"{HEADER}user-agent"),
        headers,
        record=fields.get("record"),
        context={"country_code": fields.get("country_code"), "asn": fields.get("asn")},
    )


def split_format(
    text: str, placeholder: re.Pattern[str], named: Callable[[re.Match[str]], Placeholder | str]
) -> list[str | Placeholder]:
    """A format's texts and fields, in their order; two texts never follow one another."""
    parts: list[str | Placeholder] = []
    at = 0
    for match in placeholder.finditer(text):
        for part in (text[at : match.start()], named(match)):
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] += part
            elif part:
                parts.append(part)
        at = match.end()
    rest = text[at:]
    if rest and parts and isinstance(parts[-1], str):
        parts[-1] += rest
    elif rest:
        parts.append(rest)
    return parts
