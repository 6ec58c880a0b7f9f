"""Viewer ids: those that bytes name which cannot be read as they should, so that nobody's are kept who is forgotten.

Found is what stands behind the name `viewer_id`, in whatever JSON is left of it, also cut off, escaped, in UTF-16 or
packed by gzip. Not found is an id in another field, or packed or encoded otherwise: bytes do not say whose they are.
"""

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress

MOST_BYTES = 4 * 1024 * 1024
"""Of what is unpacked; more is not looked through."""
_NAMED = re.compile(
    r"""viewer_id["'\\]*\s*[:=]\s*\\*
    (?: "(?P<double>(?:[^"\\]|\\.)*)"?
      | '(?P<single>[^'\n]*)'?
      | (?P<bare>[^\s,;&"'{}\[\]\\]+) )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def named_in(body: bytes) -> set[str]:
    """Every viewer's id that the bytes name."""
    return {found for text in _texts(body) for match in _NAMED.finditer(text) for found in _values(match)}


def _texts(body: bytes) -> Iterator[str]:
    """The bytes as texts in which a name can be looked for."""
    if body.startswith(_PACKED):
        body = _unpacked(body)
    if b"\0" in body:  # UTF-16 of plain letters is those letters and zeros
        yield from _readings(body.replace(b"\0", b""))
    yield from _readings(body)


def _readings(body: bytes) -> Iterator[str]:
    text = body.decode("utf-8", "replace")
    yield text
    if "\\" in text:
        yield _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
        yield text.replace('\\"', '"')  # JSON in a text of JSON


def _values(match: re.Match[str]) -> Iterator[str]:
    raw = match["double"]
    if raw is None:
        yield match["single"] if match["single"] is not None else match["bare"]
        return
    yield raw
    with suppress(json.JSONDecodeError):
        yield str(json.loads(f'"{raw}"', strict=False))


def _unpacked(body: bytes) -> bytes:
    """What comes out of it before it breaks off."""
    engine, out = zlib.decompressobj(zlib.MAX_WBITS | 32), b""
    with suppress(zlib.error):
        while body and len(out) < MOST_BYTES:
            out += engine.decompress(body, MOST_BYTES - len(out))
            body = engine.unused_data
            if engine.eof:
                engine = zlib.decompressobj(zlib.MAX_WBITS | 32)
            else:
                break
    return out
