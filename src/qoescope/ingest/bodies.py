"""Decodes request bodies (gzip, deflate, zstd, brotli) within limits on size and ratio."""

import zlib
from collections.abc import Callable, Mapping

from qoescope.ingest.limits import Limits

STEP = 64 * 1024
GZIP = 31  # zlib's window bits for a gzip header
ZLIB_CHECK = 31  # a zlib header, as a number, is a multiple of it
ZSTD_WINDOW = 23
"""Zstandard's window as a power of two: 8 MiB, the limit that its standard recommends for servers."""
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
    unpack = DECODERS.get(named[0]) if len(named) == 1 else None
    if unpack is None:
        raise Refused(415, f"unknown Content-Encoding: send one of {', '.join(DECODERS)}, or none", body)
    output = _Output(body, named[0], limits)
    try:
        unpack(body, output)
    except (zlib.error, CorruptBody) as error:
        raise Refused(400, f"not {named[0]}, though its Content-Encoding says so", body) from error
    return b"".join(output.pieces)


class CorruptBody(Exception):
    """A compressed body cannot be decompressed."""


class _Output:
    """The decompressed pieces of a body; raises `Refused` as soon as they exceed a limit."""

    def __init__(self, body: bytes, name: str, limits: Limits) -> None:
        self.body, self.name, self.limits = body, name, limits
        self.pieces: list[bytes] = []
        self.size = self.members = 0

    def begin(self) -> None:
        """Counts a compressed member."""
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise Refused(413, f"more than {MOST_MEMBERS} {self.name} members", self.body)

    def take(self, piece: bytes, read: int) -> None:
        """Adds a piece that came from the first `read` bytes of the body."""
        self.size += len(piece)
        if self.size > self.limits.inflated_bytes:
            raise Refused(413, f"larger than {self.limits.inflated_bytes} bytes when inflated", self.body)
        if self.size > STEP and self.size > self.limits.inflated_ratio * read:
            raise Refused(413, f"inflates more than {self.limits.inflated_ratio} times", self.body)
        self.pieces.append(piece)

    def cut(self) -> Refused:
        """The refusal of a body that ends before its compressed data does."""
        return Refused(400, f"{self.name} ends too early", self.body)


def _inflate(body: bytes, output: _Output, bits: int = GZIP) -> None:
    """Decompresses all members in order; reads each byte once, however many members there are."""
    at = 0
    while at < len(body) and not (at and _is_padding(body, at)):
        output.begin()
        member = zlib.decompressobj(bits)
        while not member.eof:
            fed = body[at : at + STEP]
            piece = member.decompress(fed, STEP)
            at += len(fed) - len(member.unconsumed_tail) - len(member.unused_data)
            output.take(piece, at)
            if not piece and not fed and not member.eof:
                raise output.cut()


def _is_padding(body: bytes, at: int) -> bool:
    """Whether only zeros follow a member, as gzip's own tools allow."""
    return body[at] == 0 and not body[at:].strip(b"\0")


def _inflate_deflate(body: bytes, output: _Output) -> None:
    """Decompresses deflate in zlib's wrapping, as the standard says, or raw, as some senders do."""
    wrapped = len(body) > 1 and body[0] & 0xF == zlib.DEFLATED and int.from_bytes(body[:2]) % ZLIB_CHECK == 0
    _inflate(body, output, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def _inflate_zstd(body: bytes, output: _Output) -> None:
    from backports import zstd  # of the collector only

    left = body
    while left:
        output.begin()
        frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW})
        fed = left
        while not frame.eof:
            try:
                piece = frame.decompress(fed, max_length=STEP)
            except zstd.ZstdError as error:
                raise CorruptBody from error
            output.take(piece, len(body))
            if not piece and not fed and not frame.eof:
                raise output.cut()
            fed = b""
        left = frame.unused_data


def _inflate_brotli(body: bytes, output: _Output) -> None:
    import brotli  # of the collector only

    stream = brotli.Decompressor()
    fed = body
    while not stream.is_finished():
        try:
            piece = stream.process(fed, output_buffer_limit=STEP)
        except brotli.error as error:
            raise CorruptBody from error
        output.take(piece, len(body))
        if not piece and not fed and not stream.is_finished():
            raise output.cut()
        fed = b""


DECODERS: Mapping[str, Callable[[bytes, _Output], None]] = {
    "gzip": _inflate,
    "x-gzip": _inflate,
    "deflate": _inflate_deflate,
    "zstd": _inflate_zstd,
    "br": _inflate_brotli,
}
"""Content encodings that are accepted; a body that is encoded twice is refused."""
