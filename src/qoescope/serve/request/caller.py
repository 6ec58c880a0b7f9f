"""Caller: who makes a request, and the store that answers it, for the length of the request."""

from contextvars import ContextVar
from dataclasses import dataclass

from qoescope.catalog.errors import Mistake
from qoescope.catalog.people import EVERY_PROPERTY
from qoescope.serve.auth.credentials import Person
from qoescope.serve.store.store import Store


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, or a program with a token, and the store."""

    store: Store
    person: Person

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that they see."""
        if EVERY_PROPERTY in self.person.properties:
            return tuple(self.store.properties())
        return self.person.properties

    def property_id(self, wanted: str | None = None) -> str:
        """The wanted property, or their first. Raises `Mistake` where it is not theirs."""
        if wanted:
            if not self.person.sees(wanted):
                raise Mistake(f"the property '{wanted}' is not one of yours; ask an admin for access")
            return wanted
        if not self.properties:
            raise Mistake("no property yet; create one with `qoescope keys new` and send it events")
        return self.properties[0]


CALLER: ContextVar[Caller] = ContextVar("caller")
"""Set by the gate for each request, and only for it."""
