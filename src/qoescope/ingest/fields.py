"""Checks each member that a player sent. A value that cannot be meant is unknown and counted; its event stays.

An event is refused only where a member that identifies it is wrong: session, number, type, state, duration. Those
are passed on as they came, for the wire's types to check.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from math import isfinite

from qoescope.catalog.bounds import DEVICE_DATES, LONGEST_CONTENT_MS
from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.doors import LARGEST_ASN
from qoescope.catalog.events import EVENT_FIELDS
from qoescope.catalog.schema import Field
from qoescope.compile.texts import tidy_text
from qoescope.compile.wire import WORDS
from qoescope.ingest.texts import DIGITS_OF_64_BITS

EVENT = {f.name: f for f in EVENT_FIELDS}
CONTEXT = {f.name: f for f in CONTEXT_FIELDS}
CLOCK = frozenset(("at", "started_at"))
"""Read from the device's clock, and judged with it."""
LENGTH = "content_duration_ms"


def pick_known(said: Mapping[str, object], fields: Mapping[str, Field], unknown: Counter[str]) -> dict[str, object]:
    """The members that the catalog names, with values that can be meant; the others are dropped and counted."""
    values: dict[str, object] = {}
    for name, value in said.items():
        f = fields.get(name)
        if f is None or value is None:
            continue
        if not f.nullable and name not in CLOCK:
            values[name] = _integral(value)
            continue
        taken = _TAKE[name if name in _TAKE else f.type](f, value)
        if taken is None:
            unknown[name] += 1
        else:
            values[name] = taken
    if "session_id" in fields and is_endless(said.get(LENGTH)):
        values["content_type"] = "live"
    return values


def is_endless(length: object) -> bool:
    """Whether it is a length that no content has: what players report for live streams."""
    if isinstance(length, str):
        return length == "Infinity" or (length.isdecimal() and len(length) > DIGITS_OF_64_BITS)
    return isinstance(length, int | float) and length > LONGEST_CONTENT_MS


def instant(value: object) -> int | None:
    """A time of the device's clock in epoch ms, rounded; None for one that no clock shows."""
    ms = round(value) if type(value) is float and isfinite(value) else value
    return ms if type(ms) is int and DEVICE_DATES[0] <= ms <= DEVICE_DATES[1] else None


def _integral(value: object) -> object:
    """A float without a fraction as an int; other values as they are."""
    return int(value) if type(value) is float and value.is_integer() else value


def _whole(f: Field, value: object) -> int | None:
    number = _integral(value)
    if type(number) is not int:  # nor true, which Python takes for a number
        return None
    return number if f.bounds is None or f.bounds[0] <= number <= f.bounds[1] else None


def _fraction(f: Field, value: object) -> float | None:
    if type(value) is not int and type(value) is not float:
        return None
    return value if f.bounds is None or f.bounds[0] <= value <= f.bounds[1] else None


def _flag(_: Field, value: object) -> bool | None:
    return value if type(value) is bool else None


def _text(_: Field, value: object) -> str | None:
    """Text; an int as its digits, since some senders write ids and versions so."""
    if type(value) is int:
        return str(value)
    return tidy_text(value) if isinstance(value, str) else None


def _word(f: Field, value: object) -> str | None:
    return value if isinstance(value, str) and value in WORDS[f.name] else None


def _clock(_: Field, value: object) -> int | None:
    return instant(value)


def _asn(f: Field, value: object) -> str | None:
    return None if type(value) is int and not 0 <= value <= LARGEST_ASN else _text(f, value)


_TAKE: dict[str, Callable[[Field, object], object]] = {
    "int": _whole,
    "float": _fraction,
    "bool": _flag,
    "text": _text,
    "asn": _asn,
    **dict.fromkeys(CLOCK, _clock),
    **dict.fromkeys((name for name in WORDS if EVENT[name].nullable), _word),
}
"""By the field's name, else by its type."""
