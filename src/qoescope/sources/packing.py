"""Packing: gzip and Zstandard taken off whatever file or stream, known by its first bytes."""

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar, cast

import pyarrow as pa

from qoescope.catalog.errors import Mistake

Line = TypeVar("Line", bytes, str)
GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
OTHERS = {b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PAR1": "Parquet"}
"""First bytes of what is not read here."""
LONGEST_LINE = 1024 * 1024
"""Bytes or characters of a line that is read; a line of which there are more is no line of a log or a table."""
OVERLONG = f"the line is longer than {LONGEST_LINE // 1024**2} MiB"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DAMAGE = (EOFError, OSError, zlib.error, pa.ArrowException)


def _from_windows(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are not UTF-8 as Windows-1252, in which spreadsheets of the West save."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("windows-1252", _from_windows)


def unpacked(raw: BinaryIO, name: str) -> BinaryIO:
    """The stream's content, packed members and frames one after the other; raises `Mistake` for another archive."""
    stream = io.BufferedReader(cast("io.RawIOBase", raw)) if not isinstance(raw, io.BufferedReader) else raw
    head = stream.peek(6)[:6]
    if head.startswith(GZIP):
        return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=stream))))
    if head.startswith(ZSTANDARD):
        frames = pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd")
        return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", frames)))
    other = next((kind for magic, kind in OTHERS.items() if head.startswith(magic)), None)
    if other:
        raise Mistake(f"{name} is {other}; unpack it first, or pack it with gzip or zstd")
    return cast("BinaryIO", stream)


def text(content: BinaryIO) -> io.TextIOWrapper:
    """Unpacked content as text, line breaks as they are: UTF-16 by its mark, else UTF-8 with or without one."""
    stream = cast("io.BufferedReader", content)
    if stream.peek(2)[:2] in UTF_16:
        return io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="")
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="windows-1252", newline="")


def byte_lines(raw: BinaryIO, name: str) -> Iterator[bytes]:
    """The lines of what is packed or not, which is closed behind them; of each at most `LONGEST_LINE` + 1 bytes.

    A line that `is_overlong` is cut. Raises `Mistake` with the name where it is damaged or cut short.
    """
    with _damage_reported(name), unpacked(raw, name) as stream:
        yield from _bounded(stream.readline)


def text_lines(raw: BinaryIO, name: str) -> Iterator[str]:
    """The same as text, in characters."""
    with _damage_reported(name), text(unpacked(raw, name)) as stream:
        yield from _bounded(stream.readline)


def is_overlong(line: bytes | str) -> bool:
    """Whether a line of the above was longer than `LONGEST_LINE`, so that its end is not there."""
    return len(line) > LONGEST_LINE


def _bounded(read_line: Callable[[int], Line]) -> Iterator[Line]:
    """The lines, each cut to `LONGEST_LINE` + 1; what is beyond is read in pieces and dropped."""
    while line := read_line(LONGEST_LINE + 1):
        yield line
        rest = line
        while len(rest) > LONGEST_LINE and not _is_ended(rest):
            rest = read_line(LONGEST_LINE + 1)


def _is_ended(piece: bytes | str) -> bool:
    return piece.endswith(b"\n") if isinstance(piece, bytes) else piece.endswith(("\n", "\r"))


@contextmanager
def _damage_reported(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise Mistake(f"{name} cannot be read to its end ({error}): it is damaged or cut short") from error
