"""Sending: a notification to its channel: a signed webhook, a Slack-compatible hook, a mail server."""

import json
import smtplib
from collections.abc import Mapping
from typing import Any

import httpx

from qoescope.monitor import notify
from qoescope.monitor.notify import Target
from qoescope.settings import Settings


def targets(settings: Settings) -> list[Target]:
    """Where the settings want incidents told."""
    chosen = []
    if settings.webhook_url:
        secret = settings.webhook_secret.get_secret_value()
        chosen.append(Target("webhook", "webhook", settings.webhook_url, secret))
    if settings.slack_url.get_secret_value():
        chosen.append(Target("slack", "slack", settings.slack_url.get_secret_value()))
    if settings.mail_to:
        chosen.append(Target("mail", "mail", settings.mail_to))
    return chosen


def failure(settings: Settings, target: Target, told: Mapping[str, Any], at: int) -> str:
    """Sends it; "" when it was taken, else why not. `at` (seconds) is signed with it. May block for the timeout."""
    try:
        if target.channel == "mail":
            _mailed(settings, target, told)
            return ""
        shown = notify.slack(told) if target.channel == "slack" else dict(told)
        body = json.dumps(shown, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{told['id']}.{told['state']}"}
        if target.secret:
            headers[notify.TIMESTAMP] = str(at)
            headers[notify.SIGNATURE] = notify.signature(target.secret, at, body)
        sent = httpx.stream("POST", target.to, content=body, headers=headers, timeout=settings.tell_timeout_s)
        with sent as answer:  # what follows the status is nobody's business: it may never end
            return "" if answer.is_success else f"answered {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, smtplib.SMTPException, OSError) as error:
        return f"{type(error).__name__}: {error}".split("\n", 1)[0]


def _mailed(settings: Settings, target: Target, told: Mapping[str, Any]) -> None:
    message = notify.mail(told, settings.mail_from, target.to)
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=settings.tell_timeout_s) as server:
        if settings.smtp_tls:
            server.starttls()
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        server.send_message(message)
