"""What unreadable bytes hold, packed or not, with bounded work, and whether all of it could be read."""

import codecs
import json
from dataclasses import dataclass

from qoescope.compile.encodings import DECODERS, CorruptData

MOST_BYTES = 4 * 1024 * 1024
"""Decompressed bytes of each encoding that is tried."""
MOST_WORK = 6 * MOST_BYTES
"""Bytes that are decompressed and characters that are searched because of one body."""
MOST_VALUES = 20_000
"""Values that are looked at, and ids that are made of them, because of one body: more than an honest one has."""
MOST_LAYERS = 3
"""Encodings inside each other that are undone."""
MOST_MEMBERS = 1_000
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
SKIPPABLE_MAGIC = tuple(bytes((first, 0x2A, 0x4D, 0x18)) for first in range(0x50, 0x60))
"""Of zstd frames that hold no data."""
WITHOUT_MAGIC = ("deflate", "br", "gzip", "zstd")
MOST_BAD = 0.1
"""Share of a text's characters that may be none."""
MOST_WIDE_BAD = 20_000
"""Of them in UTF-16 and UTF-32, where each costs a microsecond."""
_CONTROLS = bytes({*range(0x20), *range(0x7F, 0xA0)} - set(b"\t\n\r"))
"""Those of Latin-1."""
_STEP = 64 * 1024
"""Bytes that are decoded at once."""


@dataclass(slots=True)
class Budget:
    """The work that may still be done; what is beyond it counts as unreadable."""

    work: int = MOST_WORK
    """Bytes decompressed and characters searched."""
    values: int = MOST_VALUES

    @property
    def is_spent(self) -> bool:
        """Whether something was left undone."""
        return self.work < 0 or self.values < 0

    def take_work(self, size: int) -> bool:
        """Takes the work if that much is left; else nothing is left."""
        self.work = self.work - size if size <= self.work else -1
        return self.work >= 0

    def take_values(self, number: int) -> bool:
        """Takes the values if that many are left; else nothing is left."""
        self.values = self.values - number if number <= self.values else -1
        return self.values >= 0


def read_contents(body: bytes, budget: Budget) -> tuple[list[bytes], bool]:
    """(the bytes, and what they hold packed, whether all of it is text that could be read).

    A deflate stream that is cut off counts as read: all that it still holds was inflated. Data in zstd or brotli that
    is cut off or corrupt, and bombs, are read in part.
    """
    contents, current = [body], body
    for _ in range(MOST_LAYERS):
        inner = _unpack(current, contents, budget)
        if inner is None:
            break
        current = inner
    return contents, not _find_magic(current) and is_text(current)


def _unpack(body: bytes, contents: list[bytes], budget: Budget) -> bytes | None:
    """What is packed in the body, if all of it can be read; adds to `contents` what can."""
    magic = _find_magic(body)
    for encoding in (magic,) if magic else () if is_text(body) else WITHOUT_MAGIC:
        data, is_whole = _decompress(body, encoding, budget)
        if data:
            contents.append(data)
        if is_whole and (magic or (data and (is_text(data) or _find_magic(data)))):
            return data
    return None


def is_text(body: bytes) -> bool:
    """Whether the bytes are a text in UTF-8, or in UTF-16 or UTF-32 and mostly ASCII, as JSON is."""
    encoding, body = json.detect_encoding(body), body.rstrip(b"\0")
    if not encoding.startswith("utf-8"):
        text = decode_text(body, encoding)
        if text is not None and len(text.encode("ascii", "ignore")) * 2 > len(text):
            return True
    return decode_text(body, "utf-8") is not None


def decode_text(body: bytes, encoding: str) -> str | None:
    """The bytes as a text; None where too many characters are none, which ends the work early."""
    most = MOST_BAD * len(body) if encoding.startswith("utf-8") else min(MOST_BAD * len(body), MOST_WIDE_BAD)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    pieces: list[str] = []
    bad = 0
    for start in range(0, len(body) or 1, _STEP):
        pieces.append(decoder.decode(body[start : start + _STEP], final=start + _STEP >= len(body)))
        bad += count_bad(pieces[-1])
        if bad > most:
            return None
    text = "".join(pieces)
    return text if bad <= MOST_BAD * len(text) else None


def count_bad(text: str) -> int:
    """The control characters, except tab and line breaks, and the U+FFFD of the text."""
    latin = text.encode("latin-1", "ignore")
    return text.count("\ufffd") + len(latin) - len(latin.translate(None, _CONTROLS))


def _find_magic(body: bytes) -> str:
    """The encoding that the first bytes name; empty for none."""
    if body.startswith(GZIP_MAGIC):
        return "gzip"
    if body.startswith((ZSTD_MAGIC, *SKIPPABLE_MAGIC)):
        return "zstd"
    return ""


def _decompress(body: bytes, encoding: str, budget: Budget) -> tuple[bytes, bool]:
    """(what could be decompressed, whether that is all that the bytes hold)."""
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in DECODERS[encoding](body):
            is_crowded = size + len(piece.data) > MOST_BYTES or piece.member > MOST_MEMBERS
            if is_crowded or not budget.take_work(len(piece.data)):
                return b"".join(pieces), False
            size += len(piece.data)
            pieces.append(piece.data)
    except CorruptData as error:
        return b"".join(pieces), error.is_cut and encoding in ("gzip", "deflate")
    return b"".join(pieces), True
