"""Unknown fields: what a field means, what it may hold, and what to do where its values cannot be meant; pure."""

from dataclasses import dataclass

from qoescope.catalog.cmcd import COUNTED_AS, CUSTOM, KEYS, Key
from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.events import EVENT_FIELDS
from qoescope.compile import wire
from qoescope.compile.references import type_said
from qoescope.sources.cmcd.codec import VERSIONS

FIELDS = {f.name: f for f in (*CONTEXT_FIELDS, *EVENT_FIELDS)}
SENTINEL = "Players write -1, NaN or a maximum value for unknown: leave the field out instead."
KIND = "Send it in this form, or leave it out."
CLOCK = "Device clocks can be wrong: send sent_at with each beacon, so that times can be corrected."
REPORT = "Update the player's CMCD library, or tell its makers."
VERSION = "Such reports are ignored: configure the player to send version 1 or 2."
LOG = "Look at how the CDN writes its log; the request counts, without its status."
OLD = "Another version of qoescope counted it."


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field of `unknown_fields`: what it says, what it may hold, and what to do about values that it cannot hold."""

    meaning: str
    allowed: str
    advice: str


def explain(name: str) -> LeftOut:
    """What there is to know of the field, also of one that this version does not count."""
    if name.startswith(COUNTED_AS):
        return _explain_key(name.removeprefix(COUNTED_AS))
    if name == "sent_at":
        return LeftOut("when the beacon was sent, by the device's clock", "integer, ms since 1970", CLOCK)
    if name == "status":
        return LeftOut("status of a request in a CDN's log", "0 to 999", LOG)
    if name not in FIELDS:
        return LeftOut("not in the catalog", "", OLD)
    _, schemas = wire.json_schemas()
    members = schemas["Session"]["properties"] | schemas["Event"]["properties"]
    allowed = type_said(members[name])
    if FIELDS[name].type == "instant":
        return LeftOut(FIELDS[name].doc, allowed, CLOCK)
    return LeftOut(FIELDS[name].doc, allowed, SENTINEL if FIELDS[name].type in ("int", "float") else KIND)


def _explain_key(name: str) -> LeftOut:
    if name == CUSTOM:
        return LeftOut("custom keys of CMCD", "text or a token", REPORT)
    if name not in KEYS:
        return LeftOut("not in the catalog", "", OLD)
    key = KEYS[name]
    if name == "v":
        return LeftOut(f"CMCD's {key.doc}", " or ".join(map(str, VERSIONS)), VERSION)
    return LeftOut(f"CMCD's {key.doc}", _allowed(key), REPORT)


def _allowed(key: Key) -> str:
    least, greatest = key.bounds
    match key.kind:
        case "int" | "ints":
            return f"integer, {least:,} to {greatest:,}"
        case "decimal":
            return f"number, {least:,} to {greatest:,}"
        case "token":
            return ", ".join(key.tokens)
        case "bool":
            return "boolean"
        case "string" | "strings":
            return "text"
