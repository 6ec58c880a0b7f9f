"""Decodes request bodies (gzip, deflate, zstd, brotli) within limits on size and ratio."""

from qoescope.compile.encodings import DECODERS, STEP, CorruptData, Piece
from qoescope.ingest.limits import Limits

MOST_MEMBERS = 100
"""Compressed members of one body; an honest sender has one."""


class Refused(Exception):
    """A whole request is refused: the status, the reason, and its body where that goes into a dead letter."""

    def __init__(
        self,
        status: int,
        error: str,
        body: bytes | None = None,
        *,
        retry_after_s: int | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.body = status, error, body
        self.retry_after_s, self.allow = retry_after_s, allow


def decode_body(body: bytes, encoding: str | None, limits: Limits) -> bytes:
    """The body without its encoding; raises `Refused` (415 unknown encoding, 413 too large, 400 corrupt)."""
    named = [name for part in (encoding or "").split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not named:
        return body
    decode = DECODERS.get(named[0]) if len(named) == 1 else None
    if decode is None:
        raise Refused(415, f"unknown Content-Encoding: send one of {', '.join(DECODERS)}, or none", body)
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in decode(body):
            size += len(piece.data)
            if too_large := _find_excess(piece, size, named[0], limits):
                raise Refused(413, too_large, body)
            pieces.append(piece.data)
    except CorruptData as error:
        why = f"{named[0]} {error}" if error.is_cut else f"not {named[0]}, though its Content-Encoding says so"
        raise Refused(400, why, body) from error
    return b"".join(pieces)


def _find_excess(piece: Piece, size: int, name: str, limits: Limits) -> str:
    """Which limit a body of this size exceeds with its last piece; empty for none."""
    if piece.member > MOST_MEMBERS:
        return f"more than {MOST_MEMBERS} {name} members"
    if size > limits.inflated_bytes:
        return f"larger than {limits.inflated_bytes} bytes when inflated"
    if size > STEP and size > limits.inflated_ratio * piece.read:
        return f"inflates more than {limits.inflated_ratio} times"
    return ""
