"""The wire format as msgspec types, generated from the catalog."""

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.doors import (
    CONTEXT_BOUNDS,
    EVENT_BOUNDS,
    LARGEST_ASN,
    LARGEST_INT,
    LONGEST_ID,
    LONGEST_TEXT,
)
from qoescope.catalog.events import (
    ERROR_CLASSES,
    EVENT_FIELDS,
    EVENT_TYPES,
    FINISH_REASONS,
    STATES,
)
from qoescope.catalog.schema import Field

WORDS: dict[str, tuple[str, ...]] = {
    "type": tuple(EVENT_TYPES),
    "state": tuple(STATES),
    "error_class": ERROR_CLASSES,
    "reason": FINISH_REASONS,
}
"""Event fields with a closed vocabulary."""

NUMBERS = {"int": int, "instant": int, "float": float}
"""On the wire an instant is in epoch ms."""


def _type(f: Field, bounds: dict[str, tuple[int, int]]) -> Any:  # noqa: ANN401 — annotations have no type
    """The field's annotated type, with its limits."""
    if f.name in WORDS:
        return Literal[WORDS[f.name]]
    if f.name == "session_id":
        return Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID, description=f.doc)]
    if f.name == "asn":
        asn = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ASN)]
        return Annotated[
            asn | Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)],
            msgspec.Meta(description=f.doc),
        ]
    if f.type == "text":
        return Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT, description=f.doc)]
    if f.type == "bool":
        return Annotated[bool, msgspec.Meta(description=f.doc)]
    least, greatest = bounds.get(f.name, (-LARGEST_INT, LARGEST_INT))
    return Annotated[NUMBERS[f.type], msgspec.Meta(ge=least, le=greatest, description=f.doc)]


def _struct(name: str, doc: str, fields: tuple[Field, ...], bounds: dict[str, tuple[int, int]]) -> type[msgspec.Struct]:
    """A struct whose absent fields are the catalog's defaults; texts that default to `unknown` are absent instead.

    An unknown field makes decoding fail, so that the door reads such a beacon again in its patient way.
    """
    members: list[Any] = []
    for f in fields:
        kind = _type(f, bounds)
        if not f.nullable:
            members.append((f.name, kind))
        elif f.default is None or f.type == "text":
            members.append((f.name, kind | None, None))
        else:
            members.append((f.name, kind, f.default))
    made = msgspec.defstruct(
        name,
        members,
        module=__name__,
        omit_defaults=True,
        gc=False,
        forbid_unknown_fields=True,
        kw_only=True,
    )
    made.__doc__ = doc
    return made


if TYPE_CHECKING:

    class Event(msgspec.Struct):
        """One thing that a player says; its fields are the catalog's."""

        def __init__(self, **fields: Any) -> None: ...  # noqa: ANN401
        def __getattr__(self, name: str) -> Any: ...  # noqa: ANN401
        def __setattr__(self, name: str, value: object) -> None: ...

    class Session(Event):
        """What is true of the whole session; its fields are the catalog's."""

    class AdjustedEvent(Event):
        """An event whose `at` was ahead of the collector's clock and was set to `received_at`."""

else:
    Event = _struct("Event", "One thing that a player says.", EVENT_FIELDS, EVENT_BOUNDS)
    Session = _struct("Session", "What is true of the whole session.", CONTEXT_FIELDS, CONTEXT_BOUNDS)
    AdjustedEvent = msgspec.defstruct(
        "AdjustedEvent",
        [("clock_adjusted", bool, False)],
        bases=(Event,),
        module=__name__,
        omit_defaults=True,
        gc=False,
        kw_only=True,
    )


class Beacon(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """One request's worth of events of one session."""

    session: Session
    events: list[Event]
    sent_at: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INT)] | None = None


class Envelope(msgspec.Struct, gc=False):
    """A beacon whose parts are still bytes, so that each is judged on its own."""

    events: list[msgspec.Raw]
    session: msgspec.Raw = msgspec.Raw()
    sent_at: msgspec.Raw = msgspec.Raw()


class Counts(msgspec.Struct, gc=False, frozen=True):
    """What became of one request's events; `received` is the sum of the others."""

    received: int
    accepted: int = 0
    duplicate: int = 0
    invalid: int = 0
    filtered: int = 0


class Record(msgspec.Struct, gc=False, omit_defaults=True):
    """A record of the topic `beacons`: the books of one beacon and its accepted events.

    A record that means something else by these names says so by a `version` other than 1, and is kept aside.
    """

    property: str
    received_at: int
    sent_at: int | None
    counts: Counts
    session: Session | None
    events: list[Event]
    unknown: dict[str, int] = {}
    """By field: values that could not be meant, such as a player's sentinels."""


class CmcdRecord(msgspec.Struct, gc=False, omit_defaults=True):
    """A record of the topic `beacons` that holds CMCD as sent: one text a report, all of one session.

    `session` says what the request around it told: `session_id` is the `sid`, device fields are the user agent's.
    """

    property: str
    received_at: int
    counts: Counts
    session: Session | None
    cmcd: list[str]
    mode: Literal["event", "request"]
    target: str
    user_agent: str | None
    unknown: dict[str, int] = {}
    """By key: values that were left out."""


class Tick(msgspec.Struct, gc=False):
    """The door's sign of life in one partition of `beacons`, with what it refused since the last one."""

    property: str
    received_at: int
    rate_limited: list[tuple[str, int, int]]
    tick: bool = True


class DeadLetter(msgspec.Struct, gc=False):
    """A record of the topic `dead_letters`: bytes that were not understood, and why."""

    property: str
    received_at: int
    stage: str
    reason: str
    detail: str
    body_base64: str
    count: int


class Verdict(msgspec.Struct, gc=False, omit_defaults=True):
    """What became of one event that was not accepted; `index` is its place in the beacon.

    `beacon` is the beacon's place in a body that holds several.
    """

    index: int
    outcome: Literal["duplicate", "invalid", "filtered"]
    reason: str
    seq: int | None = None
    beacon: int | None = None


class Answer(msgspec.Struct, gc=False):
    """The door's answer to a beacon: counts, and a verdict on each event that was not accepted."""

    received: int
    accepted: int
    duplicate: int
    invalid: int
    filtered: int
    results: list[Verdict]


class Refusal(msgspec.Struct, gc=False):
    """The door's answer to a request that it refused whole."""

    error: str
    request_id: str


@cache
def json_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """(reference to a type by its name, its JSON schema) for all that passes the door."""
    kinds = (Beacon, Event, Session, Answer, Verdict, Refusal)
    references, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for name in (
        "Beacon",
        "Event",
        "Session",
    ):  # what we do not know is ignored, so that newer players can write
        components[name].pop("additionalProperties", None)
    return {kind.__name__: reference for kind, reference in zip(kinds, references, strict=True)}, components
