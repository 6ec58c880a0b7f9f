"""Context: what a session says of itself, made fit to keep."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

import msgspec
import pycountry

from qoescope.catalog.dimensions import BY_NAME, SENT, UNKNOWN
from qoescope.catalog.doors import LONGEST_TEXT
from qoescope.catalog.errors import UnknownName
from qoescope.compile.agents import fields as agent_fields
from qoescope.compile.pseudonyms import pseudonym
from qoescope.compile.wire import Session
from qoescope.ingest.clocks import Clocks
from qoescope.ingest.privacy import NO_TRACKING, without_query
from qoescope.ingest.texts import clean

COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)
CLOSED = tuple((name, BY_NAME[name].values) for name in SENT if BY_NAME[name].values)
OPEN = tuple(name for name in SENT if not BY_NAME[name].values)
EDGE = ("country_code", "region", "isp", "asn", "cdn", "cdn_pop")
"""What an edge in front of the door can know of a session."""
NOTHING = frozenset(("", UNKNOWN))
"""Texts that say nothing."""


class Headers(Protocol):
    """A request's headers; names are in lower case."""

    def get(self, name: str) -> str | None:
        """The header, or None."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """What the door knows of a request beside its body."""

    property: str
    received_at: int
    """By the collector's clock, epoch ms."""
    secret: bytes
    """Key of the pseudonyms."""
    headers: Headers
    secret_version: int = 1
    honours_dnt: bool = True
    edge: tuple[tuple[str, str], ...] = ()
    """(dimension, header in lower case) that the edge in front of the door tells."""
    clocks: Clocks | None = None
    """What is known of the clocks of sessions."""
    first_at: int | None = None
    """When it first came, of a letter that is judged again."""
    timeless: bool = False
    """Of a file: no clock says when it came, so that its own times stand."""


def edge(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """(dimension, header) as `Arrival` takes them; raises `UnknownName` for what no edge can know."""
    for name in headers:
        if name not in EDGE:
            raise UnknownName("dimension of the edge", name, EDGE)
    return tuple((name, header.lower()) for name, header in headers.items())


def kept(session: Session, arrival: Arrival, ahead_ms: int, urls: bool = True) -> Session:
    """The session, changed in place: viewer a pseudonym, values as the catalog spells them, no query in any URL.

    `urls` is false when the body is known to hold none.
    """
    if session.viewer_id is not None:
        session.viewer_id = _viewer(session.viewer_id, arrival)
    if session.started_at is not None:
        ahead = session.started_at > arrival.received_at + ahead_ms
        session.started_at = arrival.received_at if ahead else session.started_at
    for name, header in arrival.edge:
        if getattr(session, name) is None:
            setattr(session, name, clean(arrival.headers.get(header) or "")[:LONGEST_TEXT] or None)
    _spell(session)
    if urls or not NOTHING.isdisjoint(msgspec.structs.astuple(session)):
        for name in OPEN:
            value = getattr(session, name)
            if value is not None:
                setattr(session, name, _tidy(value))
    if session.browser is None and session.os is None:
        _add_from_agent(session, session.user_agent or arrival.headers.get("user-agent"))
    return session


def _spell(session: Session) -> None:
    """Brings closed values, country and provider to the catalog's spelling."""
    for name, values in CLOSED:
        value = getattr(session, name)
        if value is not None and value not in values:
            setattr(session, name, _spelled(value, values))
    if type(session.asn) is int:
        session.asn = str(session.asn)
    if session.country_code is not None and session.country_code not in COUNTRIES:
        session.country_code = _country(session.country_code)
    if session.isp is not None:
        session.isp = session.isp.lower()


def _viewer(viewer_id: str, arrival: Arrival) -> str | None:
    """The viewer's pseudonym; None for one who is unknown or asked not to be followed."""
    if viewer_id in NOTHING:
        return None
    if arrival.honours_dnt and any(arrival.headers.get(name) == "1" for name in NO_TRACKING):
        return None
    return pseudonym(arrival.secret, arrival.secret_version, arrival.property, viewer_id)


def _tidy(value: str) -> str | None:
    return None if value in NOTHING else without_query(value)


def _country(value: str) -> str | None:
    code = value.upper()
    return code if code in COUNTRIES else None


@lru_cache(4096)
def _spelled(value: str, values: tuple[str, ...]) -> str | None:
    """The catalog's spelling of a value; one it does not know is `other` where there is that, else unknown."""
    simple = value.strip().lower().replace(" ", "_").replace("-", "_")
    if simple in values:
        return simple
    return "other" if "other" in values and simple not in NOTHING else None


def _add_from_agent(session: Session, user_agent: str | None) -> None:
    for name, value in agent_fields(user_agent) if user_agent else ():
        if getattr(session, name) is None:
            setattr(session, name, value)
