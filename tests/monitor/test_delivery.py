"""What a real receiver gets: a signed body, again after each failure, and no state twice."""

import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from receivers import PATIENT_S, Receiver, http_receiver

from qoescope.monitor.notify import delivery, notifications
from qoescope.monitor.notify.notifications import Row
from qoescope.settings import Settings

NOW = datetime(2026, 1, 2, 20, 5, tzinfo=UTC)
SECRET = "of both"  # noqa: S105 - a test's
INCIDENT = {
    "id": "i1", "property": "demo", "state": "confirmed", "severity": "critical", "metrics": "start_failure_ratio",
    "slice": {"cdn": "каскад"}, "slice_name": "cdn=каскад", "opened_at": NOW, "onset_at": NOW, "last_seen_at": NOW,
    "closed_at": None, "viewers": 4812, "lost_watch_hours": 12.5, "story": "Since 20:03, …", "version": 2,
}  # fmt: skip


def signed(receiver: Receiver) -> list[bool]:
    """Whether each request carries a signature that the secret explains."""
    return [
        hmac.compare_digest(
            headers[notifications.SIGNATURE.lower()],
            "v1=" + hmac.new(SECRET.encode(), headers[notifications.TIMESTAMP.lower()].encode() + b"." + body, sha256)
            .hexdigest(),
        )
        for headers, body in receiver.got
    ]  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as kept:
        yield kept


HASTY_S = 0.5


def settings(url: str, timeout_s: float) -> Settings:
    return Settings(webhook_url=url, webhook_secret=SECRET, tell_timeout_s=timeout_s)  # type: ignore[arg-type]


def told(url: str, rounds: int, incident: dict[str, Any] = INCIDENT, timeout_s: float = PATIENT_S) -> dict[str, Any]:
    """The notification after so many rounds, each as late as the one before asked for."""
    here, now, known = settings(url, timeout_s), NOW, list[Row]()
    (target,) = delivery.targets(here)
    for _ in range(rounds):
        rows = [*known, *notifications.due([incident], known, [target], [], now)]
        assert len(rows) == 1
        known = [_sent(here, row, now) if row["status"] == "pending" and row["next_at"] <= now else row for row in rows]
        now = known[0]["next_at"] or now + timedelta(minutes=1)
    return dict(known[0])


def _sent(here: Settings, row: Row, now: datetime) -> Row:
    (target,) = delivery.targets(here)
    why = delivery.send(here, target, row["payload"], int(now.timestamp()))
    return notifications.after_failure(row, why, now) if why else {**row, "status": "sent", "next_at": None}


def test_a_state_arrives_signed_and_once(receiver: Receiver) -> None:
    assert told(receiver.url, rounds=3)["status"] == "sent"
    assert signed(receiver) == [True]
    (headers, body) = receiver.got[0]
    assert headers["idempotency-key"] == "demo.i1.confirmed"
    assert '"cdn": "каскад"'.encode() in body


def test_a_changed_body_does_not_fit_its_signature(receiver: Receiver) -> None:
    told(receiver.url, rounds=1)
    headers, body = receiver.got[0]
    receiver.got = [(headers, body.replace(b"4812", b"4813"))]
    assert signed(receiver) == [False]


def test_a_receiver_that_fails_is_told_again_with_the_same_key(receiver: Receiver) -> None:
    receiver.answers = [500, 503]
    assert told(receiver.url, rounds=5)["status"] == "sent"
    assert signed(receiver) == [True] * 3
    assert {headers["idempotency-key"] for headers, _ in receiver.got} == {"demo.i1.confirmed"}


def test_a_slow_receiver_counts_as_failed_and_holds_nobody_up(receiver: Receiver) -> None:
    receiver.answers = [0]
    row = told(receiver.url, rounds=1, timeout_s=HASTY_S)
    assert (row["status"], row["attempts"]) == ("pending", 1)
    assert row["detail"].startswith("ReadTimeout")
    assert row["next_at"] - NOW == timedelta(seconds=5)


def test_a_receiver_that_took_it_and_never_ends_its_answer_is_not_told_again(receiver: Receiver) -> None:
    receiver.body_bytes = 10
    assert told(receiver.url, rounds=3)["status"] == "sent"
    assert len(receiver.got) == 1


def test_a_receiver_that_is_gone_is_given_up_after_eight_tries_and_the_reason_is_kept(receiver: Receiver) -> None:
    nowhere = receiver.url.replace("http://127.0.0.1:", "http://127.0.0.1:1/?")
    row = told(nowhere, rounds=10)
    assert (row["status"], row["attempts"], row["next_at"]) == ("dead", 8, None)
    assert row["detail"].startswith("ConnectError")
    assert receiver.got == []
