"""Property store: all that the console and the API read and change of one property."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from qoescope.catalog.errors import Mistake
from qoescope.catalog.metrics import Ratio
from qoescope.compile import moments, pseudonyms
from qoescope.compile.ask import Between, Plan, Where
from qoescope.connect import people, records, viewer_keys
from qoescope.connect.ask import QueryResult, ask
from qoescope.serve.store.connections import LONG_S
from qoescope.serve.store.property_changes import PropertyChanges


@dataclass(frozen=True)
class PropertyStore(PropertyChanges):
    """All that the console and the API read and change of one property."""

    def ask(
        self,
        metrics: Sequence[str],
        between: Between,
        by: Sequence[str] = (),
        where: Where | None = None,
        every: str | None = None,
    ) -> QueryResult:
        """The metrics over the property's marts; identical concurrent questions are asked once."""
        filters = tuple(sorted((name, tuple(values)) for name, values in (where or {}).items()))
        answer = self.connections.answers.do(
            (self.property_id, tuple(metrics), between, tuple(by), filters, every),
            lambda: ask(self.connections.reader, self.property_id, metrics, between, by, where, every),
        )
        return replace(answer, rows=list(map(dict, answer.rows)), measures=list(map(dict, answer.measures)))

    def has(self, table: str) -> bool:
        """Whether the table exists: a part that never ran has none."""
        return self.connections.has_table(self.property_id, table)

    def rows(self, sql: str, **values: object) -> list[dict[str, Any]]:
        """The rows of a statement under one property; names in it come from the catalog."""
        return records.query(self.connections.reader, self.property_id, sql, values)

    def newest(self) -> datetime | None:
        """When the newest session started."""
        return records.newest(self.connections.reader, self.property_id)

    def hours(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """The first and the last hour of the last 90 days in which sessions started; as of the last minute."""
        return self.connections.remember(
            "hours", self.property_id, lambda: records.hours(self.connections.reader, self.property_id, now), LONG_S
        )

    def newest_window(self) -> datetime | None:
        """The start of the newest live window."""
        return records.newest_window(self.connections.reader, self.property_id)

    def withheld(self, between: Between) -> list[dict[str, Any]]:
        """Days of the range that stay out of the marts, each with the rules that it breaks."""
        return records.withheld(self.connections.reader, self.property_id, between) if self.has("checks") else []

    def values(self, name: str, between: Between, start: str = "", limit: int = 200) -> list[dict[str, Any]]:
        """A dimension's values by attempts."""
        return records.values(self.connections.reader, self.property_id, name, between, start, limit)

    def sessions(self, between: Between, where: Where, **more: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        """Sessions, newest first."""
        return records.sessions(self.connections.reader, self.property_id, between, where, **more)

    def arms(
        self,
        metrics: Sequence[Ratio],
        by: str,
        values: Sequence[str],
        between: Between,
        where: Where,
        share: float,
    ) -> list[dict[str, Any]]:
        """Moments of the metrics over viewers, one row an arm."""
        return self._planned(moments.arms(metrics, by, values, between, where, share))

    def watched(self, held: Sequence[str], between: Between, where: Where, share: float) -> list[dict[str, Any]]:
        """Plays and their minutes by bucket of each quality and by the dimensions held."""
        return self._planned(moments.watched_plays(held, between, where, share))

    def _planned(self, plan: Plan) -> list[dict[str, Any]]:
        key = f"{self.property_id} {plan.sql} {plan.parameters}"
        return self.connections.remember(
            "plan",
            key,
            lambda: records.query(self.connections.reader, self.property_id, plan.sql, plan.parameters),
            LONG_S,
        )

    def pseudonyms(self, viewer_id: str) -> tuple[str, ...]:
        """A viewer's names in our tables, by the id that their player sends; none without viewer keys."""
        try:
            keys = viewer_keys.read(self.connections.settings)
        except (Mistake, OSError):
            return ()
        return (
            () if pseudonyms.is_pseudonym(viewer_id) else pseudonyms.all_pseudonyms(keys, self.property_id, viewer_id)
        )

    def session(self, identity: str) -> dict[str, Any] | None:
        """One session's row."""
        return records.session(self.connections.reader, self.property_id, identity)

    def events(self, identity: str, started_at: datetime) -> list[dict[str, Any]]:
        """One session's events from the lake, in their order; none where there is no lake."""
        return records.events(self.connections.settings, self.property_id, identity, started_at)

    def incidents(self, between: Between, state: str = "all", limit: int = 200) -> list[dict[str, Any]]:
        """Incidents of the time, those that cost most first; none before the monitor's first run."""
        return (
            records.incidents(self.connections.reader, self.property_id, between, state, limit)
            if self.has("incidents")
            else []
        )

    def incident(self, identity: str) -> dict[str, Any] | None:
        """One incident."""
        return records.incident(self.connections.reader, self.property_id, identity) if self.has("incidents") else None

    def acknowledged(self, identity: str) -> dict[str, Any] | None:
        """Who has taken on the incident."""
        rows = self.rows("select * from acknowledgements where incident_id = %(id)s", id=identity)
        return rows[0] if rows else None

    def annotations(self, between: Between) -> list[dict[str, Any]]:
        """What people know about the time."""
        return people.annotations(self.connections.reader, self.property_id, between)

    def views(self) -> list[dict[str, Any]]:
        """The property's saved views by title."""
        return people.views(self.connections.reader, self.property_id)

    def rules(self) -> list[dict[str, Any]]:
        """The property's rules by metric."""
        return people.rules(self.connections.reader, self.property_id)
