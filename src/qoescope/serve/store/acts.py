"""Acts: what people do at the desk: decisions, annotations, saved views, rules, replays."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from qoescope.catalog.errors import Mistake
from qoescope.catalog.people import ACKNOWLEDGEMENTS, ANNOTATIONS, LOGIN_S, MOST_OF, VIEWS
from qoescope.catalog.schema import Table
from qoescope.catalog.watch import MUTES, NOTIFICATIONS, RULES
from qoescope.connect import attempts, people, records
from qoescope.connect.records import Pool
from qoescope.serve.store.outside import Outside
from qoescope.settings import Settings

TESTS_APART = timedelta(seconds=30)


@dataclass
class Acts:
    """All that the console and the API change."""

    settings: Settings
    reader: Pool
    writer: Pool
    outside: Outside = field(default_factory=Outside)

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

    def _add(self, table: Table, row: dict[str, Any]) -> dict[str, Any]:
        most = MOST_OF[table.name]
        if not people.add(self.writer, table, row, most):
            raise Mistake(f"a property has at most {most:,} {table.name}: remove some first")
        return row

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
        return self._add(ANNOTATIONS, row)

    def save_view(self, tenant: str, title: str, address: str, who: str) -> dict[str, Any]:
        """A new saved view."""
        row = {"property": tenant, "id": secrets.token_hex(8), "title": title, "address": address, "made_by": who,
               "created_at": datetime.now(UTC)}  # fmt: skip
        return self._add(VIEWS, row)

    def remove_view(self, tenant: str, identity: str) -> bool:
        """Whether there was such a view; it is gone."""
        return people.remove(self.writer, VIEWS, tenant, identity)

    def remove_annotation(self, tenant: str, identity: str) -> bool:
        """Whether there was such an annotation; it is gone."""
        return people.remove(self.writer, ANNOTATIONS, tenant, identity)

    def add_rule(self, tenant: str, rule: Mapping[str, Any]) -> None:
        """A new rule; the monitor follows it from its next look on."""
        new = {"property": tenant, "id": secrets.token_hex(8), "version": 1, "enabled": True}
        self._add(RULES, new | dict(rule))

    def remove_rule(self, tenant: str, identity: str) -> bool:
        """Whether there was such a rule; it is gone, and the monitor closes its incidents."""
        return people.remove(self.writer, RULES, tenant, identity)

    def ask_test(self, tenant: str, who: str) -> None:
        """Asks the monitor to tell a test to every channel; once in a while, for it reaches people."""
        sql = "select count(*) as n from notifications where state = 'test' and created_at > %(since)s"
        now = datetime.now(UTC)
        if records.query(self.reader, tenant, sql, {"since": now - TESTS_APART})[0]["n"]:
            raise Mistake("a test was sent just now: wait half a minute")
        row = {"property": tenant, "incident_id": f"test-{secrets.token_hex(8)}", "state": "test", "target": "*",
               "status": "pending", "attempts": 0, "next_at": now, "detail": None, "payload": json.dumps({"by": who}),
               "created_at": now, "sent_at": None}  # fmt: skip
        people.put(self.writer, NOTIFICATIONS, row)
