"""Texts as the collector keeps them: without control characters, and cut to a length."""

import re

from qoescope.catalog.doors import LONGEST_TEXT

_LINE_BREAKS = dict.fromkeys(map(ord, "\t\n\x0b\x0c\r\x85\u2028\u2029"), " ")
_NO_CHARACTERS = dict.fromkeys((*range(1, 0x20), *range(0x7F, 0xA0)), "\ufffd")
_CLEAN = {0: None, **_NO_CHARACTERS, **_LINE_BREAKS}
"""Removes NUL, turns line breaks into spaces, and other control characters into U+FFFD."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_HIGH = range(0x80, 0x100)
_WINDOWS = {byte: bytes((byte,)).decode("cp1252", "replace") for byte in _HIGH}


def decode_mended(body: bytes) -> str:
    """The bytes as UTF-8, where those that are none mean what they mean in Windows-1252, the web's Latin-1.

    The collector and an erasure both read viewer ids by it, so that ids in Latin-1 stay apart and are found.
    """
    try:
        return body.decode()
    except UnicodeDecodeError:
        text = body.decode("utf-8", "surrogateescape")
    for byte in _HIGH:  # a hundred replacements of a character cost less than a call for each one
        if byte in body:
            text = text.replace(chr(0xDC00 + byte), _WINDOWS[byte])
    return text


def clean(text: str) -> str:
    """The text without control characters and line separators."""
    return text.translate(_CLEAN) if _CONTROL.search(text) else text


def tidy_text(text: str) -> str:
    """A text that a player sent, as it is stored: without control characters, cut to `LONGEST_TEXT` characters."""
    return clean(text)[:LONGEST_TEXT]


def join_surrogates(text: str) -> str:
    """The text as UTF-8 can hold it: a surrogate pair becomes its character, half of one U+FFFD. Idempotent."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def tidy_id(text: str) -> str:
    """An id from anywhere as the collector stores it; half a surrogate pair becomes U+FFFD. Idempotent."""
    return tidy_text(join_surrogates(text))


def holds_no_character(text: str) -> bool:
    """Whether the text holds U+FFFD or a control character: then it is not what its sender meant."""
    return "\ufffd" in text or _CONTROL.search(text) is not None
