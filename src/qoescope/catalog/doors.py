"""Doors: who may write, and what the wire allows beyond each field's type."""

from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.events import EVENT_FIELDS
from qoescope.catalog.schema import Field, Table

LARGEST_INT = 2**53
"""Beyond it a JavaScript player cannot count."""

EVENT_BOUNDS: dict[str, tuple[int, int]] = {f.name: f.bounds for f in EVENT_FIELDS if f.bounds is not None}
CONTEXT_BOUNDS: dict[str, tuple[int, int]] = {f.name: f.bounds for f in CONTEXT_FIELDS if f.bounds is not None}
"""Least and greatest value of the numbers of an event and of its session, as their fields declare them."""

LONGEST_TEXT = 512
"""Characters of a text that are kept; what is longer is cut."""

LONGEST_ID = 200
"""Characters of a session's id; a longer one is invalid, since cutting it would make two sessions one."""

LARGEST_ASN = 2**32 - 1

PROPERTIES = Table(
    "properties",
    "one row a property: an app or site, and what its door does",
    (
        Field("property", "text", "the property's name", nullable=False),
        Field(
            "enabled",
            "bool",
            "false: events are filtered, reason switched_off",
            default=True,
            nullable=False,
        ),
        Field(
            "cmcd",
            "bool",
            "false: CMCD reports are answered 410",
            default=True,
            nullable=False,
        ),
        Field(
            "origins",
            "text",
            "web origins that may write, separated by spaces; empty for any",
            default="",
        ),
        Field(
            "honours_dnt",
            "bool",
            "DNT and Sec-GPC leave the viewer unknown",
            default=True,
            nullable=False,
        ),
        Field("created_at", "instant", "when it was made", nullable=False),
    ),
    key=("property",),
)

KEYS = Table(
    "keys",
    "one row a write key; the key itself is shown once and stored nowhere",
    (
        Field(
            "property",
            "text",
            "the property that it writes to, whatever a body says",
            nullable=False,
        ),
        Field(
            "prefix",
            "text",
            "its first characters, by which people name it",
            nullable=False,
        ),
        Field("digest", "text", "SHA-256 of the key, hexadecimal", nullable=False),
        Field("created_at", "instant", "when it was made", nullable=False),
        Field("revoked_at", "instant", "from when on it is refused"),
    ),
    key=("prefix",),
    private=True,
)

LIVE_KEYS = 2
"""Live keys that a property may have: the old one and the new one of a rotation."""

FORGOTTEN = Table(
    "forgotten",
    "tombstones: viewers that asked to be forgotten, so that their late events are filtered",
    (
        Field("property", "text", "the property", nullable=False),
        Field("viewer_id", "text", "the viewer's pseudonym", nullable=False),
        Field("forgotten_at", "instant", "when it was asked for", nullable=False),
    ),
    key=("property", "viewer_id"),
    private=True,
)

FILTER_REASONS = {
    "switched_off": "the property takes no events",
    "forgotten_viewer": "the viewer asked to be forgotten",
    "session_too_long": "the session is beyond its number of events",
    "no_session_id": "a report that belongs to no session",
}
"""Why an event that was understood is not stored."""
