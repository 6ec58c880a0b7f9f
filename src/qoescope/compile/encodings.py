"""Content encodings (gzip, deflate, zstd, brotli) as streams of pieces, so that whoever reads them sets the bounds."""

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

STEP = 64 * 1024
"""Most bytes of a piece."""
GZIP = 31  # zlib's window bits for a gzip header
ZLIB_CHECK = 31  # a zlib header, as a number, is a multiple of it
ZSTD_WINDOW = 23
"""Zstandard's window as a power of two: 8 MiB, the limit that its standard recommends for servers."""


class Piece(NamedTuple):
    """A decompressed piece of a body."""

    data: bytes
    read: int
    """Bytes of the body that it and the pieces before it came from, at most."""
    member: int
    """The compressed member of the body that it belongs to, from 1."""


class CorruptData(Exception):
    """The data cannot be decompressed; `is_cut` where it only ends too early."""

    def __init__(self, *, is_cut: bool = False) -> None:
        super().__init__("ends too early" if is_cut else "corrupt")
        self.is_cut = is_cut


def _inflate(body: bytes, bits: int = GZIP) -> Iterator[Piece]:
    """Decompresses all members in order; reads each byte once, however many members there are."""
    at = number = 0
    while at < len(body) and not (at and _is_padding(body, at)):
        member, number = zlib.decompressobj(bits), number + 1
        while not member.eof:
            fed = body[at : at + STEP]
            try:
                data = member.decompress(fed, STEP)
            except zlib.error as error:
                raise CorruptData from error
            at += len(fed) - len(member.unconsumed_tail) - len(member.unused_data)
            yield Piece(data, at, number)
            if not data and not fed and not member.eof:
                raise CorruptData(is_cut=True)


def _is_padding(body: bytes, at: int) -> bool:
    """Whether only zeros follow a member, as gzip's own tools allow."""
    return body[at] == 0 and not body[at:].strip(b"\0")


def is_zlib(body: bytes) -> bool:
    """Whether the body begins with zlib's header."""
    return len(body) > 1 and body[0] & 0xF == zlib.DEFLATED and int.from_bytes(body[:2]) % ZLIB_CHECK == 0


def _inflate_deflate(body: bytes) -> Iterator[Piece]:
    """Decompresses deflate in zlib's wrapping, as the standard says, or raw, as some senders do."""
    return _inflate(body, zlib.MAX_WBITS if is_zlib(body) else -zlib.MAX_WBITS)


def _inflate_zstd(body: bytes) -> Iterator[Piece]:
    from backports import zstd  # not of every part

    left, number = body, 0
    while left:
        frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW})
        fed, number = left, number + 1
        while not frame.eof:
            try:
                data = frame.decompress(fed, max_length=STEP)
            except zstd.ZstdError as error:
                raise CorruptData from error
            yield Piece(data, len(body), number)
            if not data and not fed and not frame.eof:
                raise CorruptData(is_cut=True)
            fed = b""
        left = frame.unused_data


def _inflate_brotli(body: bytes) -> Iterator[Piece]:
    import brotli  # not of every part

    stream = brotli.Decompressor()
    fed = body
    while not stream.is_finished():
        try:
            data = stream.process(fed, output_buffer_limit=STEP)
        except brotli.error as error:
            raise CorruptData from error
        yield Piece(data, len(body), 1)
        if not data and not fed and not stream.is_finished():
            raise CorruptData(is_cut=True)
        fed = b""


DECODERS: Mapping[str, Callable[[bytes], Iterator[Piece]]] = {
    "gzip": _inflate,
    "x-gzip": _inflate,
    "deflate": _inflate_deflate,
    "zstd": _inflate_zstd,
    "br": _inflate_brotli,
}
"""The encodings that the collector accepts. Each gives pieces, and raises `CorruptData` where they end."""
