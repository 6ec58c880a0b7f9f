"""What unreadable bytes hold, packed or not, with bounded work, and whether all of it could be read."""

import json
import re

from qoescope.compile.encodings import DECODERS, CorruptData

MOST_BYTES = 4 * 1024 * 1024
"""Decompressed bytes of each encoding that is tried."""
MOST_LAYERS = 3
"""Encodings inside each other that are undone."""
MOST_MEMBERS = 1_000
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
SKIPPABLE_MAGIC = tuple(bytes((first, 0x2A, 0x4D, 0x18)) for first in range(0x50, 0x60))
"""Of zstd frames that hold no data."""
WITHOUT_MAGIC = ("deflate", "br", "gzip", "zstd")
MOST_BAD = 0.1
"""Share of a text's characters that may be none."""
_BAD = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")


def read_contents(body: bytes) -> tuple[list[bytes], bool]:
    """(the bytes, and what they hold packed, whether all of it is text that could be read).

    A deflate stream that is cut off counts as read: all that it still holds was inflated. Data in zstd or brotli that
    is cut off or corrupt, and bombs, are read in part.
    """
    contents, current = [body], body
    for _ in range(MOST_LAYERS):
        inner = _unpack(current, contents)
        if inner is None:
            break
        current = inner
    return contents, not _find_magic(current) and is_text(current)


def _unpack(body: bytes, contents: list[bytes]) -> bytes | None:
    """What is packed in the body, if all of it can be read; adds to `contents` what can."""
    magic = _find_magic(body)
    for encoding in (magic,) if magic else () if is_text(body) else WITHOUT_MAGIC:
        data, is_whole = _decode(body, encoding)
        if data:
            contents.append(data)
        if is_whole and (magic or (data and (is_text(data) or _find_magic(data)))):
            return data
    return None


def is_text(body: bytes) -> bool:
    """Whether the bytes are a text in UTF-8, or in UTF-16 or UTF-32 and mostly ASCII, as JSON is."""
    encoding, body = json.detect_encoding(body), body.rstrip(b"\0")
    if not encoding.startswith("utf-8"):
        text = body.decode(encoding, "replace")
        if len(text.encode("ascii", "ignore")) * 2 > len(text) and _is_legible(text):
            return True
    return _is_legible(body.decode("utf-8", "replace"))


def _is_legible(text: str) -> bool:
    return len(_BAD.findall(text)) <= MOST_BAD * len(text)


def _find_magic(body: bytes) -> str:
    """The encoding that the first bytes name; empty for none."""
    if body.startswith(GZIP_MAGIC):
        return "gzip"
    if body.startswith((ZSTD_MAGIC, *SKIPPABLE_MAGIC)):
        return "zstd"
    return ""


def _decode(body: bytes, encoding: str) -> tuple[bytes, bool]:
    """(what could be decompressed, whether that is all that the bytes hold)."""
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in DECODERS[encoding](body):
            if size + len(piece.data) > MOST_BYTES or piece.member > MOST_MEMBERS:
                return b"".join(pieces), False
            size += len(piece.data)
            pieces.append(piece.data)
    except CorruptData as error:
        return b"".join(pieces), error.is_cut and encoding in ("gzip", "deflate")
    return b"".join(pieces), True
