"""Bodies: what was sent, inflated within bounds."""

import zlib

from qoescope.ingest.limits import Limits

STEP = 64 * 1024
GZIP = 31  # zlib's window bits for a gzip header
MOST_MEMBERS = 100
"""Gzip members of one body; who compresses once has one."""


class Refused(Exception):
    """A whole request is refused: with which status, why, and what was read of it if that is to be kept."""

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


def plain(body: bytes, encoding: str | None, limits: Limits) -> bytes:
    """The body without its encoding; raises `Refused` (415 an unknown encoding, 413 too large, 400 broken gzip)."""
    if encoding in (None, "", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Refused(415, "unknown Content-Encoding: send identity or gzip", body)
    return _inflated(body, limits)


def _inflated(body: bytes, limits: Limits) -> bytes:
    """All members one after the other; reads each byte once, however many members there are."""
    made, size, at, members = [], 0, 0, 0
    try:
        while at < len(body):
            members += 1
            if members > MOST_MEMBERS:
                raise Refused(413, f"more than {MOST_MEMBERS} gzip members", body)
            member = zlib.decompressobj(GZIP)
            while not member.eof:
                fed = body[at : at + STEP]
                piece = member.decompress(fed, STEP)
                at += len(fed) - len(member.unconsumed_tail) - len(member.unused_data)
                size += len(piece)
                if size > limits.inflated_bytes:
                    raise Refused(413, f"larger than {limits.inflated_bytes} bytes when inflated", body)
                if size > STEP and size > limits.inflated_ratio * at:
                    raise Refused(413, f"inflates more than {limits.inflated_ratio} times", body)
                made.append(piece)
                if not piece and not fed and not member.eof:
                    raise Refused(400, "gzip ends too early", body)
    except zlib.error as error:
        raise Refused(400, "not gzip, though its Content-Encoding says so", body) from error
    return b"".join(made)
