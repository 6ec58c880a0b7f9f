"""CMCD records: decoded as sent, and encoded in canonical form."""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from posixpath import dirname, relpath
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from qoescope.catalog.cmcd import (
    CUSTOM,
    CUSTOM_LIMIT,
    KEYS,
    LONGEST_RECORD,
    Key,
)
from qoescope.catalog.errors import Mistake
from qoescope.sources.cmcd import structured_fields
from qoescope.sources.cmcd.structured_fields import Malformed, Record, Unsayable

VERSIONS = (1, 2)
_IN_A_QUERY = re.compile(r'(?:[^\s"]*[?&])?CMCD=([^&#]*)')
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
URI_SAFE = "!*'()"
"""What JavaScript's encodeURIComponent leaves alone beside letters, digits and `-_.~`."""


def decode_line(text: str, version: int) -> Record:
    """The record as sent: structured-field text, or percent-encoded behind `CMCD=`. Raises `Malformed`.

    The position of an error counts characters of the record after percent-decoding.
    """
    _check(version)
    record = _strict(text.strip("\r\n"))
    nor = record.get("nor")
    if version == 1 and isinstance(nor, str):
        record["nor"] = unquote(nor)
    return record


def _strict(text: str) -> Record:
    """The dictionary in the text."""
    match = _IN_A_QUERY.match(text)
    if match is None:
        return structured_fields.parse(_short(text))
    once = _short(unquote_plus(match[1]))
    if "%" in once and structured_fields.parsed(once)[1] < len(once):
        twice = unquote_plus(once)
        if structured_fields.parsed(twice)[1] == len(twice):
            once = twice
    return structured_fields.parse(once)


def _short(text: str) -> str:
    if len(text) > LONGEST_RECORD:
        raise Malformed(f"a record holds at most {LONGEST_RECORD} characters", LONGEST_RECORD)
    return text


def _check(version: int) -> None:
    if version not in VERSIONS:
        raise Mistake(f"CMCD has no version {version} here: use 1 or 2")


def decoded(text: str, version: int) -> tuple[str, bool]:
    """One line of JSON, and whether it is the record: otherwise it says the error and its position."""
    try:
        return json.dumps(decode_line(text, version)), True
    except Malformed as error:
        return json.dumps({"error": error.reason, "at": error.position}), False


def encoded(text: str, version: int) -> tuple[str, bool]:
    """The canonical text of one line of JSON, and whether it is that: otherwise JSON that says the error."""
    try:
        return encode_line(json.loads(text), version), True
    except json.JSONDecodeError as error:
        return json.dumps({"error": error.msg, "at": error.pos}), False
    except (Unsayable, RecursionError, ValueError) as error:
        return json.dumps({"error": str(error)}), False


def encode_line(record: object, version: int) -> str:
    """Canonical text: keys sorted, values rounded, what says nothing left out. Raises `Unsayable`.

    Keys that the version does not know are left out, unless they are custom (a hyphen inside).
    """
    return structured_fields.dictionary(members(record, version))


def members(record: object, version: int) -> dict[str, str]:
    """Text of each member that is sent; empty for a bare key."""
    _check(version)
    if not isinstance(record, Mapping):
        raise Unsayable("a record is an object of keys and values")
    texts: dict[str, str] = {}
    for name, value in record.items():
        key = KEYS.get(name)
        if value is None or name == "v" or (key is None and "-" not in name) or (key and version not in key.versions):
            continue
        try:
            text = _custom(name, value) if key is None else _text(key, value, version, record.get("e"))
        except Unsayable as error:
            raise Unsayable(f"{name}: {error}") from None
        if text is not None:
            texts[name] = text
    if version > 1:
        texts["v"] = str(version)
    return texts


def _text(key: Key, value: object, version: int, event: object) -> str | None:
    """What follows the key's `=`; "" for a bare key, None for one that is left out."""
    if key.kind == "bool":
        return _flag(key, value, event)
    if key.kind in ("ints", "strings"):
        return _list(key, value, version)
    bare, params = _parts(value)
    if key.kind == "token":
        return structured_fields.token(_word(bare)) + params
    if key.kind == "string":
        return structured_fields.string(_limited(_word(bare), key.limit_v1 if version == 1 else key.limit)) + params
    if key.kind == "int":
        return structured_fields.integer(rounded(_number(bare), key.step)) + params
    return None if bare == 1 and event != "pr" else structured_fields.decimal(_number(bare)) + params


def _flag(key: Key, value: object, event: object) -> str | None:
    bare, params = _parts(value)
    if not isinstance(bare, bool):
        raise Unsayable("must be true or false")
    if bare:
        return f"?1{params}" if params else ""
    return f"?0{params}" if key.name == "bg" and event == "b" else None


def _list(key: Key, value: object, version: int) -> str | None:
    bare, params = _parts(value)
    items = list(bare) if isinstance(bare, list | tuple) else [value]
    if isinstance(bare, list | tuple) and version > 1:
        return f"({' '.join(_item(key, item) for item in items)}){params}"
    if version > 1:
        return f"({_item(key, value)})"
    if not items:
        return None
    first = _parts(picked_item(items) if key.kind == "ints" else items[0])[0]
    if key.kind == "ints":
        return structured_fields.integer(rounded(_number(first), key.step))
    return structured_fields.string(quote(_relative(_word(first)), safe=URI_SAFE))


def _item(key: Key, item: object) -> str:
    bare, params = _parts(item)
    if key.kind == "ints":
        return structured_fields.integer(rounded(_number(bare), key.step)) + params
    return structured_fields.string(_relative(_word(bare)) if key.name == "nor" else _word(bare)) + params


def picked_item(items: list[object]) -> object:
    """Of a list by type of object: the one tagged `v`, else `av`, else untagged, else the first."""
    tags = [tag(item) for item in items]
    wanted = next((t for t in ("v", "av", "") if t in tags), tags[0])
    return items[tags.index(wanted)]


def tag(item: object) -> str:
    """The type of object that an item is about, as `;v` or as `;ot=v`; empty if it says none."""
    params = item.get("params") if isinstance(item, Mapping) else None
    if not isinstance(params, Mapping):
        return ""
    about = params.get("ot")
    if isinstance(about, str):
        return about
    return next((str(name) for name, value in params.items() if value is True), "")


def _parts(value: object) -> tuple[object, str]:
    """The bare value, and its parameters as text."""
    if not isinstance(value, Mapping):
        return value, ""
    params = value.get("params") or {}
    if "value" not in value or not isinstance(params, Mapping):
        raise Unsayable('an object must be {"value": …, "params": {…}}')
    texts = {str(n): _parameter(str(n), p) for n, p in params.items()}
    return value["value"], "".join(
        f";{structured_fields.key(n)}={t}" if t else f";{structured_fields.key(n)}" for n, t in texts.items()
    )


def _parameter(name: str, value: object) -> str:
    if value is True:
        return ""
    return structured_fields.token(value) if name == "ot" and isinstance(value, str) else structured_fields.bare(value)


def _custom(name: str, value: object) -> str | None:
    """A custom key: text of at most 64 characters; what else it holds is passed on."""
    bare, params = _parts(value)
    structured_fields.key(name)
    if isinstance(bare, str):
        return structured_fields.string(_limited(bare, CUSTOM_LIMIT)) + params
    if isinstance(bare, bool):
        return (f"?1{params}" if params else "") if bare else None
    return structured_fields.value(value)


def _word(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unsayable("must be text")
    return str(value)


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unsayable("must be a number")
    return value


def _limited(text: str, limit: int) -> str:
    if limit and len(text) > limit:
        raise Unsayable(f"holds at most {limit} characters, not {len(text)}")
    return text


def _relative(path: str) -> str:
    if _ABSOLUTE.match(path):
        raise Unsayable("must be relative to the request: see `relative`")
    return path


def counted_name(key: str) -> str:
    """What a value of the key is counted by: the key; of all that are not in the catalog one, for senders make them."""
    return key if key in KEYS else CUSTOM


def counted_names(keys: Iterable[str]) -> list[str]:
    """The same of each of the keys that mean something here: the catalog's, and custom ones."""
    return [counted_name(key) for key in keys if key in KEYS or "-" in key]


def rounded(number: float, step: int = 1) -> int:
    """The nearest multiple of the step, half up."""
    if isinstance(number, int):
        return number if step == 1 else (number + step // 2) // step * step
    try:
        return int((Decimal(str(number)) / step).quantize(Decimal(1), ROUND_HALF_UP)) * step
    except (ArithmeticError, ValueError):
        raise Unsayable(f"{number} is no number that can be sent") from None


def relative(url: str, request: str) -> str:
    """The next object's URL as `nor` says it: relative to the request's, absolute only across origins."""
    there, here = urlsplit(url), urlsplit(request)
    if (there.scheme, there.netloc) != (here.scheme, here.netloc):
        return url
    path = relpath(there.path or "/", dirname(here.path) or "/")
    return f"{path}?{there.query}" if there.query else path
