"""One event, or the session's context, from bytes to the wire's types; repaired where it can be."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from qoescope.catalog.bounds import DATES, MOST_EVENTS
from qoescope.catalog.doors import LARGEST_INT
from qoescope.catalog.events import EVENT_FIELDS
from qoescope.compile import wire
from qoescope.compile.texts import holds_no_character
from qoescope.ingest import clocks, fields, texts
from qoescope.ingest.clocks import Shift
from qoescope.ingest.context import Arrival
from qoescope.ingest.limits import Limits
from qoescope.ingest.privacy import without_query

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for malformed JSON; the last two are not subclasses of `DecodeError`."""
ENVELOPE = msgspec.json.Decoder(wire.Envelope).decode
NAMED = {**fields.EVENT, **fields.CONTEXT}
LONGEST_REASON = 200
_ANYTHING = msgspec.json.Decoder().decode
_EVENT_TEXTS = tuple(f.name for f in EVENT_FIELDS if f.type == "text" and f.name not in wire.WORDS)
_TEXT_FOR_NUMBER = re.compile(r"^Expected `(?:int|float)[^,]*, got `str` - at `\$\.(?P<name>\w+)`")
Kind = TypeVar("Kind", bound=msgspec.Struct)


class MalformedEvent(Exception):
    """Why one event, or the context, cannot be understood."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event in the wire's type, whose time is still the device's."""

    said: wire.Event
    at: int | None
    """By the device's clock, epoch ms; None when there is none that a clock can show."""
    seq: int
    """Its number, also where that exceeds what a session may have."""
    unknown: Counter[str]

    def event(self, arrival: Arrival, shift: int, limits: Limits, oldest: int) -> wire.Event:
        """The event with its time by the collector's clock, marked where that differs from the device's."""
        if arrival.timeless:
            at = DATES[0] if self.at is None else self.at
        else:
            at = clocks.believed_time(self.at, shift, arrival.received_at, limits.ahead_ms, oldest)
        self.said.at = at
        if at == self.at:
            return self.said
        return wire.AdjustedEvent(**msgspec.structs.asdict(self.said), clock_adjusted=True)


def draft_event(raw: bytes, limits: Limits) -> Draft | MalformedEvent:
    """One event, or why it is malformed. Unknown members are dropped, null means absent, long texts are cut."""
    unknown = Counter[str]()
    try:
        known = fields.pick_known(_read_members(raw, limits), fields.EVENT, unknown)
        at, seq = known.get("at"), known.get("seq")
        if type(at) is not int:
            unknown["at"] = 1
        beyond = type(seq) is int and MOST_EVENTS < seq <= LARGEST_INT
        event = _convert({**known, "at": DATES[0], **({"seq": MOST_EVENTS} if beyond else {})}, wire.Event)
    except MalformedEvent as bad:
        return bad
    strip_queries(event)
    return Draft(event, at if type(at) is int else None, seq if type(seq) is int else event.seq, unknown)


def read_context(raw: bytes, limits: Limits, unknown: Counter[str]) -> dict[str, object]:
    """What is known of the session; raises `Malformed` when it has no usable `session_id`."""
    members = fields.pick_known(_read_members(raw, limits), fields.CONTEXT, unknown)
    _convert({name: value for name, value in members.items() if name == "session_id"}, wire.Session)
    if holds_no_character(str(members["session_id"])):
        raise MalformedEvent("`session_id` holds what is no character")
    return members


def context_of_body(body: bytes) -> dict[str, object]:
    """The session's context in a beacon that was judged to have one, by the wire's names."""
    members = read_json(bytes(read_envelope(body).session))
    return fields.pick_known(members, fields.CONTEXT, Counter()) if isinstance(members, dict) else {}


def build_session(said: dict[str, object], shift: Shift, oldest: int, unknown: Counter[str]) -> wire.Session:
    """The session with its start by the collector's clock; without a start that cannot be right."""
    start = said.pop("started_at", None)
    if isinstance(start, int) and max(DATES[0], oldest) <= start + shift.start <= DATES[1]:
        said["started_at"] = start + shift.start
    elif start is not None:
        unknown["started_at"] += 1
    return _convert(said, wire.Session)


def _convert(known: dict[str, object], kind: type[Kind]) -> Kind:
    try:
        return msgspec.convert(known, kind)
    except msgspec.ValidationError as error:
        raise MalformedEvent((_explain_number(str(error), known) or str(error))[:LONGEST_REASON]) from error


def _explain_number(reason: str, known: dict[str, object]) -> str | None:
    """What is wrong with a number that JSON or 64 bits cannot hold and that was repaired to a text; None elsewhere."""
    found = _TEXT_FOR_NUMBER.search(reason)
    value = known.get(found["name"]) if found else None
    if found is None or not isinstance(value, str):
        return None
    name, digits = found["name"], value.removeprefix("-")
    if value == "NaN":
        return f"`{name}` is NaN: send a number, or leave the member out"
    if digits == "Infinity":
        return f"`{name}` is infinite, or larger than a 64-bit float: send a smaller number, or leave the member out"
    if digits.isdecimal() and len(value) > texts.DIGITS_OF_64_BITS:
        return f"`{name}` is a number of {len(digits):,} digits, larger than 64 bits"
    return None


def _read_members(raw: bytes, limits: Limits) -> dict[str, object]:
    """The object's members; raises `Malformed` when it is no object or exceeds a limit."""
    if len(raw) > limits.event_bytes:
        raise MalformedEvent(f"larger than {limits.event_bytes} bytes")
    try:
        value = read_json(raw)
    except RecursionError as error:
        raise MalformedEvent("nested too deeply") from error
    except UNREADABLE as error:
        raise MalformedEvent(str(error)[:LONGEST_REASON]) from error
    if not isinstance(value, dict):
        raise MalformedEvent("not an object")
    _check_limits(value, limits)
    return value


def read_json(raw: bytes) -> object:
    """The JSON's value, repaired where necessary; raises what msgspec raises."""
    try:
        return _ANYTHING(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        again = texts.repair_json(raw)
        if again is None:
            raise
        return _ANYTHING(again)


def read_envelope(body: bytes) -> wire.Envelope:
    """The beacon's parts as bytes, of JSON that is repaired where necessary; raises what msgspec raises."""
    try:
        return ENVELOPE(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        again = texts.repair_json(body)
        if again is None:
            raise
        return ENVELOPE(again)


def _check_limits(found: dict[str, object], limits: Limits) -> None:
    """Raises `Malformed` when the object exceeds the limits on nesting, keys or texts.

    Texts that the catalog names have no limit here: they are cut.
    """
    if len(found) > limits.object_keys:
        raise MalformedEvent(f"more than {limits.object_keys} keys in an object")
    level: list[object] = [{n: value for n, value in found.items() if not isinstance(value, str) or n not in NAMED}]
    depth = 1
    while level:
        if depth > limits.nesting:
            raise MalformedEvent(f"nested deeper than {limits.nesting}")
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                if len(value) > limits.object_keys:
                    raise MalformedEvent(f"more than {limits.object_keys} keys in an object")
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str) and _utf8_length(value) > limits.text_bytes:
                raise MalformedEvent(f"a text of more than {limits.text_bytes} bytes")
        level, depth = below, depth + 1


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def strip_queries(event: wire.Event) -> None:
    """Removes the query from each URL in the event."""
    for name in _EVENT_TEXTS:
        value = getattr(event, name)
        if value is not None and "://" in value:
            setattr(event, name, without_query(value))


def read_seq(raw: bytes) -> int | None:
    """The malformed event's number, if that can be read."""
    try:
        value = read_json(raw)
    except UNREADABLE:
        return None
    seq = value.get("seq") if isinstance(value, dict) else None
    return seq if type(seq) is int and abs(seq) <= LARGEST_INT else None
