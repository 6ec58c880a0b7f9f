"""Structured fields (RFC 8941): dictionaries as plain values, and plain values as dictionaries.

The grammar is one pattern without backtracking: a member costs about a microsecond, and time is linear in the text.
Where it does not match, `http-sf` says what is wrong and where; tests hold that both accept the same texts.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeAlias

Bare: TypeAlias = int | float | str | bool
"""Tokens and strings are both text, a byte sequence keeps its colons, a decimal is a float."""
Value: TypeAlias = "Bare | list[Value] | dict[str, Value]"
"""A bare value, a list of values, or `{"value": …, "params": {…}}`."""
Record: TypeAlias = dict[str, Value]

MOST = 999_999_999_999_999
_WHOLE_DECIMAL = Decimal(10) ** 12
_KEY = r"[a-z*][a-z0-9_.*\-]*+"
_PLAIN = r"[\x20-\x21\x23-\x5b\x5d-\x7e]*+"
_STRING = rf'{_PLAIN}(?:\\["\\]{_PLAIN})*+'
_WORD = r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*+"
_DECIMAL = r"-?[0-9]{1,12}\.[0-9]{1,3}"
_INTEGER = r"-?[0-9]{1,15}+"
_BYTES = r":[A-Za-z0-9+/=]*+:"
_BARE = rf'(?:{_DECIMAL}|{_INTEGER}|"{_STRING}"|{_WORD}|\?[01]|{_BYTES})'
_CAUGHT = rf'(?:({_DECIMAL})|({_INTEGER})|"({_STRING})"|({_WORD}|{_BYTES})|\?([01])'
_PARAMS = rf"(?:;\x20*+{_KEY}(?:={_BARE})?)"
_INNER = rf"(?:\x20*+{_BARE}{_PARAMS}*+(?=[ )]))*+\x20*+"

_MEMBER = re.compile(rf"({_KEY})(?:={_CAUGHT}|\(({_INNER})\)))?({_PARAMS}++)?[ \t]*+(?:,[ \t]*+(?!\Z)|\Z)")
_ITEM = re.compile(rf"{_CAUGHT})({_PARAMS}++)?")
_PARAM = re.compile(rf";\x20*+({_KEY})(?:={_CAUGHT}))?")
_MARKS = re.compile(r'\\.|[",()]')
_IS_KEY = re.compile(_KEY)
_IS_TOKEN = re.compile(_WORD)
_IS_BYTES = re.compile(_BYTES)
_IS_PLAIN = re.compile(r"[\x20-\x7e]*+")
(
    _DECIMAL_GROUP,
    _INTEGER_GROUP,
    _STRING_GROUP,
    _TOKEN_GROUP,
    _BOOL_GROUP,
    _INNER_GROUP,
    _PARAMS_GROUP,
) = range(2, 9)


class Malformed(ValueError):
    """A text that is no dictionary of RFC 8941: why, and at which character, counted from 0."""

    def __init__(self, reason: str, position: int) -> None:
        self.reason, self.position = reason, position
        super().__init__(f"{reason} at {position}")


class Unsayable(ValueError):
    """A value that has no form in RFC 8941."""


def parse(text: str) -> Record:
    """The dictionary; of a repeated key the last one counts. Raises `Malformed`."""
    record, at = parsed(text)
    if at < len(text):
        raise _malformed(text, at)
    return record


def parsed(text: str) -> tuple[Record, int]:
    """The members up to the first that is malformed, and where that one begins; the text's length if none is."""
    record: Record = {}
    end = len(text)
    at = end - len(text.lstrip(" "))
    match = _MEMBER.scanner(text, at).match  # type: ignore[attr-defined]  # typeshed has no scanner; it is the quickest
    while at < end:
        member: re.Match[str] | None = match()
        if member is None:
            break
        kind = member.lastindex
        if kind == _INTEGER_GROUP:
            record[member[1]] = int(member[_INTEGER_GROUP])
        elif kind == _TOKEN_GROUP:
            record[member[1]] = member[_TOKEN_GROUP]
        else:
            record[member[1]] = _value(member)
        at = member.end()
    return record, at


def _value(member: re.Match[str]) -> Value:
    """The value of one matched member that is neither an integer nor a token."""
    kind = member.lastindex
    if kind == _STRING_GROUP:
        return _unescaped(member[_STRING_GROUP])
    if kind == _INNER_GROUP:
        return _inner(member[_INNER_GROUP])
    if kind == 1:
        return True
    if kind == _DECIMAL_GROUP:
        return float(member[_DECIMAL_GROUP])
    if kind == _BOOL_GROUP:
        return bool(member[_BOOL_GROUP] == "1")
    inner = member[_INNER_GROUP]
    value: Value = _bare(member.group(2, 3, 4, 5, 6)) if inner is None else _inner(inner)
    return {"value": value, "params": _params(member[_PARAMS_GROUP])}


def _bare(caught: Iterable[str | None]) -> Bare:
    """The value of the one group that was caught; true when none was."""
    decimal, integer, string, token, boolean = caught
    if integer:
        return int(integer)
    if token:
        return token
    if decimal:
        return float(decimal)
    if boolean:
        return boolean == "1"
    return True if string is None else _unescaped(string)


def _inner(text: str) -> list[Value]:
    """The items between parentheses."""
    if text.isdigit():
        return [int(text)]
    items: list[Value] = []
    for part in text.split(" "):  # nearly all are numbers, tagged or not
        number, _, tag = part.partition(";")
        if not number.isdigit() or (tag and not tag.isalpha()):
            break
        items.append({"value": int(number), "params": {tag: True}} if tag else int(number))
    else:
        return items
    items = []
    for item_match in _ITEM.finditer(text):
        value = _bare(item_match.group(1, 2, 3, 4, 5))
        items.append({"value": value, "params": _params(item_match[6])} if item_match[6] else value)
    return items


def _params(text: str) -> Record:
    """The parameters, `;name=value;name`."""
    return {param[1]: _bare(param.group(2, 3, 4, 5, 6)) for param in _PARAM.finditer(text)}


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text


def _malformed(text: str, at: int) -> Malformed:
    """What is wrong with the text whose member at `at` does not match; only wrong texts pay for it."""
    import http_sf

    try:
        http_sf.parse(
            text.encode("latin-1", "replace") if text.isascii() else _one_byte_each(text),
            tltype="dictionary",
        )
    except http_sf.StructuredFieldError as error:
        reason = re.sub(r" at position \d+.*", "", str(error), flags=re.DOTALL)
        position = error.position
        return Malformed(reason, at if position is None else min(position, len(text)))
    except (ValueError, OverflowError) as error:
        return Malformed(str(error), at)
    return Malformed("Dates and display strings are not part of RFC 8941", at)


def _one_byte_each(text: str) -> bytes:
    """A byte a character, so that positions stay; what is not Latin-1 becomes a byte that is never legal."""
    return bytes(min(ord(character), 0xFF) for character in text)


def value(given: object) -> str:
    """The value of a member, after its `=`: an item, or a list of items, perhaps with parameters."""
    whole, params = _split(given)
    if isinstance(whole, list | tuple):
        return f"({' '.join(item(one) for one in whole)}){params}"
    return bare(whole) + params


def item(given: object) -> str:
    """One item, perhaps with parameters; a list holds items only."""
    whole, params = _split(given)
    return bare(whole) + params


def bare(given: object) -> str:
    """One bare item: `True` is `?1`, text is a string."""
    if isinstance(given, bool):
        return "?1" if given else "?0"
    if isinstance(given, int):
        return integer(given)
    if isinstance(given, float):
        return decimal(given)
    if isinstance(given, str):
        return given if _IS_BYTES.fullmatch(given) else string(given)
    raise Unsayable(f"a {type(given).__name__} has no form here in a structured field")


def _split(given: object) -> tuple[object, str]:
    """What a value says, and its parameters as text."""
    if not isinstance(given, Mapping):
        return given, ""
    params = given.get("params") or {}
    if not isinstance(params, Mapping):
        raise Unsayable("params must be an object")
    return given.get("value"), parameters(params)


def parameters(params: Mapping[str, object]) -> str:
    """`;name` for what is true, `;name=item` for the rest."""
    return "".join(
        f";{key(name)}" if value is True else f";{key(name)}={bare(value)}" for name, value in params.items()
    )


def dictionary(members: Mapping[str, str]) -> str:
    """The text of members that are texts already, sorted by key; `""` stands for true."""
    return ",".join(f"{key}={text}" if text else key for key, text in sorted(members.items()))


def key(name: str) -> str:
    """The name, if it may be a key."""
    if _IS_KEY.fullmatch(name) is None:
        raise Unsayable(f"'{name}' cannot be a key: use lower case, digits and _ - . *")
    return name


def string(value: str) -> str:
    """The value in double quotes."""
    if _IS_PLAIN.fullmatch(value) is None:
        raise Unsayable(f"a string holds printable ASCII only, not {value!r}")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def token(value: str) -> str:
    """The value as a bare token."""
    if _IS_TOKEN.fullmatch(value) is None:
        raise Unsayable(f"{value!r} cannot be a token")
    return value


def integer(value: int) -> str:
    """The value in at most 15 digits."""
    if not -MOST <= value <= MOST:
        raise Unsayable(f"{value} has more than 15 digits")
    return str(value)


def decimal(value: float) -> str:
    """The value with at most three decimals, half up; always with a point."""
    try:
        rounded = Decimal(str(value)).quantize(Decimal("0.001"), ROUND_HALF_UP)
    except ArithmeticError:
        raise Unsayable(f"{value} is no number that can be sent") from None
    if not rounded.is_finite() or abs(rounded) >= _WHOLE_DECIMAL:
        raise Unsayable(f"{value} is no decimal of at most 12 digits before the point")
    whole, _, fraction = f"{rounded:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def split(text: str) -> list[str]:
    """The members' texts, cut at commas outside quotes and parentheses; what never closes does not protect."""
    members: list[str] = []
    start = 0
    quoted = listed = False
    for mark in _MARKS.finditer(text):
        sign = mark[0]
        if quoted or sign == '"':
            quoted ^= sign == '"'
        elif sign in "()":
            listed = sign == "("
        elif sign == "," and not listed:
            members.append(text[start : mark.start()])
            start = mark.end()
    rest = text[start:]
    members += rest.split(",") if quoted or listed else [rest]
    return [member.strip(" \t") for member in members if member.strip(" \t")]
