"""Property changes: what people change of one property: decisions, annotations, saved views, rules, tests."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from qoescope.catalog.errors import Mistake
from qoescope.catalog.people import ACKNOWLEDGEMENTS, ANNOTATIONS, MOST_OF, VIEWS
from qoescope.catalog.schema import Table
from qoescope.catalog.watch import MUTES, NOTIFICATIONS, RULES
from qoescope.connect import people, records
from qoescope.serve.store.connections import Connections

TESTS_APART = timedelta(seconds=30)


@dataclass(frozen=True)
class PropertyChanges:
    """All that the console and the API change of one property."""

    connections: Connections
    property_id: str

    def _add(self, table: Table, row: dict[str, Any]) -> dict[str, Any]:
        most = MOST_OF[table.name]
        if not people.add(self.connections.writer, table, row, most):
            raise Mistake(f"a property has at most {most:,} {table.name}: remove some first")
        return row

    def decide(self, identity: str, state: str) -> bool:
        """Whether there was such an incident; its state is what the person decided."""
        return records.decide(self.connections.writer, self.property_id, identity, state)

    def acknowledge(self, identity: str, who: str) -> None:
        """Notes that this person has taken on the incident."""
        row = {"property": self.property_id, "incident_id": identity, "made_by": who, "created_at": datetime.now(UTC)}
        people.put(self.connections.writer, ACKNOWLEDGEMENTS, row)

    def mute(self, slice_: str, length: timedelta, who: str) -> None:
        """Sends nothing about this slice for so long; `slice_` is JSON."""
        now = datetime.now(UTC)
        row = {
            "property": self.property_id,
            "id": secrets.token_hex(8),
            "slice": slice_,
            "starts_at": now,
            "ends_at": now + length,
            "reason": f"muted in the console by {who}",
            "created_by": who,
        }
        people.put(self.connections.writer, MUTES, row)

    def annotate(self, starts_at: datetime, text: str, who: str, ends_at: datetime | None = None) -> dict[str, Any]:
        """A new annotation."""
        row = {
            "property": self.property_id,
            "id": secrets.token_hex(8),
            "starts_at": starts_at,
            "ends_at": ends_at,
            "text": text,
            "made_by": who,
            "created_at": datetime.now(UTC),
        }
        return self._add(ANNOTATIONS, row)

    def save_view(self, title: str, address: str, who: str) -> dict[str, Any]:
        """A new saved view."""
        row = {
            "property": self.property_id,
            "id": secrets.token_hex(8),
            "title": title,
            "address": address,
            "made_by": who,
            "created_at": datetime.now(UTC),
        }
        return self._add(VIEWS, row)

    def remove_view(self, identity: str) -> bool:
        """Whether there was such a view; it is gone."""
        return people.remove(self.connections.writer, VIEWS, self.property_id, identity)

    def remove_annotation(self, identity: str) -> bool:
        """Whether there was such an annotation; it is gone."""
        return people.remove(self.connections.writer, ANNOTATIONS, self.property_id, identity)

    def add_rule(self, rule: Mapping[str, Any]) -> None:
        """A new rule; the monitor follows it from its next look on."""
        new = {"property": self.property_id, "id": secrets.token_hex(8), "version": 1, "enabled": True}
        self._add(RULES, new | dict(rule))

    def remove_rule(self, identity: str) -> bool:
        """Whether there was such a rule; it is gone, and the monitor closes its incidents."""
        return people.remove(self.connections.writer, RULES, self.property_id, identity)

    def ask_test(self, who: str) -> None:
        """Asks the monitor to tell a test to every channel; once in a while, for it reaches people."""
        sql = "select count(*) as n from notifications where state = 'test' and created_at > %(since)s"
        now = datetime.now(UTC)
        if records.query(self.connections.reader, self.property_id, sql, {"since": now - TESTS_APART})[0]["n"]:
            raise Mistake("a test was sent just now: wait half a minute")
        row = {
            "property": self.property_id,
            "incident_id": f"test-{secrets.token_hex(8)}",
            "state": "test",
            "target": "*",
            "status": "pending",
            "attempts": 0,
            "next_at": now,
            "detail": None,
            "payload": json.dumps({"by": who}),
            "created_at": now,
            "sent_at": None,
        }
        people.put(self.connections.writer, NOTIFICATIONS, row)
