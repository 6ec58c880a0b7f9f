"""Finds viewer ids in unreadable bytes, so that nothing of forgotten viewers is kept.

Finds what follows the name `viewer_id` in whatever JSON is left, also truncated, escaped, in UTF-16 or gzipped. It
cannot find an id in another field, or in another compression or encoding.
"""

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress

MOST_BYTES = 4 * 1024 * 1024
"""Decompressed bytes that are searched."""
_NAMED = re.compile(
    r"""viewer_id["'\\]*\s*[:=]\s*\\*
    (?: "(?P<double>(?:[^"\\]|\\.)*)"?
      | '(?P<single>[^'\n]*)'?
      | (?P<bare>[^\s,;&"'{}\[\]\\]+) )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_COMPRESSED_MAGIC = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def find_viewer_ids(body: bytes) -> set[str]:
    """All viewer ids in the bytes."""
    return {viewer_id for text in _texts(body) for match in _NAMED.finditer(text) for viewer_id in _values(match)}


def _texts(body: bytes) -> Iterator[str]:
    """The bytes as texts that can be searched."""
    if body.startswith(_COMPRESSED_MAGIC):
        body = _decompress(body)
    if b"\0" in body:  # UTF-16 of plain letters is those letters and zeros
        yield from _readings(body.replace(b"\0", b""))
    yield from _readings(body)


def _readings(body: bytes) -> Iterator[str]:
    text = body.decode("utf-8", "replace")
    yield text
    if "\\" in text:
        yield _ESCAPE.sub(lambda viewer_id: chr(int(viewer_id[1], 16)), text)
        yield text.replace('\\"', '"')  # JSON in a text of JSON


def _values(match: re.Match[str]) -> Iterator[str]:
    raw = match["double"]
    if raw is None:
        yield match["single"] if match["single"] is not None else match["bare"]
        return
    yield raw
    with suppress(json.JSONDecodeError):
        yield str(json.loads(f'"{raw}"', strict=False))


def _decompress(body: bytes) -> bytes:
    """The decompressed bytes, as far as they are intact."""
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
