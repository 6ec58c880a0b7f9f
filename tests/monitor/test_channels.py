"""What a name from anywhere does in each channel: it arrives as text, and neither breaks a message nor speaks in it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from pydantic import SecretStr
from receivers import Mails, Receiver, http_receiver, mail_receiver

from qoescope.monitor.notify import delivery, escaping, messages, notifications
from qoescope.monitor.notify.notifications import Target
from qoescope.settings import Settings

NOW = datetime(2026, 1, 2, 20, 5, tzinfo=UTC)
CHANNELS = ("webhook", "slack", "teams", "pagerduty", "mail")
SPOKEN = ("\r\nBcc: all@example.org", "\u2028", "\x00", "\ud800", "<!channel>", "<@U123>", "@channel", "@here", "&lt;",
          "<https://evil.example|click>", "https://evil.example", "[click](https://evil.example)", "*loud*", "`x`",
          "{{DATE(2026-01-01T00:00:00Z)}}", "<at>everyone</at>", "\u202egnp", "\x85")  # fmt: skip
NAMES = st.lists(st.sampled_from(SPOKEN) | st.text(st.characters(exclude_categories=()), max_size=8), max_size=5).map(
    "".join
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with http_receiver() as kept:
        yield kept


@pytest.fixture(scope="module")
def mails() -> Iterator[Mails]:
    with mail_receiver() as kept:
        yield kept


@pytest.fixture(scope="module")
def here(receiver: Receiver, mails: Mails) -> Settings:
    """Every channel, each to a receiver of the test's own."""
    url = receiver.url
    return Settings(
        webhook_url=f"{url}/webhook",
        slack_url=SecretStr(f"{url}/slack"),
        teams_url=SecretStr(f"{url}/teams"),
        pagerduty_key=SecretStr("routing"),
        pagerduty_url=f"{url}/pagerduty",
        mail_to="ops@example.org",
        smtp_port=mails.port,
    )


def incident(name: str, state: str = "confirmed", identity: str = "i1", property_id: str = "demo") -> dict[str, Any]:
    return {
        "id": identity, "property": property_id, "state": state, "severity": "critical",
        "metrics": "start_failure_ratio",
        "slice": {"app_version": name}, "slice_name": f"app_version={name}", "opened_at": NOW, "onset_at": NOW,
        "last_seen_at": NOW, "closed_at": None, "viewers": 4812, "lost_watch_hours": 12.5, "version": 2,
        "story": f"Since 20:03, 31 % of plays with {name} fail", "actual": 0.3, "expected": 0.02, "lift": 15.0,
        "excess": 240.0, "affected_sessions": 5774,
    }  # fmt: skip


def channel(here: Settings, name: str) -> Target:
    (target,) = [t for t in delivery.targets(here) if t.name == name]
    return target


def posted(receiver: Receiver) -> Any:
    return json.loads(receiver.got[-1][1])


def lines(message: Any) -> Iterator[str]:
    """Every text in it, keys too."""
    match message:
        case str():
            yield message
        case dict():
            for key, value in message.items():
                yield from (key, *lines(value))
        case list():
            for value in message:
                yield from lines(value)


@pytest.mark.parametrize("name", CHANNELS)
@budget(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(version=NAMES)
def test_a_notification_of_any_name_arrives(
    here: Settings, receiver: Receiver, mails: Mails, name: str, version: str
) -> None:
    told = notifications.payload(incident(version))
    before = len(receiver.got) + len(mails.got)
    assert delivery.send(here, channel(here, name), told, 0) == ""
    assert len(receiver.got) + len(mails.got) == before + 1
    if name == "mail":
        assert mails.got[-1]["Bcc"] is None
        assert mails.got[-1]["To"] == "ops@example.org"
        assert escaping.line(version, 20)[:10].strip() in mails.got[-1].get_content()
    else:
        assert not [
            text for text in lines(posted(receiver)) if text != escaping.line(text) and name in ("webhook", "pagerduty")
        ]


@budget(max_examples=300)
@given(NAMES)
def test_no_name_speaks_in_slack(name: str) -> None:
    said = json.dumps(messages.slack(notifications.payload(incident(name))), ensure_ascii=False)
    assert "<" not in said
    assert ">" not in said
    assert not re.search(r"@\w|://|www\.\w|&(?!amp;|lt;|gt;)", said)


@budget(max_examples=300)
@given(NAMES)
def test_no_name_speaks_in_teams(name: str) -> None:
    (card,) = messages.teams(notifications.payload(incident(name)))["attachments"]
    blocks = card["content"]["body"]
    assert {block["type"] for block in blocks} == {"RichTextBlock"}
    runs = [run for block in blocks for run in block["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert not [run for run in runs if "{{" in run["text"] or "://" in run["text"]]


def test_pagerduty_is_triggered_once_an_incident_and_resolved_by_its_end(here: Settings, receiver: Receiver) -> None:
    target = channel(here, "pagerduty")
    for state in ("confirmed", "closed"):
        assert delivery.send(here, target, notifications.payload(incident("v1", state)), 0) == ""
    begin, end = (json.loads(body) for _, body in receiver.got[-2:])
    assert (begin["event_action"], end["event_action"]) == ("trigger", "resolve")
    assert begin["dedup_key"] == end["dedup_key"]
    assert begin["routing_key"] == "routing"
    assert begin["payload"]["severity"] == "critical"
    assert begin["payload"]["summary"].startswith("demo: Since 20:03")
    other = notifications.payload(incident("v1", property_id="other"))
    assert messages.pagerduty(other, "routing")["dedup_key"] != begin["dedup_key"]


def test_teams_gets_an_adaptive_card(here: Settings, receiver: Receiver) -> None:
    assert delivery.send(here, channel(here, "teams"), notifications.payload(incident("v1")), 0) == ""
    (attachment,) = posted(receiver)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    shown = [run["text"] for block in attachment["content"]["body"] for run in block["inlines"]]
    assert shown == [
        "Critical", "Since 20:03, 31 % of plays with v1 fail", "Property: demo", "Slice: app_version=v1",
        "Viewers: 4,812", "Watch hours lost: 12.5",
    ]  # fmt: skip


def due(*incidents: dict[str, Any], here: Settings) -> list[dict[str, Any]]:
    return notifications.due(incidents, [], delivery.targets(here), [], NOW)


def outcomes(here: Settings, rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], str]:
    known = {t.name: t for t in delivery.targets(here)}
    return {
        (row["property"], row["incident_id"], row["target"]): why
        for row, why in delivery.send_all(here, rows, known, 0)
    }


def test_one_that_cannot_be_made_stands_in_no_other_s_way(here: Settings, caplog: pytest.LogCaptureFixture) -> None:
    rows = due(incident("v1", identity="bad"), incident("v2", identity="good", property_id="other"), here=here)
    for row in rows:
        if row["incident_id"] == "bad":
            del row["payload"]["story"], row["payload"]["id"]  # as an older version may have left it
    found = outcomes(here, rows)
    assert len(found) == 10
    bad = {target: why for (_, identity, target), why in found.items() if identity == "bad"}
    assert {why for (_, identity, _), why in found.items() if identity == "good"} == {""}
    assert all(why.startswith("could not be made: KeyError") for why in bad.values())
    assert "could not be made" in caplog.text


def test_a_channel_that_hangs_holds_up_no_other_and_gives_up_its_turn(here: Settings, receiver: Receiver) -> None:
    with http_receiver() as hanging:
        hanging.answers = [0] * 10
        slow = here.model_copy(update={"webhook_url": hanging.url, "tell_timeout_s": 1.5})
        rows = due(*(incident(f"v{n}", identity=f"i{n}") for n in range(6)), here=slow)
        found = outcomes(slow, rows)
    tried = [why for (_, _, target), why in found.items() if target == "webhook"]
    assert len(tried) == delivery.ROUND_TIMEOUTS
    assert all(why.startswith("ReadTimeout") for why in tried)
    assert sum(why == "" for why in found.values()) == 4 * 6


def test_a_test_tells_every_channel_and_resolves_what_it_triggers(here: Settings, receiver: Receiver) -> None:
    asked = {"property": "demo", "incident_id": "test-1", "state": "test", "target": "*", "status": "pending",
             "attempts": 0, "next_at": NOW, "detail": None, "payload": {"by": "ada"}, "created_at": NOW,
             "sent_at": None}  # fmt: skip
    *rows, answer = notifications.tests(asked, delivery.targets(here), NOW)
    assert (answer["status"], answer["detail"]) == ("sent", "to webhook, slack, teams, pagerduty, mail")
    before = len(receiver.got)
    assert set(outcomes(here, rows).values()) == {""}
    bodies = [json.loads(body) for _, body in receiver.got[before:]]
    assert sorted(b["event_action"] for b in bodies if "event_action" in b) == ["resolve", "trigger"]
    assert any("requested by ada" in json.dumps(b) for b in bodies)


def test_a_test_is_tried_once_and_one_without_a_channel_says_so(here: Settings) -> None:
    asked = {"property": "demo", "incident_id": "test-1", "state": "test", "target": "*", "payload": {}}
    (answer,) = notifications.tests(asked, [], NOW)
    assert (answer["status"], answer["detail"]) == ("dead", notifications.NOWHERE)
    row, *_ = notifications.tests(asked, delivery.targets(here), NOW)
    assert notifications.after_failure(row, "answered 500", NOW)["status"] == "dead"


def test_why_it_failed_tells_no_secret(here: Settings) -> None:
    hook = Target("slack", "slack", "http://127.0.0.1:1/services/T0/B0/secret\n")
    why = delivery.send(here, hook, notifications.payload(incident("v1")), 0)
    assert why
    assert "secret" not in why
