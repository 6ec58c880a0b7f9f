"""Seat: who asks, and the desk that answers, for the length of one request."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qoescope.catalog.errors import Mistake
from qoescope.catalog.people import EVERY_PROPERTY
from qoescope.serve.auth.credentials import Person

if TYPE_CHECKING:
    from qoescope.serve.store.desk import Desk


@dataclass(frozen=True, slots=True)
class Seat:
    """One person at the desk."""

    desk: "Desk"
    person: Person

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that they see."""
        if EVERY_PROPERTY in self.person.properties:
            return tuple(self.desk.properties())
        return self.person.properties

    def tenant(self, wanted: str | None = None) -> str:
        """The property asked for, or their first. Raises `Mistake` where it is not theirs."""
        if wanted:
            if not self.person.sees(wanted):
                raise Mistake(f"the property '{wanted}' is not among yours: ask an admin for it")
            return wanted
        if not self.properties:
            raise Mistake("there is no property yet: make one with `qoescope keys new`, then send it events")
        return self.properties[0]


SEAT: ContextVar[Seat] = ContextVar("seat")
"""Set by the app for each request, and only for it."""
