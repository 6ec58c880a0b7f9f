"""Messages: an incident's payload as each channel takes it; every text goes through the channel's escape in `texts`."""

import json
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from qoescope.monitor.notify import escaping

Row = Mapping[str, Any]
_COLOURS = {"critical": "#c92a2a", "warning": "#e67700", "info": "#1971c2"}
_OVER, _OTHER = "#2f9e44", "#868e96"
_URGENCY = {"critical": "critical", "warning": "warning", "info": "info"}
_LOOKS = {"critical": "attention", "warning": "warning", "info": "accent"}


def headline(payload: Row) -> str:
    """How bad it is, and whether it is over."""
    over = " — over" if payload["state"] == "closed" else ""
    return f"{str(payload['severity']).capitalize()}{over}"


def facts(payload: Row) -> list[tuple[str, str]]:
    """What stands beside the story; what is not known is left out."""
    viewers, hours = payload.get("viewers"), payload.get("lost_watch_hours")
    return [
        ("Property", str(payload["property"])),
        ("Slice", str(payload.get("slice_name") or "everyone")),
        *([("Viewers", f"{viewers:,}")] if isinstance(viewers, int) else []),
        *([("Watch hours lost", f"{hours:.1f}")] if isinstance(hours, int | float) else []),
    ]


def key(payload: Row) -> str:
    """The same for the same state of the same incident, so that a repeat is known as one; ids are a property's own."""
    return ".".join(escaping.token(payload[name]) for name in ("property", "id", "state"))


def slack(payload: Row) -> dict[str, Any]:
    """For Slack and its likes; which are not to look for links and names either."""
    text = f"*{escaping.slack(headline(payload))}*: {escaping.slack(payload['story'])}"
    colour = _OVER if payload["state"] == "closed" else _COLOURS.get(str(payload["severity"]), _OTHER)
    fields = [
        {"title": name, "value": escaping.slack(value), "short": name != "Slice"} for name, value in facts(payload)
    ]
    return {
        "text": text,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "attachments": [{"color": colour, "fields": fields, "mrkdwn_in": []}],
    }


def teams(payload: Row) -> dict[str, Any]:
    """For a Teams workflow or incoming webhook: an Adaptive Card of text runs, in which nothing is Markdown."""
    colour = "good" if payload["state"] == "closed" else _LOOKS.get(str(payload["severity"]), "default")
    lines = [_run(headline(payload), weight="bolder", size="large", color=colour), _run(payload["story"])]
    lines += [_run(f"{name}: {value}", isSubtle=True) for name, value in facts(payload)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": lines,
        "msteams": {"width": "Full"},
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _run(text: object, **more: object) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": escaping.teams(text), **more}]}


def pagerduty(payload: Row, routing_key: str) -> dict[str, Any]:
    """For PagerDuty's Events API v2: the end resolves what the start triggered."""
    about = {
        "routing_key": routing_key,
        "event_action": "resolve" if payload["state"] == "closed" else "trigger",
        "dedup_key": f"qoescope.{escaping.token(payload['property'])[:100]}.{escaping.token(payload['id'])[:100]}",
    }
    if payload["state"] == "closed":
        return about
    shown = {
        "summary": escaping.line(f"{payload['property']}: {payload['story']}", 1_024),
        "source": escaping.line(f"qoescope {payload['property']}", 255),
        "severity": _URGENCY.get(str(payload["severity"]), "error"),
        "class": escaping.line(payload.get("metrics") or "", 255),
        "group": escaping.line(payload.get("slice_name") or "everyone", 255),
        "custom_details": escaping.clean(dict(payload)),
    }
    began = {"timestamp": payload["onset_at"]} if payload.get("onset_at") else {}
    return {**about, "client": "qoescope", "payload": shown | began}


def mail(payload: Row, sender: str, to: str) -> EmailMessage:
    """As a mail; its Message-ID is the same for the same state."""
    message = EmailMessage()
    subject = f"[qoescope] {payload['severity']}: {payload.get('slice_name') or 'everyone'} ({payload['state']})"
    message["Subject"] = escaping.line(subject, 200)
    message["From"], message["To"] = sender, to
    message["Message-ID"] = f"<{key(payload)}@qoescope>"
    details = json.dumps(escaping.clean(dict(payload)), indent=2, ensure_ascii=False)
    message.set_content(f"{escaping.line(payload['story'])}\n\n{details}\n")
    return message
