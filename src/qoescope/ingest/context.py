"""A session's context: what its player says of it, brought to the catalog's spelling and freed of personal data."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

import msgspec
import pycountry

from qoescope.catalog.dimensions import DIMENSION_BY_NAME, SENT, UNKNOWN
from qoescope.catalog.errors import UnknownName
from qoescope.compile.agents import device_fields
from qoescope.compile.pseudonyms import is_unknown, pseudonym
from qoescope.compile.texts import tidy_text
from qoescope.compile.wire import Session
from qoescope.ingest.clocks import Clocks
from qoescope.ingest.privacy import NO_TRACKING, without_query

COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)
CLOSED_VALUES = tuple((name, DIMENSION_BY_NAME[name].values) for name in SENT if DIMENSION_BY_NAME[name].values)
OPEN_DIMENSIONS = tuple(name for name in SENT if not DIMENSION_BY_NAME[name].values)
EDGE_DIMENSIONS = ("country_code", "region", "isp", "asn", "cdn", "cdn_pop")
"""Dimensions that a CDN or proxy in front of the collector may set by a header."""
EMPTY_VALUES = frozenset(("", UNKNOWN))
"""Texts that mean that nothing is known."""


class HeaderLookup(Protocol):
    """A request's headers; names are in lower case."""

    def get(self, name: str) -> str | None:
        """The header's value, or None."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """What is known of a request beside its body."""

    property: str
    received_at: int
    """By the collector's clock, epoch ms."""
    secret: bytes
    """Key of the pseudonyms."""
    headers: HeaderLookup
    secret_version: int = 1
    honours_dnt: bool = True
    edge: tuple[tuple[str, str], ...] = ()
    """(dimension, header in lower case) that the proxy in front of the collector sets."""
    clocks: Clocks | None = None
    """Offsets of devices' clocks, by session."""
    first_at: int | None = None
    """Of a replayed letter: when it first arrived."""
    timeless: bool = False
    """Whether the beacon comes from a file: no arrival time is known, and its own times are kept."""


def parse_edge_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """(dimension, header) pairs for `Arrival`; raises `UnknownName` for a dimension no edge can know."""
    for name in headers:
        if name not in EDGE_DIMENSIONS:
            raise UnknownName("dimension of the edge", name, EDGE_DIMENSIONS)
    return tuple((name, header.lower()) for name, header in headers.items())


def tidy_session(session: Session, arrival: Arrival, ahead_ms: int, urls: bool = True) -> Session:
    """The session, changed in place: viewer pseudonymised, values in the catalog's spelling, URLs without query.

    `urls` is false when the body is known to hold no URL.
    """
    if session.viewer_id is not None:
        session.viewer_id = _pseudonym_of(session.viewer_id, arrival)
    if session.started_at is not None:
        ahead = session.started_at > arrival.received_at + ahead_ms
        session.started_at = arrival.received_at if ahead else session.started_at
    for name, header in arrival.edge:
        if getattr(session, name) is None:
            setattr(session, name, tidy_text(arrival.headers.get(header) or "") or None)
    _spell_values(session)
    if urls or not EMPTY_VALUES.isdisjoint(msgspec.structs.astuple(session)):
        for name in OPEN_DIMENSIONS:
            value = getattr(session, name)
            if value is not None:
                setattr(session, name, _tidy_text(value))
    if session.browser is None and session.os is None:
        _add_from_agent(session, session.user_agent or arrival.headers.get("user-agent"))
    return session


def _spell_values(session: Session) -> None:
    """Brings closed values, country and provider to the catalog's spelling."""
    for name, values in CLOSED_VALUES:
        value = getattr(session, name)
        if value is not None and value not in values:
            setattr(session, name, _spell_value(value, values))
    if type(session.asn) is int:
        session.asn = str(session.asn)
    if session.country_code is not None and session.country_code not in COUNTRIES:
        session.country_code = _country_code(session.country_code)
    if session.isp is not None:
        session.isp = session.isp.lower()


def _pseudonym_of(viewer_id: str, arrival: Arrival) -> str | None:
    """The viewer's pseudonym; None for an unknown one, or one who asked not to be tracked."""
    if is_unknown(viewer_id):
        return None
    if arrival.honours_dnt and any(arrival.headers.get(name) == "1" for name in NO_TRACKING):
        return None
    return pseudonym(arrival.secret, arrival.secret_version, arrival.property, viewer_id)


def _tidy_text(value: str) -> str | None:
    return None if value in EMPTY_VALUES else without_query(value)


def _country_code(value: str) -> str | None:
    code = value.upper()
    return code if code in COUNTRIES else None


@lru_cache(4096)
def _spell_value(value: str, values: tuple[str, ...]) -> str | None:
    """The catalog's spelling of a value; an unknown one is `other` where the dimension has that, else None."""
    simple = value.strip().lower().replace(" ", "_").replace("-", "_")
    if simple in values:
        return simple
    return "other" if "other" in values and simple not in EMPTY_VALUES else None


def _add_from_agent(session: Session, user_agent: str | None) -> None:
    for name, value in device_fields(user_agent) if user_agent else ():
        if getattr(session, name) is None:
            setattr(session, name, value)
