"""Drafts: one event, or the session's context, from bytes to what the wire takes; mended where it can be."""

from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from qoescope.catalog.bounds import DATES, MOST_EVENTS
from qoescope.catalog.doors import LARGEST_INT
from qoescope.catalog.events import EVENT_FIELDS
from qoescope.compile import wire
from qoescope.ingest import clocks, fields, texts
from qoescope.ingest.clocks import Shift
from qoescope.ingest.context import Arrival
from qoescope.ingest.limits import Limits
from qoescope.ingest.privacy import without_query

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no such JSON; the last two are no `DecodeError`."""
ENVELOPE = msgspec.json.Decoder(wire.Envelope).decode
NAMED = {**fields.EVENT, **fields.CONTEXT}
LONGEST_REASON = 200
_ANYTHING = msgspec.json.Decoder().decode
_EVENT_TEXTS = tuple(f.name for f in EVENT_FIELDS if f.type == "text" and f.name not in wire.WORDS)
Kind = TypeVar("Kind", bound=msgspec.Struct)


class Bad(Exception):
    """Why one event, or the context, cannot be understood."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is as the wire wants it but for its time."""

    said: wire.Event
    at: int | None
    """By the device's clock; None when it says none that a clock can mean."""
    seq: int
    """Also one that is beyond all sessions."""
    unknown: Counter[str]

    def event(self, arrival: Arrival, shift: int, limits: Limits, oldest: int) -> wire.Event:
        """The event with its time by our clock, marked where that is another than its device's."""
        if arrival.timeless:
            at = DATES[0] if self.at is None else self.at
        else:
            at = clocks.placed(self.at, shift, arrival.received_at, limits.ahead_ms, oldest)
        self.said.at = at
        if at == self.at:
            return self.said
        return wire.AdjustedEvent(**msgspec.structs.asdict(self.said), clock_adjusted=True)


def draft(raw: bytes, limits: Limits) -> Draft | Bad:
    """One event, or why it is none. What we do not know is left out, null is absent, long texts are cut."""
    unknown = Counter[str]()
    try:
        known = fields.known(_members(raw, limits), fields.EVENT, unknown)
        at, seq = known.get("at"), known.get("seq")
        if type(at) is not int:
            unknown["at"] = 1
        beyond = type(seq) is int and MOST_EVENTS < seq <= LARGEST_INT
        event = _converted({**known, "at": DATES[0], **({"seq": MOST_EVENTS} if beyond else {})}, wire.Event)
    except Bad as bad:
        return bad
    strip_queries(event)
    return Draft(event, at if type(at) is int else None, seq if type(seq) is int else event.seq, unknown)


def context(raw: bytes, limits: Limits, unknown: Counter[str]) -> dict[str, object]:
    """What is known of the session; raises `Bad` when that does not say which one it is."""
    said = fields.known(_members(raw, limits), fields.CONTEXT, unknown)
    _converted({name: value for name, value in said.items() if name == "session_id"}, wire.Session)
    if texts.holds_no_character(str(said["session_id"])):
        raise Bad("`session_id` holds what is no character")
    return said


def context_of(body: bytes) -> dict[str, object]:
    """What a beacon that was judged to have a session says of it, as the wire wants it."""
    said = read(bytes(envelope(body).session))
    return fields.known(said, fields.CONTEXT, Counter()) if isinstance(said, dict) else {}


def begun(said: dict[str, object], shift: Shift, oldest: int, unknown: Counter[str]) -> wire.Session:
    """The session with its start by our clock; with none that no clock can mean, or that is before the oldest."""
    start = said.pop("started_at", None)
    if isinstance(start, int) and max(DATES[0], oldest) <= start + shift.start <= DATES[1]:
        said["started_at"] = start + shift.start
    elif start is not None:
        unknown["started_at"] += 1
    return _converted(said, wire.Session)


def _converted(known: dict[str, object], kind: type[Kind]) -> Kind:
    try:
        return msgspec.convert(known, kind)
    except msgspec.ValidationError as error:
        raise Bad(str(error)[:LONGEST_REASON]) from error


def _members(raw: bytes, limits: Limits) -> dict[str, object]:
    """The object's members; raises `Bad` when it is none or beyond a limit."""
    if len(raw) > limits.event_bytes:
        raise Bad(f"larger than {limits.event_bytes} bytes")
    try:
        found = read(raw)
    except RecursionError as error:
        raise Bad("nested too deeply") from error
    except UNREADABLE as error:
        raise Bad(str(error)[:LONGEST_REASON]) from error
    if not isinstance(found, dict):
        raise Bad("not an object")
    _within(found, limits)
    return found


def read(raw: bytes) -> object:
    """The JSON, mended where it has to be; raises what msgspec raises."""
    try:
        return _ANYTHING(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        again = texts.mended(raw)
        if again is None:
            raise
        return _ANYTHING(again)


def envelope(body: bytes) -> wire.Envelope:
    """The beacon's parts, of JSON that is mended where it has to be; raises what msgspec raises."""
    try:
        return ENVELOPE(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        again = texts.mended(body)
        if again is None:
            raise
        return ENVELOPE(again)


def _within(found: dict[str, object], limits: Limits) -> None:
    """Nothing when the value is within the limits on nesting, keys and texts; else raises `Bad`.

    Texts that the catalog names have no limit here: they are cut.
    """
    if len(found) > limits.object_keys:
        raise Bad(f"more than {limits.object_keys} keys in an object")
    level: list[object] = [{n: value for n, value in found.items() if not isinstance(value, str) or n not in NAMED}]
    depth = 1
    while level:
        if depth > limits.nesting:
            raise Bad(f"nested deeper than {limits.nesting}")
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                if len(value) > limits.object_keys:
                    raise Bad(f"more than {limits.object_keys} keys in an object")
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str) and _bytes(value) > limits.text_bytes:
                raise Bad(f"a text of more than {limits.text_bytes} bytes")
        level, depth = below, depth + 1


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def strip_queries(event: wire.Event) -> None:
    """Takes the query out of each URL that the event tells."""
    for name in _EVENT_TEXTS:
        value = getattr(event, name)
        if value is not None and "://" in value:
            setattr(event, name, without_query(value))


def seq(raw: bytes) -> int | None:
    """The bad event's number, if at least that can be read."""
    try:
        found = read(raw)
    except UNREADABLE:
        return None
    seq = found.get("seq") if isinstance(found, dict) else None
    return seq if type(seq) is int and abs(seq) <= LARGEST_INT else None
