"""Requests of pages: who asks, about which property, when, and what the address says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from qoescope.compile.ask import Between, Where
from qoescope.connect.ask import QueryResult
from qoescope.serve.display import words
from qoescope.serve.request import state
from qoescope.serve.request.caller import CALLER, Caller
from qoescope.serve.request.state import PageState
from qoescope.serve.store.connections import AWAY
from qoescope.serve.store.property_store import PropertyStore


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request of a page: who asks, about which property, what time it is, and what the address says."""

    caller: Caller
    property_id: str
    now: datetime
    state: PageState
    path: str
    identity: str = ""
    """Of the one thing that the page is about, where it is about one."""

    @property
    def subject(self) -> str:
        """The range in words."""
        return words.period(*self.state.between)

    @property
    def store(self) -> PropertyStore:
        """What the console reads and changes of the property."""
        return self.caller.store.of(self.property_id)

    def may(self, role: str) -> bool:
        """Whether the caller has this role or a higher one."""
        return self.caller.person.may(role)

    def ask(
        self,
        metrics: Sequence[str],
        by: Sequence[str] = (),
        every: str | None = None,
        *,
        between: Between | None = None,
        where: Where | None = None,
    ) -> QueryResult:
        """The metrics, of the address' range and filters unless others are given."""
        within = self.state.between if between is None else between
        return self.store.ask(metrics, within, by, self.state.where if where is None else where, every)


def page_request(caller: Caller, path: str, query: Mapping[str, Any], now: datetime, identity: str = "") -> PageRequest:
    """The request that the address makes."""
    pairs = [(k, v) for k, vs in query.items() for v in (vs if isinstance(vs, list) else [vs]) if v is not None]
    texts = [(k, str(v)) for k, v in pairs]
    names_range = any(key in ("t", "from", "to") for key, _ in texts)
    property_id = caller.property_id(dict(texts).get("p"))
    default = state.DEFAULT if names_range else _default_range(caller.store.of(property_id), now)
    return PageRequest(caller, property_id, now, state.from_pairs(texts, now, default), path, identity)


def _default_range(store: PropertyStore, now: datetime) -> str:
    try:
        return state.default_range(*store.hours(now), now)
    except AWAY:  # the page's own questions will say so
        return state.DEFAULT


def callback_request(search: str | None, path: str) -> PageRequest:
    """The request that a callback answers, from the page's address."""
    return page_request(CALLER.get(), path, parse_qs((search or "").removeprefix("?")), datetime.now(UTC))
