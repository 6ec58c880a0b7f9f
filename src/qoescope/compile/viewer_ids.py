"""Finds viewer ids in unreadable bytes, so that nothing of forgotten viewers is kept.

Finds what follows the name `viewer_id` in whatever JSON is left, also truncated, escaped, in UTF-16, or in a content
encoding that the collector accepts. It cannot find an id in another field, or in another encoding inside a text.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from qoescope.compile.contents import Budget, decode_text, read_contents
from qoescope.compile.texts import decode_mended

_NAME = re.compile(r"""viewer_id["'\\]*\s*[:=]\s*\\*""", re.IGNORECASE)
_TOKEN = re.compile(
    r""" "(?P<double>(?:[^"\\]++|\\.)*+)"?
       | '(?P<single>[^'\n]*)'?
       | (?P<bracket>[\[\]{}])
       | (?P<bare>[^\s,;&"'{}\[\]\\]+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
VALUE_WORK, ESCAPE_WORK = 10, 50
"""Work for a character of a value, and for an escape, in characters searched."""
_OPENS = frozenset("[{")


@dataclass(frozen=True, slots=True)
class FoundIds:
    """Viewer ids as they stand in some bytes."""

    ids: frozenset[str]
    complete: bool
    """Whether all of the bytes could be read; if not, they may name others too."""


def find_viewer_ids(body: bytes, budget: Budget | None = None) -> FoundIds:
    """The viewer ids in the bytes, as far as the budget, by default one body's, allows."""
    budget = budget or Budget()
    contents, complete = read_contents(body, budget)
    ids = set[str]()
    for content in contents:
        for text in _texts(content, budget):
            if not budget.take_work(len(text)) or not _search(text, ids, budget):
                return FoundIds(frozenset(ids), complete=False)
    return FoundIds(frozenset(ids), complete and not budget.is_spent)


def _texts(body: bytes, budget: Budget) -> Iterator[str]:
    """The bytes as texts that can be searched; those that the budget does not allow are left out, and it is spent."""
    read = {body.decode("utf-8", "replace")}
    if decode_text(body, "utf-8") is not None:
        read.add(decode_mended(body))
    encoding = json.detect_encoding(body)
    if not encoding.startswith("utf-8"):
        read.add(decode_text(body, encoding) or "")
    if b"\0" in body:  # UTF-16 of plain letters is those letters and zeros, wherever it begins
        read.add(body.replace(b"\0", b"").decode("utf-8", "replace"))
    for text in read:
        yield text
        if "\\" in text:
            if budget.take_work(ESCAPE_WORK * text.count("\\u")):
                yield _ESCAPE.sub(_unescape, text)
            yield text.replace('\\"', '"')  # JSON in a text of JSON


def _unescape(escape: re.Match[str]) -> str:
    """The character, unless JSON has to escape it."""
    character = chr(int(escape[1], 16))
    return escape[0] if character < " " or character in '"\\' else character


def _search(text: str, ids: set[str], budget: Budget) -> bool:
    """Adds the ids in the text; whether all of them were looked at. Reads each character twice."""
    at = 0
    if b"viewer_id" not in text.encode("ascii", "ignore").lower():
        return True
    while name := _NAME.search(text, at):
        at, depth = name.end(), 0
        while token := (_TOKEN.search if depth else _TOKEN.match)(text, at):
            at, bracket = token.end(), token["bracket"]
            parts = 1 + text.count(":", *token.span()) if depth > 0 else 1
            if not budget.take_values(parts) or not budget.take_work(VALUE_WORK * (at - token.start())):
                return False
            if bracket:
                depth += 1 if bracket in _OPENS else -1
            else:
                ids.update(_values(token, depth > 0))
            if depth <= 0:
                break
    return True


def _values(token: re.Match[str], is_inner: bool) -> Iterator[str]:
    """The ids that the token may mean; `is_inner` in a list or an object."""
    raw = token["double"]
    if raw is None:
        value = token["single"] if token["single"] is not None else token["bare"]
        yield value
        if is_inner:
            yield from value.split(":")
        return
    yield raw
    with suppress(json.JSONDecodeError):
        yield str(json.loads(f'"{raw}"', strict=False))
