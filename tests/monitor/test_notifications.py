"""What is told, how often, signed by whom, and what becomes of what did not arrive."""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from qoescope.monitor.notify import messages, notifications
from qoescope.monitor.notify.notifications import Mute, Target

NOW = datetime(2026, 1, 2, 20, 5, tzinfo=UTC)
HOOK = Target("webhook", "webhook", "https://example.org/hook", "secret")


def incident(state: str = "confirmed", identity: str = "i1", **more: Any) -> dict[str, Any]:
    return {
        "id": identity, "property": "demo", "state": state, "severity": "critical", "metrics": "start_failure_ratio",
        "slice": {"cdn": "cascade"}, "slice_name": "cdn=cascade", "opened_at": NOW, "onset_at": NOW,
        "last_seen_at": NOW,
        "closed_at": None, "viewers": 4812, "lost_watch_hours": 12.5, "story": "Since 20:03, …", "version": 2, **more,
    }  # fmt: skip


def told(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(r["state"], r["status"]) for r in rows]


def test_a_state_is_told_once() -> None:
    first = notifications.due([incident()], [], [HOOK], [], NOW)
    assert told(first) == [("confirmed", "pending")]
    assert notifications.due([incident()], first, [HOOK], [], NOW + timedelta(minutes=1)) == []


def test_provisional_incidents_are_not_told() -> None:
    assert notifications.due([incident("provisional")], [], [HOOK], [], NOW) == []


def test_the_end_is_told_where_the_start_was() -> None:
    start = notifications.due([incident()], [], [HOOK], [], NOW)
    assert told(notifications.due([incident("closed")], start, [HOOK], [], NOW)) == [("closed", "pending")]
    assert told(notifications.due([incident("closed")], [], [HOOK], [], NOW)) == [("closed", "suppressed")]


def test_the_same_slice_is_suppressed_for_an_hour() -> None:
    start = notifications.due([incident()], [], [HOOK], [], NOW)
    again = incident(identity="i2")
    assert told(notifications.due([again], start, [HOOK], [], NOW + timedelta(minutes=59))) == [
        ("confirmed", "suppressed")
    ]
    assert told(notifications.due([again], start, [HOOK], [], NOW + timedelta(minutes=61))) == [
        ("confirmed", "pending")
    ]


def test_what_is_told_and_muted_of_one_property_says_nothing_of_another_s() -> None:
    mute = Mute("demo", {}, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    start = notifications.due([incident()], [], [HOOK], [], NOW)
    other = incident(property="other")
    assert told(notifications.due([other], start, [HOOK], [mute], NOW)) == [("confirmed", "pending")]
    assert told(notifications.due([incident(), other], [], [HOOK], [], NOW)) == [("confirmed", "pending")] * 2


def test_a_maintenance_mutes_what_lies_inside_its_slice() -> None:
    mute = Mute("demo", {"cdn": "cascade"}, NOW - timedelta(hours=1), NOW + timedelta(hours=1), "certificate")
    inside = incident(slice={"cdn": "cascade", "country_code": "BR"})
    outside = incident(slice={"cdn": "borealis"})
    assert told(notifications.due([inside], [], [HOOK], [mute], NOW)) == [("confirmed", "muted")]
    assert told(notifications.due([outside], [], [HOOK], [mute], NOW)) == [("confirmed", "pending")]


def test_failures_are_tried_again_later_each_time_and_then_given_up_and_shown() -> None:
    (row,) = notifications.due([incident()], [], [HOOK], [], NOW)
    waits = []
    while row["status"] == "pending":
        row = notifications.after_failure(row, "answered 503", NOW)
        waits.append(row["next_at"] and (row["next_at"] - NOW).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 320, None]
    assert (row["status"], row["attempts"], row["detail"]) == ("dead", 8, "answered 503")


def test_a_signature_covers_the_time_and_the_body() -> None:
    signed = notifications.signature("secret", 1767384300, b'{"a":1}')
    assert signed == "v1=" + hmac.new(b"secret", b'1767384300.{"a":1}', sha256).hexdigest()
    assert signed != notifications.signature("secret", 1767384301, b'{"a":1}')


def test_slack_and_mail_carry_the_story() -> None:
    payload = notifications.payload(incident())
    assert "Since 20:03" in messages.slack(payload)["text"]
    message = messages.mail(payload, "from@example.org", "to@example.org")
    assert message["Subject"] == "[qoescope] critical: cdn=cascade (confirmed)"
    assert message["Message-ID"] == "<demo.i1.confirmed@qoescope>"
