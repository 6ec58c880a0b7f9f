"""What is packed is read as what it holds, and an archive that is cut says so."""

import gzip
import io
import tracemalloc
from collections.abc import Callable

import pyarrow as pa
import pytest

from qoescope.catalog.errors import Mistake
from qoescope.sources import packing

TEXT = "".join(f"{n},Überholspur\n" for n in range(2_000))


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def read(data: bytes) -> list[bytes]:
    return list(packing.byte_lines(io.BytesIO(data), "log"))


HALVES = TEXT.encode()[:7_000], TEXT.encode()[7_000:]


@pytest.mark.parametrize(
    "packed",
    [TEXT.encode(), gzip.compress(TEXT.encode()), zstd(TEXT.encode()), b"".join(map(gzip.compress, HALVES)),
     b"".join(map(zstd, HALVES))],
    ids=["plain", "gzip", "zstd", "two members", "two frames"],
)  # fmt: skip
def test_lines_are_those_that_were_packed(packed: bytes) -> None:
    assert b"".join(read(packed)) == TEXT.encode()
    assert len(read(packed)) == 2_000


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_an_archive_that_ends_early_is_a_mistake_with_its_name(pack: object) -> None:
    packed: bytes = pack(TEXT.encode())  # type: ignore[operator]
    with pytest.raises(Mistake, match="log cannot be read to its end"):
        read(packed[: len(packed) // 2])
    with pytest.raises(Mistake, match="log cannot be read to its end"):
        list(packing.text_lines(io.BytesIO(packed[:12]), "log"))


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"BZh9", b"\xfd7zXZ\x00", b"PAR1"])
def test_another_archive_is_named(head: bytes) -> None:
    with pytest.raises(Mistake, match=r"log is .*; unpack it first"):
        read(head + b"x" * 20)


def test_nothing_is_nothing() -> None:
    assert read(b"") == []


@pytest.mark.parametrize(
    "data",
    [TEXT.encode(), TEXT.encode("utf-8-sig"), TEXT.encode("utf-16"), TEXT.encode("cp1252")],
    ids=["utf-8", "with a mark", "utf-16", "windows-1252"],
)
def test_a_text_is_read_as_it_was_saved(data: bytes) -> None:
    assert "".join(packing.text_lines(io.BytesIO(data), "log")) == TEXT


BOMB = 40 * packing.LONGEST_LINE
GOOD = "good, and short\n"


@pytest.mark.parametrize("pack", [gzip.compress, zstd, bytes])
@pytest.mark.parametrize("signs", ["x", " ", "\0"])
def test_an_overlong_line_is_cut_in_bounded_memory_and_costs_itself_only(
    pack: Callable[[bytes], bytes], signs: str
) -> None:
    packed = pack((GOOD + signs * BOMB + "\n" + GOOD + signs * BOMB).encode())
    tracemalloc.start()
    as_bytes = [(line[:20], packing.is_overlong(line)) for line in packing.byte_lines(io.BytesIO(packed), "log")]
    as_text = [(line[:20], packing.is_overlong(line)) for line in packing.text_lines(io.BytesIO(packed), "log")]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    good, bad = (GOOD, False), (signs * 20, True)
    assert as_text == [(line.decode(), cut) for line, cut in as_bytes] == [good, bad, good, bad]
    assert peak < 16 * packing.LONGEST_LINE


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
def test_a_line_is_whole_up_to_the_longest_one(more: int, end: str) -> None:
    line = "é" + "x" * (packing.LONGEST_LINE - 1 - len(end) + more) + end
    (first, *others) = packing.text_lines(io.BytesIO(line.encode() + GOOD.encode() * bool(end)), "table")
    assert (packing.is_overlong(first), others[-1:]) == (more > 0, [GOOD] * bool(end))
    assert first == line or more > 0
