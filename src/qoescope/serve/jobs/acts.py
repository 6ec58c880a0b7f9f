"""Acts: what people do at the desk: decisions, annotations, saved views, rules, replays."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from qoescope.catalog.people import ACKNOWLEDGEMENTS, ANNOTATIONS, VIEWS
from qoescope.catalog.watch import MUTES, RULES
from qoescope.connect import people, records
from qoescope.connect.records import Pool
from qoescope.serve.outside import Outside
from qoescope.settings import Settings


@dataclass
class Acts:
    """All that the console and the API change."""

    settings: Settings
    reader: Pool
    writer: Pool
    outside: Outside = field(default_factory=Outside)

    def decide(self, tenant: str, identity: str, state: str) -> bool:
        """Whether there was such an incident; its state is what the person decided."""
        return records.decide(self.writer, tenant, identity, state)

    def acknowledge(self, tenant: str, identity: str, who: str) -> None:
        """Notes that this person has taken on the incident."""
        row = {"property": tenant, "incident_id": identity, "made_by": who, "created_at": datetime.now(UTC)}
        people.put(self.writer, ACKNOWLEDGEMENTS, row)

    def mute(self, tenant: str, slice_: str, length: timedelta, who: str) -> None:
        """Sends nothing about this slice for so long; `slice_` is JSON."""
        now = datetime.now(UTC)
        row = {
            "property": tenant,
            "id": secrets.token_hex(8),
            "slice": slice_,
            "starts_at": now,
            "ends_at": now + length,
            "reason": f"muted in the console by {who}",
            "created_by": who,
        }
        people.put(self.writer, MUTES, row)

    def annotate(
        self, tenant: str, starts_at: datetime, text: str, who: str, ends_at: datetime | None = None
    ) -> dict[str, Any]:
        """A new annotation."""
        row = {
            "property": tenant,
            "id": secrets.token_hex(8),
            "starts_at": starts_at,
            "ends_at": ends_at,
            "text": text,
            "made_by": who,
            "created_at": datetime.now(UTC),
        }
        people.put(self.writer, ANNOTATIONS, row)
        return row

    def save_view(self, tenant: str, title: str, address: str, who: str) -> dict[str, Any]:
        """A new saved view."""
        row = {"property": tenant, "id": secrets.token_hex(8), "title": title, "address": address, "made_by": who,
               "created_at": datetime.now(UTC)}  # fmt: skip
        people.put(self.writer, VIEWS, row)
        return row

    def remove_view(self, tenant: str, identity: str) -> bool:
        """Whether there was such a view; it is gone."""
        return people.remove(self.writer, VIEWS, tenant, identity)

    def remove_annotation(self, tenant: str, identity: str) -> bool:
        """Whether there was such an annotation; it is gone."""
        return people.remove(self.writer, ANNOTATIONS, tenant, identity)

    def add_rule(self, tenant: str, rule: Mapping[str, Any]) -> None:
        """A new rule; the monitor follows it from its next look on."""
        new = {"property": tenant, "id": secrets.token_hex(8), "version": 1, "enabled": True}
        people.put(self.writer, RULES, new | dict(rule))

    def remove_rule(self, tenant: str, identity: str) -> bool:
        """Whether there was such a rule; it is gone, and the monitor closes its incidents."""
        return people.remove(self.writer, RULES, tenant, identity)

    def replay(self, tenant: str, reason: str) -> str:
        """What became of the dead letters of this reason, judged again."""
        return str(self.outside.replay(self.settings, tenant, reason))
