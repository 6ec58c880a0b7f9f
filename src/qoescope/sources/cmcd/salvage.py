"""Salvage: what can be read of a record that is damaged, or encoded once more than it should be."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from qoescope.catalog.cmcd import KEYS
from qoescope.sources.cmcd import structured_fields
from qoescope.sources.cmcd.structured_fields import Record

MOST_DECODED = 2
"""How often a text may be encoded beyond what its way asks for."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+("?)')
"""A string and its closing quote; one that never closes is matched, too, so that no quote inside it is tried again."""
_UNQUOTED = re.compile(r"'([\w.~:/+ -]+)'|([\w.~:/+-]+)", re.ASCII)
"""Texts such as a UUID that begins with a digit, which is no token."""
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


class Salvaged(NamedTuple):
    """The members of a dictionary that can be parsed."""

    text: str
    record: Record
    lost: list[str]
    """Key of each member that cannot be parsed, or of which a part cannot."""


def salvage(text: str) -> Salvaged:
    """Each member on its own; of a list that holds strings which no record may hold, the others."""
    texts, record, lost = list[str](), Record(), list[str]()
    for member in structured_fields.split(text):
        part = member
        one, at = structured_fields.parsed(member)
        if at < len(member):
            part = _quoted(member)
            if not part:
                lost.append(member.partition("=")[0])
                part = _without_odd_strings(member)
            one, at = structured_fields.parsed(part)
        if part and at == len(part):
            texts.append(part)
            record |= one
    return Salvaged(",".join(texts), record, lost)


def _quoted(member: str) -> str:
    """A member whose text lacks its quotes, or has single ones, as it should be; empty if it is none."""
    key, _, value = member.partition("=")
    bare = _UNQUOTED.fullmatch(value)
    is_text = key in KEYS and KEYS[key].kind == "string"
    return f'{key}="{bare[1] or bare[2]}"' if bare and is_text else ""


def _without_odd_strings(member: str) -> str:
    """A list without its strings that are not printable ASCII; empty if it is none, or if nothing is left."""
    key, _, value = member.partition("=")
    if not value.startswith("("):
        return ""
    kept = _STRING.sub(lambda met: "" if met[1] and not _PRINTABLE.fullmatch(met[0]) else met[0], value)
    kept = re.sub(r" {2,}", " ", kept).replace("( ", "(").replace(" )", ")")
    return f"{key}={kept}" if kept != "()" else ""


def decoded(text: str) -> str:
    """The text, percent-decoded as often as more of it can be read so; as it is where that gains nothing."""
    best, most = text, -1
    for _ in range(MOST_DECODED + 1):
        record, at = structured_fields.parsed(text)
        if at == len(text) and not _is_escaped(record):
            return text
        members = _readable_members(text)
        best, most = (text, members) if members > most else (best, most)
        again = unquote(text) if "%" in text else text
        if again == text:
            break
        text = again
    return best


def _is_escaped(record: Record) -> bool:
    """Whether a token holds an escape, as none of CMCD does: `sta=p%2Csu` is two members."""
    return any("%" in str(value) for name, value in record.items() if name in KEYS and KEYS[name].kind == "token")


def _readable_members(text: str) -> int:
    record = salvage(text).record
    return 0 if _is_escaped(record) else sum(name in KEYS or "-" in name for name in record)
