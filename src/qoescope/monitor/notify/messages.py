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


def headline(told: Row) -> str:
    """How bad it is, and whether it is over."""
    over = " — over" if told["state"] == "closed" else ""
    return f"{str(told['severity']).capitalize()}{over}"


def facts(told: Row) -> list[tuple[str, str]]:
    """What stands beside the story; what is not known is left out."""
    viewers, hours = told.get("viewers"), told.get("lost_watch_hours")
    return [
        ("Property", str(told["property"])),
        ("Slice", str(told.get("slice_name") or "everyone")),
        *([("Viewers", f"{viewers:,}")] if isinstance(viewers, int) else []),
        *([("Watch hours lost", f"{hours:.1f}")] if isinstance(hours, int | float) else []),
    ]


def key(told: Row) -> str:
    """The same for the same state of the same incident, so that a repeat is known as one; ids are a property's own."""
    return ".".join(escaping.token(told[name]) for name in ("property", "id", "state"))


def slack(told: Row) -> dict[str, Any]:
    """For Slack and its likes; they are told not to look for links and names either."""
    text = f"*{escaping.slack(headline(told))}*: {escaping.slack(told['story'])}"
    colour = _OVER if told["state"] == "closed" else _COLOURS.get(str(told["severity"]), _OTHER)
    fields = [{"title": name, "value": escaping.slack(value), "short": name != "Slice"} for name, value in facts(told)]
    return {
        "text": text, "parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False,
        "attachments": [{"color": colour, "fields": fields, "mrkdwn_in": []}],
    }  # fmt: skip


def teams(told: Row) -> dict[str, Any]:
    """For a Teams workflow or incoming webhook: an Adaptive Card of text runs, in which nothing is Markdown."""
    colour = "good" if told["state"] == "closed" else _LOOKS.get(str(told["severity"]), "default")
    lines = [_run(headline(told), weight="bolder", size="large", color=colour), _run(told["story"])]
    lines += [_run(f"{name}: {value}", isSubtle=True) for name, value in facts(told)]
    card = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
            "body": lines, "msteams": {"width": "Full"}}  # fmt: skip
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _run(text: object, **more: object) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": escaping.teams(text), **more}]}


def pagerduty(told: Row, routing_key: str) -> dict[str, Any]:
    """For PagerDuty's Events API v2: the end resolves what the start triggered."""
    about = {
        "routing_key": routing_key,
        "event_action": "resolve" if told["state"] == "closed" else "trigger",
        "dedup_key": f"qoescope.{escaping.token(told['property'])[:100]}.{escaping.token(told['id'])[:100]}",
    }
    if told["state"] == "closed":
        return about
    shown = {
        "summary": escaping.line(f"{told['property']}: {told['story']}", 1_024),
        "source": escaping.line(f"qoescope {told['property']}", 255),
        "severity": _URGENCY.get(str(told["severity"]), "error"),
        "class": escaping.line(told.get("metrics") or "", 255),
        "group": escaping.line(told.get("slice_name") or "everyone", 255),
        "custom_details": escaping.clean(dict(told)),
    }
    began = {"timestamp": told["onset_at"]} if told.get("onset_at") else {}
    return {**about, "client": "qoescope", "payload": shown | began}


def mail(told: Row, sender: str, to: str) -> EmailMessage:
    """As a mail; its Message-ID is the same for the same state."""
    message = EmailMessage()
    subject = f"[qoescope] {told['severity']}: {told.get('slice_name') or 'everyone'} ({told['state']})"
    message["Subject"] = escaping.line(subject, 200)
    message["From"], message["To"] = sender, to
    message["Message-ID"] = f"<{key(told)}@qoescope>"
    details = json.dumps(escaping.clean(dict(told)), indent=2, ensure_ascii=False)
    message.set_content(f"{escaping.line(told['story'])}\n\n{details}\n")
    return message
