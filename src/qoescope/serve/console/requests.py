"""Page requests: who asks for a page, of which property, when, and what its address says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from qoescope.serve.display import words
from qoescope.serve.request import state
from qoescope.serve.request.seat import SEAT, Seat
from qoescope.serve.request.state import State


@dataclass(frozen=True, slots=True)
class Asked:
    """A page's request: who asks, of which property, when it is, and what the address says."""

    seat: Seat
    tenant: str
    now: datetime
    state: State
    path: str
    identity: str = ""
    """Of the one thing that the page is about, where it is about one."""

    @property
    def subject(self) -> str:
        """The range in words."""
        return words.period(*self.state.between)


def request(seat: Seat, path: str, query: Mapping[str, Any], now: datetime, identity: str = "") -> Asked:
    """What the address asks for."""
    pairs = [(k, v) for k, vs in query.items() for v in (vs if isinstance(vs, list) else [vs]) if v is not None]
    asked = state.from_pairs([(k, str(v)) for k, v in pairs], now)
    return Asked(seat, seat.tenant(asked.own.get("p")), now, asked, path, identity)


def asking(search: str | None, path: str) -> Asked:
    """What a callback is asked, from the page's address."""
    return request(SEAT.get(), path, parse_qs((search or "").removeprefix("?")), datetime.now(UTC))
