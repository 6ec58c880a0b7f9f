"""Texts: what a value of telemetry may look like in each channel; one kind of escaping a channel, and all of it here.

Names come from players, so from anybody: they must neither break a message nor speak in it.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

BREAKS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of what ends lines or texts, or is no character: shown as a blank."""
UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""What turns a text's direction or hides in it: left out."""
LONGEST = 2_000
_BLANK = "\N{ZERO WIDTH SPACE}"
_SPEAKS = re.compile(r"([@*~`\[\]])")


def line(value: object, most: int = LONGEST) -> str:
    """The value as one line of text, at most so long."""
    text = "".join(" " if unicodedata.category(c) in BREAKS else c for c in UNSEEN.sub("", str(value)))
    return text if len(text) <= most else text[: most - 1] + "…"


def clean(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    """The same value with every text in it, keys too, as one line."""
    match value:
        case str():
            return line(value)
        case Mapping():
            return {line(name): clean(part) for name, part in value.items()}
        case list() | tuple():
            return [clean(part) for part in value]
        case _:
            return value


def slack(value: object) -> str:
    """As Slack and its likes take text: no mention, no link, no mark-up; what they act on is kept from acting."""
    text = line(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPEAKS.sub(rf"\1{_BLANK}", text).replace("://", f":{_BLANK}//").replace("www.", f"www{_BLANK}.")


def teams(value: object) -> str:
    """As a text run of an Adaptive Card takes it: no Markdown there, but functions in double braces."""
    return line(value).replace("{{", f"{{{_BLANK}{{").replace("://", f":{_BLANK}//")


def token(value: object) -> str:
    """As a header or an id takes it: printable ASCII without blanks; anything else as its code in hexadecimal."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else f"~{ord(c):x}" for c in str(value))[:200]
