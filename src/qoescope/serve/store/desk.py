"""Desk: all that the console and the API read, and by its acts all that they write."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from qoescope.catalog.metrics import Ratio
from qoescope.compile import moments
from qoescope.compile.ask import Between, Plan, Where
from qoescope.connect import health, health_rows, people, readiness, records, schemas
from qoescope.connect.ask import Answer, ask
from qoescope.connect.health import PartHealth
from qoescope.connect.postgres import pool
from qoescope.connect.readiness import Problem
from qoescope.serve.store.acts import Acts
from qoescope.serve.store.outside import Outside
from qoescope.serve.store.together import Together
from qoescope.settings import Settings

T = TypeVar("T")
AWAY = records.AWAY
"""What says that the marts do not answer."""
UNASKABLE = records.UNASKABLE
"""What says that a question has a value that none can have."""
REMEMBERED_S = 10.0
"""How long an account or a list of properties is remembered: a revocation holds after it."""
LONG_S = 60.0
"""The same for what reads many sessions."""
ANSWERED_S = 2.0
"""How long an answer is given again to who asks the same: a crowd that looks at one page is one question.

The API keeps what it makes of an answer as long again; the streams take longer to bring anything new.
"""


@dataclass
class Desk(Acts):
    """All that the console and the API read and write."""

    asking: dict[str, int] = field(default_factory=dict)
    """Questions that are being answered, by who asks; guarded by `lock`."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[tuple[str, str], tuple[float, Any]] = field(default_factory=dict)
    _together: Together[Answer] = field(default_factory=lambda: Together(ANSWERED_S))
    told: Together[bytes] = field(default_factory=lambda: Together(ANSWERED_S))
    """Answers of the API as they are sent."""

    def ask(
        self,
        tenant: str,
        metrics: Sequence[str],
        between: Between,
        by: Sequence[str] = (),
        where: Where | None = None,
        every: str | None = None,
    ) -> Answer:
        """The metrics over the property's marts; asked once for all who ask the same in the same moment."""
        narrowed = tuple(sorted((name, tuple(values)) for name, values in (where or {}).items()))
        found = self._together.do(
            (tenant, tuple(metrics), between, tuple(by), narrowed, every),
            lambda: ask(self.reader, tenant, metrics, between, by, where, every),
        )
        return replace(found, rows=list(map(dict, found.rows)), measures=list(map(dict, found.measures)))

    def user(self, name: str) -> dict[str, Any] | None:
        """The account of this name."""
        return self._remembered("user", name, lambda: people.user(self.writer, name))

    def signed_in(self, name: str, login: str) -> dict[str, Any] | None:
        """The account of this name, if this login to it goes on; asked each time, so that an end is one everywhere."""
        return people.signed_in(self.writer, name, login)

    def token(self, prefix: str) -> dict[str, Any] | None:
        """The token of this prefix."""
        return self._remembered("token", prefix, lambda: people.token(self.writer, prefix))

    def properties(self) -> list[str]:
        """All properties that have numbers."""
        return self._remembered("properties", "", lambda: people.properties(self.writer))

    def has(self, tenant: str, table: str) -> bool:
        """Whether the table is there."""
        return self._remembered("table", table, lambda: records.table_exists(self.reader, tenant, table))

    def _remembered(self, kind: str, name: str, look: Callable[[], T], for_s: float = REMEMBERED_S) -> T:
        now = time.monotonic()
        found = self._known.get((kind, name))
        value: T
        if found is not None and now < found[0]:
            value = found[1]
        else:
            value = look()
            if len(self._known) > 1000:  # noqa: PLR2004
                self._known.clear()
            self._known[kind, name] = now + for_s, value
        return value

    def rows(self, tenant: str, sql: str, **values: object) -> list[dict[str, Any]]:
        """The rows of a statement under one property; names in it come from the catalog."""
        return records.query(self.reader, tenant, sql, values)

    def newest(self, tenant: str) -> datetime | None:
        """When the newest session started."""
        return records.newest(self.reader, tenant)

    def newest_window(self, tenant: str) -> datetime | None:
        """The start of the newest live window."""
        return records.newest_window(self.reader, tenant)

    def parts(self) -> list[PartHealth]:
        """What each of our own parts last told of its health."""
        if not self.has("", "part_health"):
            return health.read(self.settings)
        with self.reader.connection() as connection:
            return health_rows.read(self.settings, connection, time.time())

    def problems(self) -> list[Problem]:
        """What is wrong with our own parts."""
        now, limits = time.time(), readiness.limits(self.settings)
        return [problem for part in self.parts() for problem in readiness.find_problems(part, now, limits)]

    def withheld(self, tenant: str, between: Between) -> list[dict[str, Any]]:
        """Days of the range that stay out of the marts, each with the rules that it breaks."""
        return records.withheld(self.reader, tenant, between) if self.has(tenant, "checks") else []

    def values(
        self, tenant: str, name: str, between: Between, start: str = "", limit: int = 200
    ) -> list[dict[str, Any]]:
        """A dimension's values by attempts."""
        return records.values(self.reader, tenant, name, between, start, limit)

    def sessions(self, tenant: str, between: Between, where: Where, **more: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        """Sessions, newest first."""
        return records.sessions(self.reader, tenant, between, where, **more)

    def arms(
        self,
        tenant: str,
        metrics: Sequence[Ratio],
        by: str,
        values: Sequence[str],
        between: Between,
        where: Where,
        share: float,
    ) -> list[dict[str, Any]]:
        """Moments of the metrics over viewers, one row an arm."""
        return self._planned(tenant, moments.arms(metrics, by, values, between, where, share))

    def watched(
        self, tenant: str, held: Sequence[str], between: Between, where: Where, share: float
    ) -> list[dict[str, Any]]:
        """Plays and their minutes by bucket of each quality and by the dimensions held."""
        return self._planned(tenant, moments.watched(held, between, where, share))

    def _planned(self, tenant: str, plan: Plan) -> list[dict[str, Any]]:
        key = f"{tenant} {plan.sql} {plan.parameters}"
        return self._remembered(
            "plan", key, lambda: records.query(self.reader, tenant, plan.sql, plan.parameters), LONG_S
        )

    def session(self, tenant: str, identity: str) -> dict[str, Any] | None:
        """One session's row."""
        return records.session(self.reader, tenant, identity)

    def events(self, tenant: str, identity: str, started_at: datetime) -> list[dict[str, Any]]:
        """One session's events from the lake, in their order; none where there is no lake."""
        return records.events(self.settings, tenant, identity, started_at)

    def incidents(self, tenant: str, between: Between, state: str = "all", limit: int = 200) -> list[dict[str, Any]]:
        """Incidents of the time, those that cost most first; none before the monitor's first run."""
        return records.incidents(self.reader, tenant, between, state, limit) if self.has(tenant, "incidents") else []

    def incident(self, tenant: str, identity: str) -> dict[str, Any] | None:
        """One incident."""
        return records.incident(self.reader, tenant, identity) if self.has(tenant, "incidents") else None

    def acknowledged(self, tenant: str, identity: str) -> dict[str, Any] | None:
        """Who has taken on the incident."""
        rows = self.rows(tenant, "select * from acknowledgements where incident_id = %(id)s", id=identity)
        return rows[0] if rows else None

    def annotations(self, tenant: str, between: Between) -> list[dict[str, Any]]:
        """What people know about the time."""
        return people.annotations(self.reader, tenant, between)

    def views(self, tenant: str) -> list[dict[str, Any]]:
        """The property's saved views by title."""
        return people.views(self.reader, tenant)

    def rules(self, tenant: str) -> list[dict[str, Any]]:
        """The property's rules by metric."""
        return people.rules(self.reader, tenant)

    def runs(self) -> list[dict[str, Any]]:
        """Airflow's last runs, newest first."""
        return self._remembered("runs", "", lambda: self.outside.runs(self.settings))

    def schemas(self) -> list[schemas.Stored]:
        """Every stored table beside its declaration."""
        return self._remembered("schemas", "", lambda: schemas.stored(self.settings, self.writer), LONG_S)


def desk(settings: Settings, outside: Outside | None = None) -> Desk:
    """A desk with its pools open; close them at the end."""
    return Desk(settings, pool(settings, "reader", 6), pool(settings, "writer", 4), outside or Outside())
