"""Context: what a session says of itself, made fit to keep."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pycountry

from qoescope.catalog.dimensions import BY_NAME, SENT, UNKNOWN
from qoescope.ingest.agents import fields as agent_fields
from qoescope.ingest.privacy import pseudonym, without_query

COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)
CLOSED = tuple((name, BY_NAME[name].values) for name in SENT if BY_NAME[name].values)
OPEN = tuple(name for name in SENT if not BY_NAME[name].values)
FROM_AGENT = ("device_type", "os", "browser")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the door knows of a request beside its body."""

    property: str
    received_at: int
    """By the collector's clock, epoch ms."""
    secret: bytes
    """Key of the pseudonyms."""
    secret_version: int = 1
    user_agent: str | None = None
    anonymous: bool = False
    """The viewer asked not to be followed."""


def kept(session: Any, arrival: Arrival, ahead_ms: int) -> Any:
    """The session, changed in place: viewer a pseudonym, values as the catalog spells them, no query in any URL."""
    viewer = session.viewer_id
    if viewer is not None:
        known = viewer not in ("", UNKNOWN) and not arrival.anonymous
        session.viewer_id = (
            pseudonym(arrival.secret, arrival.secret_version, arrival.property, viewer) if known else None
        )
    if session.started_at is not None and session.started_at > arrival.received_at + ahead_ms:
        session.started_at = arrival.received_at
    if type(session.asn) is int:
        session.asn = str(session.asn)
    for name, values in CLOSED:
        value = getattr(session, name)
        if value is not None and value not in values:
            setattr(session, name, _spelled(value, values))
    for name in OPEN:
        value = getattr(session, name)
        if value is not None and (value in ("", UNKNOWN) or "://" in value):
            setattr(session, name, without_query(value) if "://" in value else None)
    if session.country_code is not None and session.country_code not in COUNTRIES:
        code = session.country_code.upper()
        session.country_code = code if code in COUNTRIES else None
    if session.isp is not None:
        session.isp = session.isp.lower()
    if session.browser is None and session.os is None:
        _from_agent(session, session.user_agent or arrival.user_agent)
    return session


@lru_cache(4096)
def _spelled(value: str, values: tuple[str, ...]) -> str | None:
    """The catalog's spelling of a value; one it does not know is `other` where there is that, else unknown."""
    simple = value.strip().lower().replace(" ", "_").replace("-", "_")
    if simple in values:
        return simple
    return "other" if "other" in values and simple not in ("", UNKNOWN) else None


def _from_agent(session: Any, user_agent: str | None) -> None:
    if user_agent is None:
        return
    for name, value in agent_fields(user_agent):
        if getattr(session, name) is None:
            setattr(session, name, value)
