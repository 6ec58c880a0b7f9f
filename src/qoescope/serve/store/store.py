"""Store: all that the console and the API read and change, of one property or of none."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qoescope.catalog.people import LOGIN_S
from qoescope.connect import attempts, health, health_rows, people, readiness, schemas
from qoescope.connect.health import PartHealth
from qoescope.connect.postgres import pool
from qoescope.connect.readiness import HealthProblem
from qoescope.serve.store.connections import LONG_S, Connections
from qoescope.serve.store.outside import Outside
from qoescope.serve.store.property_store import PropertyStore
from qoescope.settings import Settings


@dataclass
class Store(Connections):
    """Accounts, logins and the health of our own parts; `of` gives what belongs to one property."""

    running_questions: dict[str, int] = field(default_factory=dict)
    """How many questions of the API are being answered, by caller; guarded by `lock`."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, property_id: str) -> PropertyStore:
        """What belongs to this property."""
        return PropertyStore(self, property_id)

    def user(self, name: str) -> dict[str, Any] | None:
        """The account of this name."""
        return self.remember("user", name, lambda: people.user(self.writer, name))

    def signed_in(self, name: str, login: str) -> dict[str, Any] | None:
        """The account of this name, if this login to it goes on; asked each time, so that an end is one everywhere."""
        return people.signed_in(self.writer, name, login)

    def token(self, prefix: str) -> dict[str, Any] | None:
        """The token of this prefix."""
        return self.remember("token", prefix, lambda: people.token(self.writer, prefix))

    def properties(self) -> list[str]:
        """All properties that have numbers."""
        return self.remember("properties", "", lambda: people.properties(self.writer))

    def part_health(self) -> list[PartHealth]:
        """What each of our own parts last told of its health."""
        if not self.has_table("", "part_health"):
            return health.read(self.settings)
        with self.reader.connection() as connection:
            return health_rows.read(self.settings, connection, time.time())

    def problems(self) -> list[HealthProblem]:
        """What is wrong with our own parts."""
        now, limits = time.time(), readiness.readiness_limits(self.settings)
        return [problem for part in self.part_health() for problem in readiness.find_problems(part, now, limits)]

    def runs(self) -> list[dict[str, Any]]:
        """Airflow's last runs, newest first."""
        return self.remember("runs", "", lambda: self.outside.runs(self.settings))

    def schemas(self) -> list[schemas.StoredTable]:
        """Every stored table beside its declaration."""
        return self.remember("schemas", "", lambda: schemas.list_stored(self.settings, self.writer), LONG_S)

    def sign_out(self, login: str) -> None:
        """Ends the login, at once and everywhere."""
        people.end_login(self.writer, login, LOGIN_S)

    def reserve_try(self, keys: Sequence[str]) -> tuple[int, int, str]:
        """Counts a try to sign in: when it was, or the seconds until one is allowed and the key that is closed."""
        return attempts.reserve(self.writer, keys)

    def withdraw_try(self, keys: Sequence[str], at: int) -> None:
        """The try of then was not made."""
        attempts.withdraw(self.writer, keys, at)

    def release_try(self, keys: Sequence[str], at: int) -> None:
        """The try of then succeeded."""
        attempts.release(self.writer, keys, at)

    def forget_tries(self) -> None:
        """Forgets tries to sign in that count no more."""
        attempts.prune(self.writer)

    def renew(self, user: Mapping[str, Any], digest: str) -> None:
        """Stores the same password under a newer digest; logins go on."""
        people.renew(self.writer, user["name"], user["digest"], digest)


def open_store(settings: Settings, outside: Outside | None = None) -> Store:
    """A store with its pools open; close them at the end."""
    return Store(settings, pool(settings, "reader", 6), pool(settings, "writer", 4), outside or Outside())
