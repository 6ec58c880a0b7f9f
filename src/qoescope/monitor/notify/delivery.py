"""Delivery: a notification to its channel: a signed webhook, Slack, Teams, PagerDuty, mail; channels side by side.

A notification that cannot be made or sent is that one's failure, whatever went wrong with it: no other waits for it.
"""

import json
import logging
import smtplib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import httpx

from qoescope.monitor.notify import messages, notifications
from qoescope.monitor.notify.notifications import Target
from qoescope.settings import Settings

log = logging.getLogger("qoescope.monitor")
Row = Mapping[str, Any]
ROUND_TIMEOUTS = 2
"""Time-outs of one channel after which its other notifications wait for the next round."""


def targets(settings: Settings) -> list[Target]:
    """The channels that the settings name."""
    chosen = []
    if settings.webhook_url:
        secret = settings.webhook_secret.get_secret_value()
        chosen.append(Target("webhook", "webhook", settings.webhook_url, secret))
    if settings.slack_url.get_secret_value():
        chosen.append(Target("slack", "slack", settings.slack_url.get_secret_value()))
    if settings.teams_url.get_secret_value():
        chosen.append(Target("teams", "teams", settings.teams_url.get_secret_value()))
    if settings.pagerduty_key.get_secret_value():
        key = settings.pagerduty_key.get_secret_value()
        chosen.append(Target("pagerduty", "pagerduty", settings.pagerduty_url, key))
    if settings.mail_to:
        chosen.append(Target("mail", "mail", settings.mail_to))
    return chosen


def send_all(settings: Settings, due: Sequence[Row], known: Mapping[str, Target], at: int) -> Iterator[tuple[Row, str]]:
    """Each notification with "" or why it failed, as they end; those of one channel one after the other.

    A channel that does not answer in time gives up its turn: what it leaves over is not among the answers.
    """
    waiting: defaultdict[str, list[Row]] = defaultdict(list)
    for row in due:
        waiting[row["target"]].append(row)
    done: SimpleQueue[tuple[Row, str] | None] = SimpleQueue()

    def send_one_by_one(target: Target, rows: Sequence[Row]) -> None:
        silences = 0
        for row in rows:
            why = send(settings, target, row["payload"], at)
            done.put((row, why))
            silences += "Timeout" in why.partition(":")[0]
            if silences == ROUND_TIMEOUTS:
                break
        done.put(None)

    with ThreadPoolExecutor(max(len(waiting), 1), thread_name_prefix="notify") as channels:
        for name, rows in waiting.items():
            channels.submit(send_one_by_one, known[name], rows)
        for _ in waiting:
            yield from iter(done.get, None)


def send(settings: Settings, target: Target, payload: Mapping[str, Any], at: int) -> str:
    """Sends the payload; returns "" when it was accepted, else why not.

    `at`, in seconds, is signed with it. It blocks for the timeout at most.
    """
    try:
        if target.channel == "mail":
            _mail(settings, target, payload)
            return ""
        return next(
            (why for body in _bodies(target, payload) if (why := _post(settings, target, payload, body, at))), ""
        )
    except (httpx.HTTPError, httpx.InvalidURL, smtplib.SMTPException, OSError) as error:
        return _without_secrets(f"{type(error).__name__}: {error}".split("\n", 1)[0], target)
    except Exception as error:
        log.exception("a notification to %s could not be made", target.name)
        return _without_secrets(f"could not be made: {type(error).__name__}: {error}".split("\n", 1)[0], target)


def _bodies(target: Target, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is posted; a test of PagerDuty is also resolved, so that nobody is paged for long."""
    match target.channel:
        case "slack":
            return [messages.slack(payload)]
        case "teams":
            return [messages.teams(payload)]
        case "pagerduty":
            states = (notifications.TEST, "closed") if payload["state"] == notifications.TEST else (payload["state"],)
            return [messages.pagerduty({**payload, "state": state}, target.secret) for state in states]
        case _:
            return [dict(payload)]


def _post(settings: Settings, target: Target, payload: Mapping[str, Any], body: dict[str, Any], at: int) -> str:
    content = json.dumps(body, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": messages.key(payload)}
    if target.channel == "webhook" and target.secret:
        headers[notifications.TIMESTAMP] = str(at)
        headers[notifications.SIGNATURE] = notifications.signature(target.secret, at, content)
    sent = httpx.stream("POST", target.to, content=content, headers=headers, timeout=settings.tell_timeout_s)
    with sent as response:  # the body is left unread: it may never end
        return "" if response.is_success else f"answered {response.status_code}"


def _without_secrets(why: str, target: Target) -> str:
    for secret in (target.secret, target.to if target.channel in ("slack", "teams") else ""):
        why = why.replace(secret, "…") if secret else why
    return why


def _mail(settings: Settings, target: Target, payload: Mapping[str, Any]) -> None:
    message = messages.mail(payload, settings.mail_from, target.to)
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=settings.tell_timeout_s) as server:
        if settings.smtp_tls:
            server.starttls()
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        server.send_message(message)
